-- Days that are cut anew, in another time zone, and what loads tell of them then.
ALTER TABLE kaltura.loads ADD COLUMN IF NOT EXISTS redated_from text;
COMMENT ON COLUMN kaltura.loads.redated_from IS
'NULL for a pull. Of a row that redate wrote: the time zone that days were cut in before. With '
'started among the filters it stands for the part of a load that lies on another day; without, it '
'says that parts of loads tell of all of the day, since when, and as far as all of them know.';
COMMENT ON COLUMN kaltura.loads.filters IS
'What the pull was restricted to: lists of ids, by the setting''s name; NULL where to nothing. '
'started: the load tells of the sessions that started in this stretch of time alone, as its day '
'was cut in another time zone.';

COMMENT ON TABLE kaltura.calendars IS
'One row for each account: the time zone at whose midnights its days are cut. A pull with another '
'PARTITION_TIMEZONE is refused, until redate has moved what is there.';
ALTER TABLE kaltura.calendars ADD COLUMN IF NOT EXISTS timezone_before text;
COMMENT ON COLUMN kaltura.calendars.timezone_before IS
'The zone that the days were cut in before redate moved them; NULL where it never did.';
COMMENT ON COLUMN kaltura.calendars.recorded_at IS
'When it was recorded: by the account''s first pull, or by redate.';
