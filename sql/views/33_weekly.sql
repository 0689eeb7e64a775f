-- Each week in figures: as daily, but each person counts once a week. Sessions and attendance are
-- summed up apart, over the days that are loaded, a week at a time, so that a filter on the week reaches each.

CREATE VIEW analytics.weekly AS
WITH calendar_weeks AS (
    SELECT
        account_id,
        session_date - (extract(ISODOW FROM session_date)::integer - 1) AS week_date,
        7 - count(*) FILTER (WHERE is_session_loaded) AS missing_session_day_count,
        -- Main rooms and breakouts are told apart by the sessions.
        7 - count(*) FILTER (
            WHERE is_session_loaded AND is_attendance_loaded
        ) AS missing_attendance_day_count,
        array_agg(session_date) FILTER (WHERE is_session_loaded) AS session_dates,
        array_agg(session_date) FILTER (
            WHERE is_session_loaded AND is_attendance_loaded
        ) AS attendance_dates,
        bool_or(is_provisional) OR count(*) < 7 AS is_provisional
    FROM analytics.calendar
    GROUP BY account_id, session_date - (extract(ISODOW FROM session_date)::integer - 1)
)

SELECT
    calendar_weeks.account_id,
    calendar_weeks.week_date,
    session_weeks.session_count,
    session_weeks.breakout_session_count,
    session_weeks.room_count,
    session_weeks.host_count,
    session_weeks.session_minutes,
    attendance_weeks.attendance_count,
    attendance_weeks.people_count,
    attendance_weeks.guest_count,
    attendance_weeks.total_minutes,
    attendance_weeks.unidentified_minutes,
    attendance_weeks.breakout_minutes,
    attendance_weeks.weighted_engagement_ratio,
    calendar_weeks.missing_session_day_count,
    calendar_weeks.missing_attendance_day_count,
    coalesce(
        session_weeks.is_provisional OR calendar_weeks.is_provisional,
        calendar_weeks.is_provisional,
        TRUE
    ) AS is_provisional
FROM calendar_weeks
-- Without a day that is loaded, no row: the figures are unknown, and not 0.
LEFT JOIN LATERAL (  -- noqa: ST05
    SELECT
        count(*) FILTER (WHERE NOT sessions.is_breakout) AS session_count,
        count(*) FILTER (WHERE sessions.is_breakout) AS breakout_session_count,
        count(DISTINCT sessions.room_id) FILTER (WHERE NOT sessions.is_breakout) AS room_count,
        count(DISTINCT sessions.host_id) FILTER (WHERE NOT sessions.is_breakout) AS host_count,
        -- Of an end that is not known, the minutes are not: 0 is where nothing was held.
        CASE
            WHEN count(*) FILTER (WHERE NOT sessions.is_breakout) = 0 THEN 0
            ELSE sum(sessions.duration_minutes) FILTER (WHERE NOT sessions.is_breakout)
        END AS session_minutes,
        bool_or(sessions.is_provisional) AS is_provisional
    -- OFFSET: what is asked of a row several times is worked out once.
    FROM (
        SELECT
            sessions.is_breakout,
            sessions.room_id,
            coalesce(
                (
                    SELECT people.pseudonym
                    FROM kaltura.people
                    WHERE
                        people.partner_id = sessions.account_id
                        AND people.user_id = sessions.host_id
                ),
                sessions.host_id
            ) AS host_id,
            sessions.duration_minutes,
            sessions.is_provisional
        FROM analytics.sessions
        WHERE
            sessions.account_id = calendar_weeks.account_id
            AND sessions.session_date = any(calendar_weeks.session_dates)
        OFFSET 0  -- noqa: AM09
    ) AS sessions
    HAVING calendar_weeks.missing_session_day_count < 7
) AS session_weeks ON TRUE
LEFT JOIN LATERAL (  -- noqa: ST05
    SELECT
        count(*) FILTER (WHERE NOT attendance.is_breakout AND attendance.is_identified)
            AS attendance_count,
        count(DISTINCT attendance.person_id) FILTER (
            WHERE NOT attendance.is_breakout AND attendance.is_identified
        ) AS people_count,
        count(DISTINCT attendance.person_id) FILTER (
            WHERE NOT attendance.is_breakout AND attendance.is_identified AND attendance.is_guest
        ) AS guest_count,
        -- NULL where attendees are listed without a time; 0 only where nobody is listed.
        CASE
            WHEN count(*) FILTER (WHERE NOT attendance.is_breakout) = 0 THEN 0
            ELSE sum(attendance.attended_minutes) FILTER (WHERE NOT attendance.is_breakout)
        END AS total_minutes,
        CASE
            WHEN
                count(*) FILTER (
                    WHERE NOT attendance.is_breakout AND NOT attendance.is_identified
                ) = 0
                THEN 0
            ELSE
                sum(attendance.attended_minutes) FILTER (
                    WHERE NOT attendance.is_breakout AND NOT attendance.is_identified
                )
        END AS unidentified_minutes,
        CASE
            WHEN count(*) FILTER (WHERE attendance.is_breakout) = 0 THEN 0
            ELSE sum(attendance.attended_minutes) FILTER (WHERE attendance.is_breakout)
        END AS breakout_minutes,
        sum(attendance.attended_minutes * attendance.engagement_ratio) FILTER (
            WHERE NOT attendance.is_breakout
        )
        / nullif(
            sum(attendance.attended_minutes) FILTER (
                WHERE NOT attendance.is_breakout AND attendance.engagement_ratio IS NOT NULL
            ),
            0
        ) AS weighted_engagement_ratio
    FROM (
        -- As in daily, and by pseudonym: days past RETENTION_DAYS have nothing else. OFFSET: what is asked of a row several
        -- times is worked out once.
        SELECT
            coalesce(
                people.pseudonym,
                CASE
                    WHEN (SELECT analytics.shows_people()) THEN attendees.user_id
                    ELSE substring(attendees.user_id FROM '^p_[0-9a-f]{32}$')
                END
            ) AS person_id,
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
        WHERE
            attendees.partner_id = calendar_weeks.account_id
            AND attendees.partition_date >= calendar_weeks.week_date
            AND attendees.partition_date < calendar_weeks.week_date + 7
            AND attendees.partition_date = any(calendar_weeks.attendance_dates)
        OFFSET 0  -- noqa: AM09
    ) AS attendance
    HAVING calendar_weeks.missing_attendance_day_count < 7
) AS attendance_weeks ON TRUE;

