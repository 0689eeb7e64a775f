-- On which day each session is, by both calendars, before any of them has moved.
INSERT INTO pg_temp.redate_sessions (entry_id, cue_point_id, day_before, day)
SELECT
    room_sessions.entry_id,
    room_sessions.cue_point_id,
    room_sessions.partition_date,
    coalesce(days.day, room_sessions.partition_date) AS day
FROM kaltura.room_sessions
LEFT JOIN pg_temp.redate_days AS days
    ON
        days.day BETWEEN (room_sessions.session_start_time AT TIME ZONE 'UTC')::date - 1
        AND (room_sessions.session_start_time AT TIME ZONE 'UTC')::date + 1
        AND room_sessions.session_start_time >= days.starts_at
        AND room_sessions.session_start_time < days.ends_at
WHERE room_sessions.partner_id = %(partner_id)s
