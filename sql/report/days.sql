-- The days of the same weeks: whether all three reports of the day were loaded whole, and whether its
-- figures may still change.
WITH freshness AS (
    SELECT
        report_id,
        first_date,
        last_date,
        coalesce(missing_dates, '{}') AS missing_dates,
        coalesce(provisional_dates, '{}') AS provisional_dates
    FROM analytics.data_freshness
    WHERE account_id = %(account_id)s
)

SELECT
    days.day_at::date AS session_date,
    count(freshness.report_id) FILTER (
        WHERE
        days.day_at BETWEEN freshness.first_date AND freshness.last_date
        AND NOT days.day_at::date = any(freshness.missing_dates)
    ) = 3 AS is_loaded,
    coalesce(
        bool_or(days.day_at::date = any(freshness.provisional_dates)), FALSE
    ) AS is_provisional
FROM
    generate_series(
        %(week_date)s::date::timestamp - interval '12 weeks',
        %(week_date)s::date::timestamp + interval '6 days',
        interval '1 day'
    ) AS days (day_at)
LEFT JOIN freshness ON TRUE
GROUP BY days.day_at
ORDER BY days.day_at
