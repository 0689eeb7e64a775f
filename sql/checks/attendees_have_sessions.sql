-- Attendees of a session that room_sessions does not hold on their day: the views, which find it by its day as well, can't
-- tell when or where they were.
SELECT
    attendees.partition_date,
    attendees.entry_id,
    attendees.cue_point_id,
    count(*) AS attendee_rows
FROM kaltura.attendees AS attendees
WHERE
    attendees.partner_id = %(partner_id)s
    AND attendees.partition_date BETWEEN %(first)s AND %(last)s
    AND NOT EXISTS (
        SELECT
        FROM kaltura.room_sessions AS sessions
        WHERE
            sessions.partner_id = attendees.partner_id
            AND sessions.entry_id = attendees.entry_id
            AND sessions.cue_point_id = attendees.cue_point_id
            AND sessions.partition_date = attendees.partition_date
    )
GROUP BY attendees.partition_date, attendees.entry_id, attendees.cue_point_id
ORDER BY attendees.partition_date, attendees.entry_id, attendees.cue_point_id
