-- The week and the twelve before it, one row each, also where nothing happened.
SELECT
    calendar.week_date,
    coalesce(weekly.session_count, 0) AS session_count,
    coalesce(weekly.people_count, 0) AS people_count,
    coalesce(weekly.attendance_count, 0) AS attendance_count,
    coalesce(weekly.room_count, 0) AS room_count,
    coalesce(weekly.breakout_session_count, 0) AS breakout_session_count,
    coalesce(weekly.total_minutes, 0) AS total_minutes,
    weekly.weighted_engagement_ratio,
    coalesce(weekly.is_provisional, FALSE) AS is_provisional
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
ORDER BY calendar.week_date
