-- Sessions that started over 48 hours ago and still have no end. Where known_until is close to the start, the day
-- was not pulled again since: do that. Where it is not, Kaltura itself knows no end.
SELECT
    partition_date,
    entry_id,
    cue_point_id,
    session_start_time,
    window_end AS known_until
FROM kaltura.room_sessions
WHERE
    %(report_id)s = 6000
    AND partner_id = %(partner_id)s
    AND partition_date BETWEEN %(first)s AND %(last)s
    AND session_end_time IS NULL
    AND session_start_time < now() - interval '48 hours'
UNION ALL
SELECT
    partition_date,
    breakout_entry_id AS entry_id,
    cue_point_id,
    session_start_time,
    window_end AS known_until
FROM kaltura.breakout_sessions
WHERE
    %(report_id)s = 6002
    AND partner_id = %(partner_id)s
    AND partition_date BETWEEN %(first)s AND %(last)s
    AND session_end_time IS NULL
    AND session_start_time < now() - interval '48 hours'
