-- Format 7: when sending was last tried.

-- When an attempt at a delivery last began or ended; none in rows of an earlier format.
ALTER TABLE delivery ADD COLUMN tried_at TEXT COLLATE "C";
