-- Each part of a load on its day, and of which sessions it tells, unless that is all of the day.
UPDATE kaltura.loads SET
    partition_date = parts.day,
    filters = CASE
        WHEN parts.is_day THEN nullif(loads.filters - 'started', '{}'::jsonb)
        ELSE
            coalesce(loads.filters, '{}'::jsonb)
            || jsonb_build_object('started', jsonb_build_array(parts.starts_at, parts.ends_at))
    END,
    is_whole = parts.is_day AND loads.is_whole,
    content = NULL,
    row_versions = NULL
FROM pg_temp.redate_parts AS parts
WHERE loads.id = parts.id
