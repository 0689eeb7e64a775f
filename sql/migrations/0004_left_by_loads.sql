-- What a load left behind, so that the next pull of the day can tell at a glance that it brings nothing new.
ALTER TABLE kaltura.loads ADD COLUMN IF NOT EXISTS content bytea;
ALTER TABLE kaltura.loads ADD COLUMN IF NOT EXISTS row_versions bigint;
COMMENT ON COLUMN kaltura.loads.content IS
'Digest of the rows of the day, where the table held just these when the load was done. '
'A pull with the same digest is not compared row by row, unless row_versions tells otherwise.';
COMMENT ON COLUMN kaltura.loads.row_versions IS
'Sum of the xmin of those rows when the load was done. Any later write to any of them, by '
'whomever, makes it another.';
