-- Each day in figures. Sessions and attendance are summed up apart and laid beside the days of the
-- calendar, so that a filter on the date reaches each, and a day that is not loaded has a row.

CREATE VIEW analytics.daily AS
WITH session_days AS (
    SELECT
        account_id,
        session_date,
        count(*) FILTER (WHERE NOT is_breakout) AS session_count,
        count(*) FILTER (WHERE is_breakout) AS breakout_session_count,
        count(DISTINCT room_id) FILTER (WHERE NOT is_breakout) AS room_count,
        count(DISTINCT host_id) FILTER (WHERE NOT is_breakout) AS host_count,
        -- Of an end that is not known, the minutes are not: 0 is where nothing was held.
        CASE
            WHEN count(*) FILTER (WHERE NOT is_breakout) = 0 THEN 0
            ELSE sum(duration_minutes) FILTER (WHERE NOT is_breakout)
        END AS session_minutes,
        bool_or(is_provisional) AS is_provisional
    FROM analytics.sessions
    GROUP BY account_id, session_date
),

-- As in attendance, which has its rows in the order of the pseudonyms where these are shown: a sum needs no order. Of days
-- that are loaded, is_breakout needs no look at the sessions.
visits AS NOT MATERIALIZED (
    SELECT
        attendees.partner_id AS account_id,
        attendees.partition_date AS session_date,
        CASE
            WHEN (SELECT analytics.shows_people()) THEN attendees.user_id
            ELSE coalesce(
                people.pseudonym, substring(attendees.user_id FROM '^p_[0-9a-f]{32}$')
            )
        END AS person_id,
        NOT analytics.is_nobody(attendees.user_id) AS is_identified,
        attendees.user_type = 'Guest' AS is_guest,
        exists(
            SELECT FROM analytics.breakout_rooms
            WHERE
                breakout_rooms.account_id = attendees.partner_id
                AND breakout_rooms.room_id = attendees.entry_id
        ) AS is_breakout,
        attendees.meeting_view_time AS attended_minutes,
        CASE
            WHEN attendees.meeting_view_time > 0 THEN attendees.meeting_engaged_play_time_ratio
        END AS engagement_ratio
    FROM kaltura.attendees
    LEFT JOIN kaltura.people
        ON
            attendees.partner_id = people.partner_id
            AND attendees.user_id = people.user_id
            AND NOT (SELECT analytics.shows_people())
),

attendance_days AS (
    SELECT
        account_id,
        session_date,
        count(*) FILTER (WHERE NOT is_breakout AND is_identified) AS attendance_count,
        count(DISTINCT person_id) FILTER (
            WHERE NOT is_breakout AND is_identified
        ) AS people_count,
        count(DISTINCT person_id) FILTER (
            WHERE NOT is_breakout AND is_identified AND is_guest
        ) AS guest_count,
        -- NULL where attendees are listed without a time; 0 only where nobody is listed.
        CASE
            WHEN count(*) FILTER (WHERE NOT is_breakout) = 0 THEN 0
            ELSE sum(attended_minutes) FILTER (WHERE NOT is_breakout)
        END AS total_minutes,
        CASE
            WHEN count(*) FILTER (WHERE NOT is_breakout AND NOT is_identified) = 0 THEN 0
            ELSE sum(attended_minutes) FILTER (WHERE NOT is_breakout AND NOT is_identified)
        END AS unidentified_minutes,
        CASE
            WHEN count(*) FILTER (WHERE is_breakout) = 0 THEN 0
            ELSE sum(attended_minutes) FILTER (WHERE is_breakout)
        END AS breakout_minutes,
        sum(attended_minutes * engagement_ratio) FILTER (WHERE NOT is_breakout)
        / nullif(
            sum(attended_minutes) FILTER (
                WHERE NOT is_breakout AND engagement_ratio IS NOT NULL
            ),
            0
        ) AS weighted_engagement_ratio
    FROM visits
    GROUP BY account_id, session_date
),

side_by_side AS (
    SELECT
        account_id,
        session_date,
        session_count,
        breakout_session_count,
        room_count,
        host_count,
        session_minutes,
        is_provisional,
        NULL::bigint AS attendance_count,
        NULL::bigint AS people_count,
        NULL::bigint AS guest_count,
        NULL::double precision AS total_minutes,
        NULL::double precision AS unidentified_minutes,
        NULL::double precision AS breakout_minutes,
        NULL::double precision AS weighted_engagement_ratio,
        NULL::boolean AS is_session_loaded,
        NULL::boolean AS is_attendance_loaded
    FROM session_days
    UNION ALL
    SELECT
        account_id,
        session_date,
        NULL AS session_count,
        NULL AS breakout_session_count,
        NULL AS room_count,
        NULL AS host_count,
        NULL AS session_minutes,
        NULL AS is_provisional,
        attendance_count,
        people_count,
        guest_count,
        total_minutes,
        unidentified_minutes,
        breakout_minutes,
        weighted_engagement_ratio,
        NULL AS is_session_loaded,
        NULL AS is_attendance_loaded
    FROM attendance_days
    UNION ALL
    SELECT
        account_id,
        session_date,
        NULL AS session_count,
        NULL AS breakout_session_count,
        NULL AS room_count,
        NULL AS host_count,
        NULL AS session_minutes,
        is_provisional,
        NULL AS attendance_count,
        NULL AS people_count,
        NULL AS guest_count,
        NULL AS total_minutes,
        NULL AS unidentified_minutes,
        NULL AS breakout_minutes,
        NULL AS weighted_engagement_ratio,
        is_session_loaded,
        -- Main rooms and breakouts are told apart by the sessions.
        is_session_loaded AND is_attendance_loaded AS is_attendance_loaded
    FROM analytics.calendar
)

