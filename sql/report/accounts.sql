-- The accounts that a report can be made for, the days from the first to the last that was loaded, and where they are cut.
SELECT
    data_freshness.account_id,
    min(data_freshness.first_date) AS first_date,
    max(data_freshness.last_date) AS last_date,
    -- Days that were cut anew in another zone hold other rows, as if they had been loaded then.
    greatest(max(data_freshness.newest_load_at), max(calendars.recorded_at)) AS loaded_at,
    max(calendars.timezone) AS timezone
FROM analytics.data_freshness
LEFT JOIN kaltura.calendars ON data_freshness.account_id = calendars.partner_id
GROUP BY data_freshness.account_id
ORDER BY data_freshness.account_id
