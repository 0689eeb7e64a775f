-- How new the three reports are, and what they lack, over everything that was loaded.
SELECT
    report_id,
    report_name,
    newest_event_at,
    newest_load_at,
    first_date,
    last_date,
    missing_day_count,
    provisional_day_count
FROM analytics.data_freshness
WHERE account_id = %(account_id)s
ORDER BY report_id
