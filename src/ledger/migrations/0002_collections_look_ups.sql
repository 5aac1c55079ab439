-- Format 2: objects that are in no tasklist, groups that are registered here alone, and who was looked up.

ALTER TABLE binding RENAME COLUMN tasklist TO collection;
ALTER TABLE journal RENAME COLUMN tasklist TO collection;

-- What is registered here has its address as id, which two projects may both use.
DROP INDEX binding_object;
CREATE UNIQUE INDEX binding_object ON binding (collection, id) WHERE collection <> ':ledger';

-- People by what a manifest calls them: personal data, so it is kept no longer than it serves.
CREATE TABLE look_up (
    project   TEXT NOT NULL,
    provider  TEXT NOT NULL,
    app       TEXT NOT NULL, -- whose reach decided, and to whom an open_id belongs
    recipient TEXT NOT NULL, -- as `email li@example.com`
    person    TEXT NOT NULL, -- as `user ou_18ea`
    looked_at TEXT NOT NULL,
    PRIMARY KEY (project, provider, recipient)
) STRICT, WITHOUT ROWID;
