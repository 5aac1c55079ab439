-- Format 4: what people and the vendors' rules decide about what is sent.

-- Until when a delivery that did not leave is tried again; none in rows of an earlier format.
ALTER TABLE occurrence ADD COLUMN send_until TEXT;
-- When it is taken back, and on whose word where that is a person's.
ALTER TABLE occurrence ADD COLUMN revoke_at TEXT;
ALTER TABLE occurrence ADD COLUMN revoked_by TEXT;
-- When its recalls were written down.
ALTER TABLE occurrence ADD COLUMN revoked_at TEXT;
-- Who sent it by hand; none where the schedule did.
ALTER TABLE occurrence ADD COLUMN sent_by TEXT;
-- Whether those who hear of problems have been thought of. What ended before they were known is over.
ALTER TABLE occurrence ADD COLUMN told INTEGER NOT NULL DEFAULT 1 CHECK (told IN (0, 1));

CREATE INDEX occurrence_untold ON occurrence (project, nominal)
    WHERE told = 0 AND outcome IN ('missed', 'refused', 'partial', 'held');
CREATE INDEX occurrence_revoked ON occurrence (project, revoke_at) 
    WHERE revoke_at IS NOT NULL AND revoked_at IS NULL;

-- What a delivery is for: the notice itself, or word of a problem with it.
ALTER TABLE delivery ADD COLUMN purpose TEXT NOT NULL DEFAULT 'notice';

-- What people said of held occurrences.
CREATE TABLE settlement (
    settlement INTEGER PRIMARY KEY AUTOINCREMENT,
    project    TEXT NOT NULL,
    notice     TEXT NOT NULL,
    nominal    TEXT NOT NULL,
    word       TEXT NOT NULL CHECK (word IN ('sent', 'not-sent', 'resend')),
    who        TEXT NOT NULL,
    settled_at TEXT NOT NULL,
    held_for   TEXT NOT NULL -- the reason that it had
) STRICT;

CREATE INDEX settlement_by_occurrence ON settlement (project, notice, nominal);

-- Taking a delivery back: written down before the call leaves, ended after its answer.
CREATE TABLE recall (
    delivery   INTEGER PRIMARY KEY,
    project    TEXT NOT NULL,
    state      TEXT NOT NULL CHECK (state IN
                   ('wanted', 'calling', 'unknown', 'recalled', 'refused', 'impossible', 'held')),
    attempts   INTEGER NOT NULL,
    first_at   TEXT,
    runner     TEXT,
    expires    TEXT,
    detail     TEXT NOT NULL,
    ended_at   TEXT,
    CHECK ((state = 'calling') = (runner IS NOT NULL)),
    CHECK ((runner IS NULL) = (expires IS NULL))
) STRICT;

CREATE INDEX recall_open ON recall (project, delivery) WHERE state IN ('wanted', 'calling', 'unknown');

-- Notices that somebody has stopped for a while. Applying lifts none.
CREATE TABLE pause (
    project TEXT NOT NULL,
    notice  TEXT NOT NULL,
    since   TEXT NOT NULL,
    until   TEXT, -- none: until it is resumed
    who     TEXT NOT NULL,
    PRIMARY KEY (project, notice)
) STRICT, WITHOUT ROWID;

-- What was taken of a vendor's quota, whoever the project is: the quota is the app's.
CREATE TABLE quota (
    name   TEXT NOT NULL, -- such as dingtalk/APP/receivers
    period TEXT NOT NULL, -- such as a minute, a day or a month
    used   INTEGER NOT NULL,
    ends   TEXT NOT NULL,
    PRIMARY KEY (name, period)
) STRICT, WITHOUT ROWID;

-- Who was sent what on which day, as far as a vendor drops what somebody has had. Personal data: kept for
-- the day.
CREATE TABLE had (
    app      TEXT NOT NULL,
    day      TEXT NOT NULL,
    person   TEXT NOT NULL,
    content  TEXT NOT NULL, -- a digest
    delivery INTEGER NOT NULL,
    PRIMARY KEY (app, day, person, content)
) STRICT, WITHOUT ROWID;

CREATE INDEX had_by_delivery ON had (delivery);
