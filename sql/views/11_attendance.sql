-- Who was in which session, for how long. The right to see who people are is asked for when the query is planned, and
-- once more when it runs, as a plan may be kept: the answers pick one of two halves. In each, a filter on a person finds
-- their rows by an index. Who is not shown ids has no column of them in the plan: it would tell of them (0019_plans.sql).

CREATE VIEW analytics.attendance AS
WITH visits AS NOT MATERIALIZED (
    SELECT
        attendees.partner_id AS account_id,
        attendees.cue_point_id AS session_id,
        attendees.entry_id AS room_id,
        sessions.room_name,
        attendees.partition_date AS session_date,
        sessions.started_at,
        attendees.user_id,
        CASE WHEN (SELECT analytics.shows_people()) THEN attendees.user_name END AS person_name,
        CASE WHEN (SELECT analytics.shows_people()) THEN attendees.user_email END AS person_email,
        CASE attendees.user_type WHEN 'Guest' THEN TRUE WHEN 'User' THEN FALSE END AS is_guest,
        NOT analytics.is_nobody(attendees.user_id) AS is_identified,
        CASE
            WHEN
                EXISTS (
                    SELECT FROM analytics.breakout_rooms
                    WHERE
                        breakout_rooms.account_id = attendees.partner_id
                        AND breakout_rooms.room_id = attendees.entry_id
                )
                THEN TRUE
            WHEN sessions.session_id IS NOT NULL THEN FALSE
            -- Where sessions of the day are not loaded, its room may be one that opened that day.
            WHEN
                EXISTS (
                    SELECT FROM kaltura.loads
                    WHERE
                        loads.partner_id = attendees.partner_id
                        AND loads.partition_date = attendees.partition_date
                        AND loads.report_id = 6000
                        AND loads.is_whole
                )
                THEN FALSE
        END AS is_breakout,
        sessions.session_id IS NOT NULL AS is_session_known,
        coalesce(sessions.is_provisional, TRUE) AS is_provisional,
        attendees.meeting_view_time AS attended_minutes,
        CASE
            WHEN analytics.is_nobody(attendees.user_id) THEN NULL
            WHEN attendees.meeting_view_time > nullif(sessions.duration_minutes, 0) THEN 1
            ELSE attendees.meeting_view_time / nullif(sessions.duration_minutes, 0)
        END AS attended_ratio,
        -- Of a figure that it does not know, Kaltura writes 0 as well.
        CASE
            WHEN attendees.meeting_view_time > 0 THEN attendees.meeting_engaged_play_time_ratio
        END AS engagement_ratio,
        CASE
            WHEN attendees.meeting_view_time > 0
                THEN attendees.meeting_view_time * attendees.meeting_engaged_play_time_ratio
        END AS engaged_minutes
    FROM kaltura.attendees
    LEFT JOIN analytics.sessions
        ON
            attendees.partner_id = sessions.account_id
            AND attendees.entry_id = sessions.room_id
            AND attendees.cue_point_id = sessions.session_id
            -- Attendees are loaded as of their session's day: said here, a filter on the day finds the sessions too.
            AND attendees.partition_date = sessions.session_date
),

-- A stored id that is a pseudonym already has none in kaltura.people. Of any other without one, nothing is shown.
pseudonymous AS NOT MATERIALIZED (
    SELECT
        visits.*,
        people.pseudonym AS person_id
    FROM visits
    LEFT JOIN kaltura.people
        ON
            visits.account_id = people.partner_id
            AND visits.user_id = people.user_id
    WHERE
        visits.is_identified
        AND (people.user_id IS NOT NULL OR visits.user_id !~ '^p_[0-9a-f]{32}$')
    UNION ALL
    SELECT
        visits.*,
        -- As in the index attendees_by_pseudonym.
        CASE
            WHEN length(visits.user_id) = 34 AND visits.user_id ~ '^p_[0-9a-f]+$'
                THEN visits.user_id
        END AS person_id
    FROM visits
    WHERE
        length(visits.user_id) = 34 AND visits.user_id ~ '^p_[0-9a-f]+$'
        AND NOT EXISTS (
            SELECT FROM kaltura.people
            WHERE
                people.partner_id = visits.account_id
                AND people.user_id = visits.user_id
        )
    UNION ALL
    -- One by one, as in is_nobody: a filter on a person leaves them out unread.
    SELECT
        visits.*,
        '' AS person_id
    FROM visits
    WHERE visits.user_id = ''
    UNION ALL
    SELECT
        visits.*,
        '0' AS person_id
    FROM visits
    WHERE visits.user_id = '0'
    UNION ALL
    SELECT
        visits.*,
        'Unknown' AS person_id
    FROM visits
    WHERE visits.user_id = 'Unknown'
    UNION ALL
    SELECT
        visits.*,
        'Error' AS person_id
    FROM visits
    WHERE visits.user_id = 'Error'
),

