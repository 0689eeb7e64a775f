-- The week and the twelve before it, one row each, also where nothing happened. NULL is unknown: not loaded.
SELECT
    calendar.week_date,
    weekly.session_count,
    weekly.people_count,
    weekly.attendance_count,
    weekly.room_count,
    weekly.breakout_session_count,
    weekly.total_minutes,
    weekly.unidentified_minutes,
    weekly.weighted_engagement_ratio,
    coalesce(weekly.is_provisional, TRUE) AS is_provisional
FROM (
    SELECT weeks.started::date AS week_date
    FROM generate_series(
        %(week_date)s::date::timestamp - interval '12 weeks',
        %(week_date)s::date::timestamp,
        interval '1 week'
    ) AS weeks (started)
) AS calendar
LEFT JOIN analytics.weekly
    ON
        calendar.week_date = weekly.week_date
        AND weekly.account_id = %(account_id)s
        AND weekly.week_date BETWEEN %(week_date)s::date - 84 AND %(week_date)s::date
ORDER BY calendar.week_date
