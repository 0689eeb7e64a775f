-- Attendances of the week and of the week before in ten bands of engagement, empty bands included.
SELECT
    bands.band_number,
    coalesce(sum(distribution.attendance_count) FILTER (
        WHERE distribution.session_date >= %(week_date)s::date
    ), 0)::bigint AS attendance_count,
    coalesce(sum(distribution.attendance_count) FILTER (
        WHERE distribution.session_date < %(week_date)s::date
    ), 0)::bigint AS previous_attendance_count
FROM generate_series(1, 10) AS bands (band_number)
LEFT JOIN analytics.engagement_distribution AS distribution
    ON
        bands.band_number = distribution.band_number
        AND distribution.account_id = %(account_id)s
        AND distribution.session_date BETWEEN %(week_date)s::date - 7 AND %(week_date)s::date + 6
GROUP BY bands.band_number
ORDER BY bands.band_number
