-- Format 5: what became of what was sent, and images that were uploaded.

-- Occurrences that are followed, or were.
CREATE TABLE following (
    project  TEXT COLLATE "C" NOT NULL,
    notice   TEXT COLLATE "C" NOT NULL,
    nominal  TEXT COLLATE "C" NOT NULL,
    fired_at TEXT COLLATE "C" NOT NULL,
    until    DOUBLE PRECISION NOT NULL, -- in percent
    ends_at  TEXT COLLATE "C" NOT NULL,
    ended    TEXT COLLATE "C",
    ended_at TEXT COLLATE "C",
    unheard  TEXT COLLATE "C", -- why nobody was sent the report
    PRIMARY KEY (project, notice, nominal),
    CHECK ((ended IS NULL) = (ended_at IS NULL))
);

CREATE INDEX following_open ON following (project, nominal) WHERE ended IS NULL;

-- How often a vendor was asked about a delivery: counted before the call leaves.
CREATE TABLE asked (
    delivery BIGINT PRIMARY KEY,
    times    BIGINT NOT NULL,
    last_at  TEXT COLLATE "C" NOT NULL
);

-- What came of each time, in numbers.
CREATE TABLE reading (
    delivery    BIGINT NOT NULL,
    at          TEXT COLLATE "C" NOT NULL,
    valid       BIGINT,
    delivered   BIGINT,
    read        BIGINT,
    refused     BIGINT NOT NULL,
    is_done     BIGINT NOT NULL CHECK (is_done IN (0, 1)),
    is_recalled BIGINT NOT NULL CHECK (is_recalled IN (0, 1)),
    untold      TEXT COLLATE "C",
    problem     TEXT COLLATE "C",
    PRIMARY KEY (delivery, at)
);

-- Whom the newest reading was about. Personal data: gone when the following ends.
CREATE TABLE reader (
    delivery BIGINT PRIMARY KEY,
    readers  TEXT COLLATE "C" NOT NULL, -- JSON
    refused  TEXT COLLATE "C" NOT NULL  -- JSON
);

-- The keys by which apps know images, by the images' digests.
CREATE TABLE image (
    app         TEXT COLLATE "C" NOT NULL,
    digest      TEXT COLLATE "C" NOT NULL,
    key         TEXT COLLATE "C" NOT NULL,
    uploaded_at TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (app, digest)
);
