-- Format 6: live values as they were last read.

-- The people in chats are personal data: a snapshot that nobody makes anew is dropped.
CREATE TABLE snapshot (
    project    TEXT NOT NULL,
    app        TEXT NOT NULL, -- whose reach decided what was seen
    collection TEXT NOT NULL,
    id         TEXT NOT NULL, -- empty for all of it
    holds      TEXT NOT NULL, -- JSON
    read_at    TEXT NOT NULL,
    PRIMARY KEY (project, app, collection, id)
) STRICT, WITHOUT ROWID;
