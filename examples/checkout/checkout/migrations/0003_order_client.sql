-- Backward compatible: the release before does not name the column, and the default fills it in.
ALTER TABLE orders ADD COLUMN client TEXT NOT NULL DEFAULT '';
