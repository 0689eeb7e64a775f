-- Attendances of the week and of the week before in ten bands of engagement, empty bands included. NULL where no day of
-- the week has its attendees loaded.
WITH loaded AS (
    SELECT
        bool_or(session_date >= %(week_date)s::date) AS has_week,
        bool_or(session_date < %(week_date)s::date) AS has_previous_week
    FROM analytics.calendar
    WHERE
        account_id = %(account_id)s
        AND session_date BETWEEN %(week_date)s::date - 7 AND %(week_date)s::date + 6
        AND is_session_loaded
        AND is_attendance_loaded
)

SELECT
    bands.band_number,
    CASE
        WHEN loaded.has_week
            THEN
                coalesce(sum(distribution.attendance_count) FILTER (
                    WHERE distribution.session_date >= %(week_date)s::date
                ), 0)::bigint
    END AS attendance_count,
    CASE
        WHEN loaded.has_previous_week
            THEN
                coalesce(sum(distribution.attendance_count) FILTER (
                    WHERE distribution.session_date < %(week_date)s::date
                ), 0)::bigint
    END AS previous_attendance_count
FROM generate_series(1, 10) AS bands (band_number)
CROSS JOIN loaded
LEFT JOIN analytics.engagement_distribution AS distribution
    ON
        bands.band_number = distribution.band_number
        AND distribution.account_id = %(account_id)s
        AND distribution.session_date BETWEEN %(week_date)s::date - 7 AND %(week_date)s::date + 6
GROUP BY bands.band_number, loaded.has_week, loaded.has_previous_week
ORDER BY bands.band_number
