-- People with more than 24 hours in main rooms on one day, or more than their sessions lasted, where one of them ran
-- for longer than a day. An hour is allowed for waiting before the start and staying on after the end. Two devices
-- at once count twice at Kaltura's. A person is shown by the pseudonym that analysts know them by, where PII_KEY made
-- it (kaltura.people tells whose it is); else by nothing: a digest of an id is undone by whoever has a list of ids.
SELECT
    attendees.partition_date,
    CASE
        WHEN (SELECT privacy.key_fingerprint IS NOT NULL FROM kaltura.privacy)
            THEN coalesce(
                max(people.pseudonym),
                substring(attendees.user_id FROM '^p_[0-9a-f]{32}$')
            )
    END AS person_id,
    count(*) AS session_count,
    round((sum(attendees.meeting_view_time) / 60)::numeric, 1) AS hours
FROM kaltura.attendees AS attendees
INNER JOIN kaltura.room_sessions AS sessions
    ON
        attendees.partner_id = sessions.partner_id
        AND attendees.entry_id = sessions.entry_id
        AND attendees.cue_point_id = sessions.cue_point_id
LEFT JOIN kaltura.people
    ON attendees.partner_id = people.partner_id AND attendees.user_id = people.user_id
WHERE
    attendees.partner_id = %(partner_id)s
    AND attendees.partition_date BETWEEN %(first)s AND %(last)s
    AND NOT analytics.is_nobody(attendees.user_id)
    AND coalesce(analytics.is_nobody(sessions.parent_entry_id), TRUE)
    AND NOT EXISTS (
        SELECT
        FROM kaltura.breakout_sessions AS breakouts
        WHERE
            breakouts.partner_id = sessions.partner_id
            AND breakouts.breakout_entry_id = sessions.entry_id
    )
GROUP BY attendees.partition_date, attendees.user_id
HAVING
    sum(attendees.meeting_view_time) / 60 > greatest(
        24,
        1 + extract(
            EPOCH FROM max(coalesce(sessions.session_end_time, sessions.window_end))
            - min(sessions.session_start_time)
        ) / 3600
    )
ORDER BY attendees.partition_date ASC, hours DESC, person_id ASC
