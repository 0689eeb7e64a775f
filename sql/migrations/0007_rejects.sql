-- Rows that are used without a figure, and rejects that belong to no day: each once, by the window it came in.
ALTER TABLE kaltura.loads ADD COLUMN IF NOT EXISTS rows_repaired integer NOT NULL DEFAULT 0;
COMMENT ON COLUMN kaltura.loads.rows_repaired IS
'Of the rows that were used, those of which a figure could not be: it is NULL, and rejects holds '
'the line. Not a part of the sum: they are also inserted, updated, unchanged, '
'merged or superseded.';

ALTER TABLE kaltura.rejects ADD COLUMN IF NOT EXISTS column_name text;
ALTER TABLE kaltura.rejects ADD COLUMN IF NOT EXISTS is_repaired boolean NOT NULL DEFAULT FALSE;
ALTER TABLE kaltura.rejects ADD COLUMN IF NOT EXISTS window_start timestamptz;
ALTER TABLE kaltura.rejects ADD COLUMN IF NOT EXISTS window_end timestamptz;
COMMENT ON TABLE kaltura.rejects IS
'One row for each line that could not be used, or not wholly, and that Kaltura still sends: those '
'of the newest load of its day that had others than before.';
COMMENT ON COLUMN kaltura.rejects.reason IS
'Why it could not be used, or why figures of it are left out.';
COMMENT ON COLUMN kaltura.rejects.column_name IS
'The column that is to blame, or the columns with commas between; NULL where the line is no row.';
COMMENT ON COLUMN kaltura.rejects.is_repaired IS
'Whether the row is in the table all the same, with NULL in the columns to blame.';
COMMENT ON COLUMN kaltura.rejects.window_start IS
'Of a line that belongs to no day: start of the time that its events lie in, as far as the windows '
'tell that it came with. NULL for a line of partition_date.';
COMMENT ON COLUMN kaltura.rejects.window_end IS
'End of that time. A pull whose window covers it receives the line again, or it is gone.';

CREATE INDEX IF NOT EXISTS rejects_without_a_day
ON kaltura.rejects (partner_id, report_id, window_end) WHERE window_start IS NOT NULL;
COMMENT ON INDEX kaltura.rejects_without_a_day IS 'For the rejects that belong to no day.';
