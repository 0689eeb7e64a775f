-- The accounts that a report can be made for, and the days from the first to the last that was loaded.
SELECT
    account_id,
    min(first_date) AS first_date,
    max(last_date) AS last_date,
    max(newest_load_at) AS loaded_at
FROM analytics.data_freshness
GROUP BY account_id
ORDER BY account_id
