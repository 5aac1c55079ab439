-- Format 3: what was sent, and what is to be.

-- Up to which nominal instant a notice has been dealt with.
CREATE TABLE handled (
    project TEXT NOT NULL,
    notice  TEXT NOT NULL, -- its address
    until   TEXT NOT NULL,
    PRIMARY KEY (project, notice)
) STRICT, WITHOUT ROWID;

-- Every nominal instant ends in exactly one row, alone or in a range.
CREATE TABLE occurrence (
    project     TEXT NOT NULL,
    notice      TEXT NOT NULL,
    nominal     TEXT NOT NULL,
    last        TEXT NOT NULL,
    count       INTEGER NOT NULL CHECK (count > 0),
    fires_at    TEXT NOT NULL,
    revision    TEXT NOT NULL,
    admitted_at TEXT NOT NULL,
    outcome     TEXT,
    reason      TEXT,
    ended_at    TEXT,
    PRIMARY KEY (project, notice, nominal),
    CHECK ((outcome IS NULL) = (ended_at IS NULL))
) STRICT, WITHOUT ROWID;

CREATE INDEX occurrence_undecided ON occurrence (project, nominal) WHERE outcome IS NULL;

CREATE TABLE delivery (
    delivery   INTEGER PRIMARY KEY AUTOINCREMENT,
    project    TEXT NOT NULL,
    notice     TEXT NOT NULL,
    nominal    TEXT NOT NULL,
    provider   TEXT NOT NULL,
    app        TEXT NOT NULL,
    operation  TEXT NOT NULL,
    query      TEXT NOT NULL, -- JSON
    body       TEXT NOT NULL, -- as it is sent
    recipients TEXT NOT NULL, -- JSON: personal data
    repeat     TEXT NOT NULL,
    state      TEXT NOT NULL CHECK (state IN
                   ('pending', 'sending', 'sent', 'refused', 'unknown', 'held', 'cancelled')),
    attempts   INTEGER NOT NULL,
    first_at   TEXT,
    runner     TEXT,
    expires    TEXT,
    message    TEXT,
    detail     TEXT NOT NULL,
    invalid    TEXT NOT NULL, -- JSON: personal data
    CHECK ((state = 'sending') = (runner IS NOT NULL)),
    CHECK ((runner IS NULL) = (expires IS NULL))
) STRICT;

CREATE INDEX delivery_by_occurrence ON delivery (project, notice, nominal);
CREATE INDEX delivery_open ON delivery (project, delivery)
    WHERE state IN ('pending', 'sending', 'unknown');
