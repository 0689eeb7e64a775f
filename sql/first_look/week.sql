-- Attendance and engagement of some days; breakout rooms are counted apart, or their people would count twice.
WITH sessions AS (
    SELECT
        partition_date,
        count(*) FILTER (WHERE parent_entry_id IS NULL) AS sessions,
        count(*) FILTER (WHERE parent_entry_id IS NOT NULL) AS breakouts
    FROM kaltura.room_sessions
    WHERE
        partition_date BETWEEN %(first)s AND %(last)s
        AND partner_id = %(partner_id)s
    GROUP BY partition_date
),

people AS (
    SELECT
        partition_date,
        count(DISTINCT user_id) AS people,
        sum(meeting_view_time) / 60 AS hours,
        sum(meeting_view_time * meeting_engaged_play_time_ratio)
        / nullif(sum(meeting_view_time), 0) AS engagement
    FROM kaltura.attendees
    WHERE
        partition_date BETWEEN %(first)s AND %(last)s
        AND partner_id = %(partner_id)s
    GROUP BY partition_date
)

SELECT
    sessions.partition_date,
    sessions.sessions,
    sessions.breakouts,
    coalesce(people.people, 0) AS people,
    coalesce(people.hours, 0) AS hours,
    people.engagement
FROM sessions
LEFT JOIN people USING (partition_date)
ORDER BY sessions.partition_date
