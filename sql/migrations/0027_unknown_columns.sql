-- Columns that a pull brought and this version does not know: where their values are not kept, their names still tell.
ALTER TABLE kaltura.loads ADD COLUMN IF NOT EXISTS unknown_columns text[];
COMMENT ON COLUMN kaltura.loads.unknown_columns IS
'Names of columns that Kaltura sent with rows of this day and this version does not know: empty '
'where there were none, NULL where no row came, or where the load is of an earlier version. Their '
'values are in extra of the rows, unless PII_MODE or RETENTION_DAYS forbids.';
