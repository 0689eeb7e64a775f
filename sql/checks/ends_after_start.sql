-- Sessions that end before they start.
SELECT
    partition_date,
    entry_id,
    cue_point_id,
    session_start_time,
    session_end_time
FROM kaltura.room_sessions
WHERE
    %(report_id)s = 6000
    AND partner_id = %(partner_id)s
    AND partition_date BETWEEN %(first)s AND %(last)s
    AND session_end_time < session_start_time
UNION ALL
SELECT
    partition_date,
    breakout_entry_id AS entry_id,
    cue_point_id,
    session_start_time,
    session_end_time
FROM kaltura.breakout_sessions
WHERE
    %(report_id)s = 6002
    AND partner_id = %(partner_id)s
    AND partition_date BETWEEN %(first)s AND %(last)s
    AND session_end_time < session_start_time