COMMENT ON VIEW analytics.weekly IS
'One row for each account and week, Monday to Sunday, from the first to the last of which a day '
'was loaded (account_id, week_date). Figures add up the days that are loaded: '
'missing_session_day_count and missing_attendance_day_count say how many are not. NULL where none '
'is. A person is a user id: somebody with two ids counts twice, '
'and who was erased once a session.';
COMMENT ON COLUMN analytics.weekly.account_id IS 'The Kaltura account (partner id).';
COMMENT ON COLUMN analytics.weekly.week_date IS 'The Monday that begins the week, in local days.';
COMMENT ON COLUMN analytics.weekly.session_count IS 'Main sessions that started.';
COMMENT ON COLUMN analytics.weekly.breakout_session_count IS 'Breakout sessions that started.';
COMMENT ON COLUMN analytics.weekly.room_count IS 'Main rooms that had a session.';
COMMENT ON COLUMN analytics.weekly.host_count IS
'People who hosted a main session, each counted once (PII_MODE=none: once a session); unknown '
'hosts do not count.';
COMMENT ON COLUMN analytics.weekly.session_minutes IS
'How long the main sessions ran in all, in minutes; 0 where there were none. Those without a known '
'end do not count, and NULL where all are such.';
COMMENT ON COLUMN analytics.weekly.attendance_count IS
'Attendances of main sessions: an identified person in a session.';
COMMENT ON COLUMN analytics.weekly.people_count IS
'Identified people in main sessions, each counted once a week (PII_MODE=none: once a session): '
'does not add up over weeks.';
COMMENT ON COLUMN analytics.weekly.guest_count IS 'How many of people_count came as guests.';
COMMENT ON COLUMN analytics.weekly.total_minutes IS
'Time that all attendees spent in main sessions, in minutes; NULL also where no time is given for '
'any of those listed.';
COMMENT ON COLUMN analytics.weekly.unidentified_minutes IS
'How much of total_minutes is of people that Kaltura could not name, in minutes; NULL also where '
'such people are listed and no time is given for any.';
COMMENT ON COLUMN analytics.weekly.breakout_minutes IS
'Time that all attendees spent in breakouts, in minutes. Usually part of total_minutes: not to '
'be added to it. NULL as for total_minutes.';
COMMENT ON COLUMN analytics.weekly.weighted_engagement_ratio IS
'Engagement in main sessions weighted by minutes, 0 to 1; NULL where there are no minutes to '
'weigh by.';
COMMENT ON COLUMN analytics.weekly.missing_session_day_count IS
'Days of the week of which sessions are not loaded, days to come included: the figures of sessions '
'leave them out. 7: nothing is known of them.';
COMMENT ON COLUMN analytics.weekly.missing_attendance_day_count IS
'Days of the week of which attendees, or the sessions that tell main rooms from breakouts, are not '
'loaded: the figures of people and their minutes leave them out.';
COMMENT ON COLUMN analytics.weekly.is_provisional IS
'Whether the figures may still grow: those of one of the sessions, breakouts included, may, a day '
'was not over when last pulled, or a day is not loaded.';
