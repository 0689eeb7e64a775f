-- The main rooms with the most time spent in them in the week.
WITH audiences AS (
    SELECT
        room_id,
        count(DISTINCT person_id) FILTER (WHERE is_identified) AS people_count
    FROM analytics.attendance
    WHERE
        account_id = %(account_id)s
        AND session_date BETWEEN %(week_date)s::date AND %(week_date)s::date + 6
    GROUP BY room_id
)

SELECT
    coalesce(
        (array_agg(sessions.room_name ORDER BY sessions.started_at DESC))[1], sessions.room_id
    ) AS room_name,
    count(*) AS session_count,
    coalesce(max(audiences.people_count), 0) AS people_count,
    sum(sessions.total_minutes) AS total_minutes,
    sum(sessions.total_minutes * sessions.weighted_engagement_ratio)
    / nullif(
        sum(sessions.total_minutes) FILTER (WHERE sessions.weighted_engagement_ratio IS NOT NULL), 0
    ) AS weighted_engagement_ratio
FROM analytics.sessions
LEFT JOIN audiences ON sessions.room_id = audiences.room_id
WHERE
    sessions.account_id = %(account_id)s
    AND sessions.session_date BETWEEN %(week_date)s::date AND %(week_date)s::date + 6
    AND NOT sessions.is_breakout
GROUP BY sessions.room_id
ORDER BY total_minutes DESC, sessions.room_id ASC
LIMIT 10
