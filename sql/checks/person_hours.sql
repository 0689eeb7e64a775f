-- People with more than 24 hours in main rooms on one day, or more than their sessions lasted, where one of them ran
-- for longer than a day. An hour is allowed for waiting before the start and staying on after the end. Two devices
-- at once count twice at Kaltura's. People are shown by a digest: WHERE left(md5(user_id), 12) = '...' finds them.
SELECT
    attendees.partition_date,
    left(md5(attendees.user_id), 12) AS user_digest,
    count(*) AS session_count,
    round((sum(attendees.meeting_view_time) / 60)::numeric, 1) AS hours
FROM kaltura.attendees AS attendees
INNER JOIN kaltura.room_sessions AS sessions
    ON
        attendees.partner_id = sessions.partner_id
        AND attendees.entry_id = sessions.entry_id
        AND attendees.cue_point_id = sessions.cue_point_id
WHERE
    attendees.partner_id = %(partner_id)s
    AND attendees.partition_date BETWEEN %(first)s AND %(last)s
    AND attendees.user_id NOT IN ('', '0', 'Unknown')
    AND sessions.parent_entry_id IS NULL
GROUP BY attendees.partition_date, attendees.user_id
HAVING
    sum(attendees.meeting_view_time) / 60 > greatest(
        24,
        1 + extract(
            EPOCH FROM max(coalesce(sessions.session_end_time, sessions.window_end))
            - min(sessions.session_start_time)
        ) / 3600
    )
ORDER BY attendees.partition_date ASC, hours DESC
