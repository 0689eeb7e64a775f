-- The rooms with the most time spent in them, breakout rooms counted with their main room.
WITH people AS (
    SELECT
        rooms.partner_id,
        coalesce(rooms.parent_entry_id, rooms.entry_id) AS room_id,
        count(DISTINCT attendees.user_id) AS people,
        sum(attendees.meeting_view_time) / 60 AS hours,
        sum(attendees.meeting_view_time * attendees.meeting_engaged_play_time_ratio)
        / nullif(sum(attendees.meeting_view_time), 0) AS engagement
    FROM kaltura.room_sessions AS rooms
    INNER JOIN kaltura.attendees AS attendees USING (partner_id, entry_id, cue_point_id)
    WHERE
        rooms.partition_date BETWEEN %(first)s AND %(last)s
        AND rooms.partner_id = %(partner_id)s
    GROUP BY rooms.partner_id, coalesce(rooms.parent_entry_id, rooms.entry_id)
),

rooms AS (
    SELECT
        partner_id,
        entry_id AS room_id,
        count(*) AS sessions,
        max(entry_name) AS room
    FROM kaltura.room_sessions
    WHERE partition_date BETWEEN %(first)s AND %(last)s
    GROUP BY partner_id, entry_id
)

SELECT
    coalesce(rooms.room, people.room_id) AS room,
    coalesce(rooms.sessions, 0) AS sessions,
    people.people,
    people.hours,
    people.engagement
FROM people
LEFT JOIN rooms USING (partner_id, room_id)
ORDER BY people.hours DESC, people.room_id
LIMIT 5
