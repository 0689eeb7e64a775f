-- People whom a pull did not name any more, and counted as nobody: whom the table knows stays known.
ALTER TABLE kaltura.loads ADD COLUMN IF NOT EXISTS people_kept integer NOT NULL DEFAULT 0;
COMMENT ON COLUMN kaltura.loads.people_kept IS
'Attendees whom the table names and the pull counted as nobody: their rows stay as they were, and '
'the row of nobody has their minutes no more. Rows of the table, not of the pull.';
COMMENT ON COLUMN kaltura.loads.rows_superseded IS
'Rows that the table knows further or from a later pull: what it holds of their sessions was left '
'as it is. And rows of nobody whose minutes are those of people_kept.';
