-- Ended sessions whose estimate of unique users and whose number of attendee rows are over 20 percent and 5 people apart.
-- Where several people could not be resolved they share one row, so fewer rows than people are no finding there.
WITH attended AS (
    SELECT
        entry_id,
        cue_point_id,
        count(*) AS attendee_rows,
        bool_or(analytics.is_nobody(user_id)) AS has_unresolved
    FROM kaltura.attendees
    WHERE partner_id = %(partner_id)s AND partition_date BETWEEN %(first)s AND %(last)s
    GROUP BY entry_id, cue_point_id
),

compared AS (
    SELECT
        sessions.partition_date,
        sessions.entry_id,
        sessions.cue_point_id,
        sessions.meeting_view_period_unique_users AS estimated_people,
        coalesce(attended.attendee_rows, 0) AS attendee_rows,
        coalesce(attended.has_unresolved, FALSE) AS has_unresolved
    FROM kaltura.room_sessions AS sessions
    LEFT JOIN attended
        ON
            sessions.entry_id = attended.entry_id
            AND sessions.cue_point_id = attended.cue_point_id
    WHERE
        sessions.partner_id = %(partner_id)s
        AND sessions.partition_date BETWEEN %(first)s AND %(last)s
        AND sessions.session_end_time IS NOT NULL
        AND sessions.meeting_view_period_unique_users IS NOT NULL
)

SELECT
    partition_date,
    entry_id,
    cue_point_id,
    estimated_people,
    attendee_rows
FROM compared
WHERE
    abs(estimated_people - attendee_rows) > 5
    AND abs(estimated_people - attendee_rows) > 0.2 * greatest(estimated_people, attendee_rows)
    AND NOT (has_unresolved AND attendee_rows < estimated_people)
ORDER BY partition_date, entry_id, cue_point_id
