-- Format 5: what became of what was sent, and images that were uploaded.

-- Occurrences that are followed, or were.
CREATE TABLE following (
    project  TEXT NOT NULL,
    notice   TEXT NOT NULL,
    nominal  TEXT NOT NULL,
    fired_at TEXT NOT NULL,
    until    REAL NOT NULL, -- in percent
    ends_at  TEXT NOT NULL,
    ended    TEXT,
    ended_at TEXT,
    unheard  TEXT, -- why nobody was sent the report
    PRIMARY KEY (project, notice, nominal),
    CHECK ((ended IS NULL) = (ended_at IS NULL))
) STRICT, WITHOUT ROWID;

CREATE INDEX following_open ON following (project, nominal) WHERE ended IS NULL;

-- How often a vendor was asked about a delivery: counted before the call leaves.
CREATE TABLE asked (
    delivery INTEGER PRIMARY KEY,
    times    INTEGER NOT NULL,
    last_at  TEXT NOT NULL
) STRICT;

-- What came of each time, in numbers.
CREATE TABLE reading (
    delivery    INTEGER NOT NULL,
    at          TEXT NOT NULL,
    valid       INTEGER,
    delivered   INTEGER,
    read        INTEGER,
    refused     INTEGER NOT NULL,
    is_done     INTEGER NOT NULL CHECK (is_done IN (0, 1)),
    is_recalled INTEGER NOT NULL CHECK (is_recalled IN (0, 1)),
    untold      TEXT,
    problem     TEXT,
    PRIMARY KEY (delivery, at)
) STRICT, WITHOUT ROWID;

-- Whom the newest reading was about. Personal data: gone when the following ends.
CREATE TABLE reader (
    delivery INTEGER PRIMARY KEY,
    readers  TEXT NOT NULL, -- JSON
    refused  TEXT NOT NULL  -- JSON
) STRICT;

-- The keys by which apps know images, by the images' digests.
CREATE TABLE image (
    app         TEXT NOT NULL,
    digest      TEXT NOT NULL,
    key         TEXT NOT NULL,
    uploaded_at TEXT NOT NULL,
    PRIMARY KEY (app, digest)
) STRICT, WITHOUT ROWID;
