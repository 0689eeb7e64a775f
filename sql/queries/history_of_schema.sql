-- Which files of sql/ have been applied to a database.
CREATE SCHEMA IF NOT EXISTS kaltura;
CREATE TABLE IF NOT EXISTS kaltura.migrations (
    name text PRIMARY KEY,
    checksum text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);
ALTER TABLE kaltura.migrations
ADD COLUMN IF NOT EXISTS version text,
ADD COLUMN IF NOT EXISTS oldest_code text;
COMMENT ON TABLE kaltura.migrations IS
'Which files of sql/ have been applied, and what was in them.';
COMMENT ON COLUMN kaltura.migrations.name IS 'The file, from sql/ on.';
COMMENT ON COLUMN kaltura.migrations.checksum IS 'SHA-256 of its content when it was applied.';
COMMENT ON COLUMN kaltura.migrations.applied_at IS 'When it was applied.';
COMMENT ON COLUMN kaltura.migrations.version IS
'The version of the code that applied it; NULL before 0.1.0.';
COMMENT ON COLUMN kaltura.migrations.oldest_code IS
'The oldest version of the code that may go on with it; NULL: none that does not have the file.';
