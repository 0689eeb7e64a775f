-- An installation that keeps to some ids, by its settings: its days are whole without the rest. Which ids those are is
-- recorded with the account's calendar, and of each load whether it tells of all of them.
ALTER TABLE kaltura.calendars ADD COLUMN IF NOT EXISTS kept_to jsonb;
COMMENT ON TABLE kaltura.calendars IS
'One row for each account: what its days are. The time zone at whose midnights they are cut: a '
'pull with another PARTITION_TIMEZONE is refused, until redate has moved what is there. And the '
'ids that the settings KALTURA_*_IDS keep to, as of the last pull.';
COMMENT ON COLUMN kaltura.calendars.kept_to IS
'What the settings restrict pulls to, by report, as in filters of kaltura.loads but for the ids of '
'people; NULL: to nothing. A load of just that is whole.';

-- Each load is restricted by what its report can be restricted by, and by nothing else. Ids stand in one order.
UPDATE kaltura.loads SET
    filters = (
        SELECT
            jsonb_object_agg(
                filter.name,
                CASE filter.name
                    WHEN 'started' THEN filter.ids
                    ELSE (
                        SELECT jsonb_agg(DISTINCT listed.id ORDER BY listed.id)
                        FROM unnest(
                            array(SELECT jsonb_array_elements_text(filter.ids)) COLLATE "C"
                        ) AS listed (id)
                    )
                END
            )
        FROM jsonb_each(loads.filters) AS filter (name, ids)
        WHERE
            filter.name IN ('started', 'virtual_event_ids')
            OR (filter.name = 'entry_ids' AND loads.report_id IN (6000, 6001))
            OR (filter.name IN ('user_ids', 'cue_point_ids') AND loads.report_id = 6001)
            OR (filter.name = 'parent_entry_ids' AND loads.report_id = 6002)
    )
WHERE filters IS NOT NULL;
UPDATE kaltura.loads SET filters = filters || '{"people": ""}'
WHERE filters ? 'user_ids';
COMMENT ON COLUMN kaltura.loads.filters IS
'What the pull of this report was restricted to: lists of ids, by the setting''s name; NULL where '
'to nothing. people: by which one list of user_ids is known from another, whatever is recorded of '
'the ids; empty where it is not known any more. started: the load tells of the sessions that '
'started in this stretch of time alone, as its day was cut in another time zone.';

ALTER TABLE kaltura.loads ADD COLUMN IF NOT EXISTS is_whole boolean NOT NULL DEFAULT TRUE;
UPDATE kaltura.loads SET is_whole = FALSE
WHERE filters IS NOT NULL;
-- squawk-ignore ban-drop-constraint
ALTER TABLE kaltura.loads DROP CONSTRAINT IF EXISTS loads_unrestricted_are_whole;
-- squawk-ignore constraint-missing-not-valid
ALTER TABLE kaltura.loads ADD CONSTRAINT loads_unrestricted_are_whole CHECK (
    CASE WHEN filters IS NULL THEN is_whole ELSE NOT (is_whole AND filters ? 'started') END
);
COMMENT ON COLUMN kaltura.loads.is_whole IS
'Whether the load tells of all of its day that the installation keeps: it was restricted to '
'nothing, or to what kept_to of kaltura.calendars says now.';
COMMENT ON CONSTRAINT loads_unrestricted_are_whole ON kaltura.loads IS
'A load that was restricted to nothing is whole; one that tells of a part of its day is not.';
