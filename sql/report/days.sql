-- The days of the same weeks: which of the three reports of the day are loaded whole, and whether its
-- figures may still change.
WITH provisional AS (
    SELECT DISTINCT unnest(provisional_dates) AS session_date
    FROM analytics.data_freshness
    WHERE account_id = %(account_id)s
)

SELECT
    days.day_at::date AS session_date,
    coalesce(calendar.is_session_loaded, FALSE) AS is_session_loaded,
    coalesce(calendar.is_attendance_loaded, FALSE) AS is_attendance_loaded,
    coalesce(calendar.is_breakout_loaded, FALSE) AS is_breakout_loaded,
    provisional.session_date IS NOT NULL AS is_provisional
FROM
    generate_series(
        %(week_date)s::date::timestamp - interval '12 weeks',
        %(week_date)s::date::timestamp + interval '6 days',
        interval '1 day'
    ) AS days (day_at)
LEFT JOIN analytics.calendar
    ON
        days.day_at::date = calendar.session_date
        AND calendar.account_id = %(account_id)s
LEFT JOIN provisional ON days.day_at::date = provisional.session_date
ORDER BY days.day_at
