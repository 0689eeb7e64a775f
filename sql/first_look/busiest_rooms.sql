-- The rooms with the most time spent in them; time in breakout rooms is not added to it. People are counted a room at
-- once, and not anew for each of its sessions; by pseudonym, as days past RETENTION_DAYS have nothing else.
WITH visitors AS (
    SELECT
        entry_id AS room_id,
        user_id,
        sum(meeting_view_time * meeting_engaged_play_time_ratio) AS engaged_minutes,
        sum(meeting_view_time) FILTER (
            WHERE meeting_engaged_play_time_ratio IS NOT NULL
        ) AS rated_minutes
    FROM kaltura.attendees
    WHERE
        partner_id = %(partner_id)s
        AND partition_date BETWEEN %(first)s AND %(last)s
    GROUP BY entry_id, user_id
),

audiences AS (
    SELECT
        room_id,
        count(
            DISTINCT coalesce(
                (
                    SELECT people.pseudonym
                    FROM kaltura.people
                    WHERE
                        people.partner_id = %(partner_id)s
                        AND people.user_id = visitors.user_id
                ),
                user_id
            )
        ) FILTER (WHERE NOT analytics.is_nobody(user_id)) AS people,
        sum(engaged_minutes) / nullif(sum(rated_minutes), 0) AS engagement
    FROM visitors
    GROUP BY room_id
),

openings AS (
    SELECT
        room_id,
        (array_agg(room_name ORDER BY started_at DESC))[1] AS room,
        count(*) AS sessions,
        count(attendance_count) AS known_sessions,
        -- 0 is where nothing is unknown: of a session whose people have no time, none is known.
        CASE
            WHEN
                sum(total_minutes) > 0
                OR NOT bool_or(attendance_count > 0 AND total_minutes IS NULL)
                THEN sum(total_minutes) / 60
        END AS hours
    FROM analytics.sessions
    WHERE
        account_id = %(partner_id)s
        AND session_date BETWEEN %(first)s AND %(last)s
        AND NOT is_breakout
    GROUP BY room_id
)

SELECT
    openings.room_id,
    openings.room,
    openings.sessions,
    CASE WHEN openings.known_sessions > 0 THEN coalesce(audiences.people, 0) END AS people,
    openings.hours,
    audiences.engagement
FROM openings
LEFT JOIN audiences ON openings.room_id = audiences.room_id
ORDER BY openings.hours DESC NULLS LAST, openings.room_id ASC
LIMIT 5