SELECT
    account_id,
    session_date,
    CASE WHEN bool_or(is_session_loaded) THEN coalesce(max(session_count), 0) END AS session_count,
    CASE WHEN bool_or(is_session_loaded) THEN coalesce(max(breakout_session_count), 0) END
        AS breakout_session_count,
    CASE WHEN bool_or(is_session_loaded) THEN coalesce(max(room_count), 0) END AS room_count,
    CASE WHEN bool_or(is_session_loaded) THEN coalesce(max(host_count), 0) END AS host_count,
    CASE
        WHEN bool_or(is_session_loaded)
            THEN CASE WHEN count(session_count) = 0 THEN 0 ELSE max(session_minutes) END
    END AS session_minutes,
    CASE
        WHEN bool_or(is_attendance_loaded) THEN coalesce(max(attendance_count), 0)
    END AS attendance_count,
    CASE
        WHEN bool_or(is_attendance_loaded) THEN coalesce(max(people_count), 0)
    END AS people_count,
    CASE
        WHEN bool_or(is_attendance_loaded) THEN coalesce(max(guest_count), 0)
    END AS guest_count,
    CASE
        WHEN bool_or(is_attendance_loaded)
            THEN CASE WHEN count(attendance_count) = 0 THEN 0 ELSE max(total_minutes) END
    END AS total_minutes,
    CASE
        WHEN bool_or(is_attendance_loaded)
            THEN CASE WHEN count(attendance_count) = 0 THEN 0 ELSE max(unidentified_minutes) END
    END AS unidentified_minutes,
    CASE
        WHEN bool_or(is_attendance_loaded)
            THEN CASE WHEN count(attendance_count) = 0 THEN 0 ELSE max(breakout_minutes) END
    END AS breakout_minutes,
    CASE
        WHEN bool_or(is_attendance_loaded) THEN max(weighted_engagement_ratio)
    END AS weighted_engagement_ratio,
    coalesce(bool_or(is_provisional), TRUE) AS is_provisional
FROM side_by_side
GROUP BY account_id, session_date;

COMMENT ON VIEW analytics.daily IS
'One row for each account and day from the first to the last that was loaded (account_id, '
'session_date). Figures are 0 where nothing happened and NULL where the report that they come '
'from is not loaded for the day. '
'A person is a user id: somebody with two ids counts twice, '
'and who was erased once a session.';
COMMENT ON COLUMN analytics.daily.account_id IS 'The Kaltura account (partner id).';
COMMENT ON COLUMN analytics.daily.session_date IS 'The local day on which the sessions started.';
COMMENT ON COLUMN analytics.daily.session_count IS
'Main sessions that started; NULL, as all figures of sessions are, where report 6000 is not '
'loaded.';
COMMENT ON COLUMN analytics.daily.breakout_session_count IS 'Breakout sessions that started.';
COMMENT ON COLUMN analytics.daily.room_count IS 'Main rooms that had a session.';
COMMENT ON COLUMN analytics.daily.host_count IS
'People who hosted a main session, each counted once (PII_MODE=none: once a session); unknown '
'hosts do not count.';
COMMENT ON COLUMN analytics.daily.session_minutes IS
'How long the main sessions ran in all, in minutes; 0 where there were none. Those without a known '
'end do not count, and NULL where all are such.';
COMMENT ON COLUMN analytics.daily.attendance_count IS
'Attendances of main sessions: an identified person in a session. NULL, as all figures of people '
'are, unless reports 6001 and 6000 are loaded, which tells main rooms from breakouts.';
COMMENT ON COLUMN analytics.daily.people_count IS
'Identified people in main sessions, each counted once a day (PII_MODE=none: once a session): does '
'not add up over days.';
COMMENT ON COLUMN analytics.daily.guest_count IS 'How many of people_count came as guests.';
COMMENT ON COLUMN analytics.daily.total_minutes IS
'Time that all attendees spent in main sessions, in minutes; NULL also where no time is given for '
'any of those listed.';
COMMENT ON COLUMN analytics.daily.unidentified_minutes IS
'How much of total_minutes is of people that Kaltura could not name, in minutes; NULL also where '
'such people are listed and no time is given for any.';
COMMENT ON COLUMN analytics.daily.breakout_minutes IS
'Time that all attendees spent in breakouts, in minutes. Usually part of total_minutes: not to '
'be added to it. NULL as for total_minutes.';
COMMENT ON COLUMN analytics.daily.weighted_engagement_ratio IS
'Engagement in main sessions weighted by minutes, 0 to 1; NULL where there are no minutes to '
'weigh by.';
COMMENT ON COLUMN analytics.daily.is_provisional IS
'Whether the figures may still grow: those of one of the sessions, breakouts included, may, the '
'day was not over when last pulled, or one of the two reports is not loaded. Without report 6002 '
'(is_breakout_loaded in calendar) a breakout that report 6000 does not name counts as a main '
'session.';