-- The primary key would give rows in the order of the ids, whatever is shown of them: whoever has the list of a class
-- could lay it beside the pseudonyms. Where ids are not shown, pseudonyms alone decide on the order.
told AS NOT MATERIALIZED (
    SELECT
        visits.*,
        visits.user_id AS person_id
    FROM visits
    WHERE analytics.shows_people_when_planned() AND (SELECT analytics.shows_people())
    UNION ALL
    (
        SELECT pseudonymous.*
        FROM pseudonymous
        WHERE NOT (analytics.shows_people_when_planned() AND (SELECT analytics.shows_people()))
        ORDER BY pseudonymous.person_id
    )
)

SELECT
    account_id,
    session_id,
    room_id,
    room_name,
    session_date,
    started_at,
    person_id,
    person_name,
    person_email,
    is_guest,
    is_identified,
    is_breakout,
    is_session_known,
    is_provisional,
    attended_minutes,
    attended_ratio,
    engagement_ratio,
    engaged_minutes
FROM told;

COMMENT ON VIEW analytics.attendance IS
'One row for each person in each session (account_id, room_id, session_id, person_id): an id, so '
'somebody with two ids has two rows. Someone in a breakout room has a row there and usually one '
'in the main session for the same minutes: keep to NOT is_breakout before adding up. '
'An installation that keeps to some people (KALTURA_USER_IDS) has theirs alone.';
COMMENT ON COLUMN analytics.attendance.account_id IS 'The Kaltura account (partner id).';
COMMENT ON COLUMN analytics.attendance.session_id IS 'The session, as in sessions.';
COMMENT ON COLUMN analytics.attendance.room_id IS 'The room: the id of its Kaltura entry.';
COMMENT ON COLUMN analytics.attendance.room_name IS
'The room''s name; NULL where the session is not known.';
COMMENT ON COLUMN analytics.attendance.session_date IS
'The local day on which the session started.';
COMMENT ON COLUMN analytics.attendance.started_at IS
'When the session started; NULL where the session is not known. When the person joined is not '
'known to any report.';
COMMENT ON COLUMN analytics.attendance.person_id IS
'The person''s user id, or the pseudonym where you may not see who people are '
'(kaltura_analyst_pii), PII_MODE keeps no ids, or the day is past RETENTION_DAYS; empty, 0, '
'Unknown or Error for all that Kaltura could not name, together. Personal data.';
COMMENT ON COLUMN analytics.attendance.person_name IS
'First and last name, or the user id again, when last pulled; NULL where you may not see it or '
'it is not kept. Personal data.';
COMMENT ON COLUMN analytics.attendance.person_email IS
'E-mail address when last pulled; NULL where you may not see it or it is not kept. Personal '
'data.';
COMMENT ON COLUMN analytics.attendance.is_guest IS
'Whether the person came as a guest; NULL where Kaltura says neither that nor that they did not. '
'Accounts whose ids Kaltura hashes list guests as users.';
COMMENT ON COLUMN analytics.attendance.is_identified IS
'Whether the row is one person: false where it stands for all that Kaltura could not name, '
'together.';
COMMENT ON COLUMN analytics.attendance.is_breakout IS
'Whether the session is a breakout room''s; NULL where sessions of the day are not loaded and the '
'room is not known as one.';
COMMENT ON COLUMN analytics.attendance.is_session_known IS 'Whether report 6000 lists the session.';
COMMENT ON COLUMN analytics.attendance.is_provisional IS
'Whether the figures may still grow, as in sessions; true where the session is not known.';
COMMENT ON COLUMN analytics.attendance.attended_minutes IS 'Time in the session, in minutes.';
COMMENT ON COLUMN analytics.attendance.attended_ratio IS
'Share of the session''s length that the person was there, 0 to 1; NULL where the length is not '
'known or the row is not one person. Two devices at once count twice, so it is cut at 1.';
COMMENT ON COLUMN analytics.attendance.engagement_ratio IS
'Share of attended_minutes spent engaged, 0 to 1; NULL where there are none.';
COMMENT ON COLUMN analytics.attendance.engaged_minutes IS
'Time spent engaged, in minutes: attended_minutes by engagement_ratio. NULL where that is.';
