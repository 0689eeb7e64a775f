-- The rooms with the most time spent in them; time in breakout rooms is not added to it.
SELECT
    sessions.room_id,
    max(sessions.room_name) AS room,
    count(*) AS sessions,
    max(people.people) AS people,
    sum(sessions.total_minutes) / 60 AS hours,
    sum(sessions.total_minutes * sessions.weighted_engagement_ratio)
    / nullif(sum(sessions.total_minutes), 0) AS engagement
FROM analytics.sessions AS sessions
LEFT JOIN LATERAL (
    SELECT count(DISTINCT attendees.user_id) AS people
    FROM kaltura.attendees AS attendees
    WHERE
        attendees.partner_id = sessions.account_id
        AND attendees.entry_id = sessions.room_id
        AND attendees.partition_date BETWEEN %(first)s AND %(last)s
) AS people ON TRUE
WHERE
    sessions.account_id = %(partner_id)s
    AND sessions.session_date BETWEEN %(first)s AND %(last)s
    AND NOT sessions.is_breakout
GROUP BY sessions.room_id
ORDER BY hours DESC, sessions.room_id ASC
LIMIT 5
