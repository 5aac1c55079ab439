-- Format 1: what apply remembers.
--
-- Every row has its project. Instants are RFC 3339 in UTC with nine digits after the second, so that
-- their text sorts by time. An address is the text that users read.

-- Address and vendor's object: what we own.
CREATE TABLE binding (
    project    TEXT NOT NULL,
    address    TEXT NOT NULL,
    provider   TEXT NOT NULL,
    app        TEXT NOT NULL,
    tasklist   TEXT NOT NULL,
    id         TEXT NOT NULL,
    applied    TEXT NOT NULL, -- JSON: values by field, see codec.rs
    protect    INTEGER NOT NULL CHECK (protect IN (0, 1)),
    updated_at TEXT NOT NULL,
    PRIMARY KEY (project, address)
) STRICT, WITHOUT ROWID;

-- A vendor's object is bound once, whoever the project is.
CREATE UNIQUE INDEX binding_object ON binding (tasklist, id);

-- One row for each right that only one process has at a time. It is never deleted: `fence` only grows.
CREATE TABLE lease (
    project   TEXT NOT NULL,
    duty      TEXT NOT NULL, -- 'apply'
    fence     INTEGER NOT NULL,
    host      TEXT NOT NULL,
    pid       INTEGER NOT NULL,
    user      TEXT NOT NULL,
    command   TEXT NOT NULL,
    since     TEXT NOT NULL,
    heartbeat TEXT NOT NULL,
    expires   TEXT NOT NULL,
    token     TEXT, -- what the holder wrote into the lock file that it keeps locked, if it could
    ended     TEXT CHECK (ended IN ('released', 'broken')),
    ended_at  TEXT,
    PRIMARY KEY (project, duty),
    CHECK ((ended IS NULL) = (ended_at IS NULL))
) STRICT, WITHOUT ROWID;

-- Calls: written down before they leave, ended after their answer.
CREATE TABLE journal (
    entry      INTEGER PRIMARY KEY AUTOINCREMENT,
    project    TEXT NOT NULL,
    fence      INTEGER NOT NULL,
    opened_at  TEXT NOT NULL,
    address    TEXT, -- none for an undeclared object of an authoritative tasklist
    provider   TEXT NOT NULL,
    app        TEXT NOT NULL,
    operation  TEXT NOT NULL,
    tasklist   TEXT NOT NULL,
    id         TEXT,
    body       TEXT,
    sent       TEXT NOT NULL, -- JSON: values by field
    seen       TEXT NOT NULL, -- JSON: ids; emptied when the entry ends
    timeout_ms INTEGER NOT NULL,
    protect    INTEGER NOT NULL CHECK (protect IN (0, 1)),
    ended_at   TEXT,
    outcome    TEXT,
    detail     TEXT,
    end_id     TEXT,
    CHECK ((ended_at IS NULL) = (outcome IS NULL) AND (ended_at IS NULL) = (detail IS NULL))
) STRICT;

CREATE INDEX journal_by_project ON journal (project, entry);
CREATE INDEX journal_unsettled ON journal (project, entry) WHERE ended_at IS NULL;
