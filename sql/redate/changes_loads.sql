-- Each change by the part of its load that is of its day.
UPDATE kaltura.changes SET load_id = parts.id
FROM pg_temp.redate_parts AS parts
WHERE
    changes.load_id = parts.load_id
    AND parts.id <> parts.load_id
    AND parts.day = (coalesce(changes.after, changes.before) ->> 'partition_date')::date
