-- What loads tell of the sessions of which stretch of time, by day and by what their pulls were restricted to.
SELECT
    loads.report_id,
    loads.partition_date,
    nullif(loads.filters - 'started', '{}'::jsonb)::text AS filters,
    parts.is_day,
    parts.starts_at,
    parts.ends_at,
    loads.pulled_at,
    loads.loaded_at,
    loads.window_start,
    loads.window_end,
    loads.pull,
    loads.people_kept
FROM kaltura.loads
INNER JOIN pg_temp.redate_parts AS parts ON loads.id = parts.id
