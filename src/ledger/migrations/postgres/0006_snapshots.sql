-- Format 6: live values as they were last read.

-- The people in chats are personal data: a snapshot that nobody makes anew is dropped.
CREATE TABLE snapshot (
    project    TEXT COLLATE "C" NOT NULL,
    app        TEXT COLLATE "C" NOT NULL, -- whose reach decided what was seen
    collection TEXT COLLATE "C" NOT NULL,
    id         TEXT COLLATE "C" NOT NULL, -- empty for all of it
    holds      TEXT COLLATE "C" NOT NULL, -- JSON
    read_at    TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (project, app, collection, id)
);
