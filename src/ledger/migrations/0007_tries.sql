-- Format 7: when sending, and taking back, was last tried.

-- When an attempt at a delivery last began or ended; none in rows of an earlier format.
ALTER TABLE delivery ADD COLUMN tried_at TEXT;
-- When an attempt at a recall last began or ended; likewise.
ALTER TABLE recall ADD COLUMN tried_at TEXT;
