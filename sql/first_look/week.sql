-- Attendance and engagement of some days, as analysts see them: main sessions, their people counted once.
SELECT
    session_date AS partition_date,
    session_count AS sessions,
    breakout_session_count AS breakouts,
    people_count AS people,
    total_minutes / 60 AS hours,
    weighted_engagement_ratio AS engagement
FROM analytics.daily
WHERE
    account_id = %(partner_id)s
    AND session_date BETWEEN %(first)s AND %(last)s
ORDER BY session_date
