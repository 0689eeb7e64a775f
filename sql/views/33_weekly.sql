-- Each week in figures: as daily, but each person counts once a week. Sessions and attendance are
-- summed up apart, over the days that are loaded, and laid beside the weeks of the calendar.

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
        bool_or(is_provisional) OR count(*) < 7 AS is_provisional
    FROM analytics.calendar
    GROUP BY account_id, session_date - (extract(ISODOW FROM session_date)::integer - 1)
),

session_weeks AS (
    SELECT
        account_id,
        session_date - (extract(ISODOW FROM session_date)::integer - 1) AS week_date,
        count(*) FILTER (WHERE NOT is_breakout) AS session_count,
        count(*) FILTER (WHERE is_breakout) AS breakout_session_count,
        count(DISTINCT room_id) FILTER (WHERE NOT is_breakout) AS room_count,
        count(DISTINCT host_id) FILTER (WHERE NOT is_breakout) AS host_count,
        sum(duration_minutes) FILTER (WHERE NOT is_breakout) AS session_minutes,
        bool_or(is_provisional) AS is_provisional
    FROM analytics.sessions
    WHERE
        (account_id, session_date) IN (
            SELECT
                loaded_days.account_id,
                loaded_days.session_date
            FROM analytics.loaded_days
            WHERE loaded_days.session_pulled_at IS NOT NULL
        )
    GROUP BY account_id, session_date - (extract(ISODOW FROM session_date)::integer - 1)
),

attendance_weeks AS (
    SELECT
        account_id,
        session_date - (extract(ISODOW FROM session_date)::integer - 1) AS week_date,
        count(*) FILTER (WHERE NOT is_breakout AND is_identified) AS attendance_count,
        count(DISTINCT person_id) FILTER (
            WHERE NOT is_breakout AND is_identified
        ) AS people_count,
        count(DISTINCT person_id) FILTER (
            WHERE NOT is_breakout AND is_identified AND is_guest
        ) AS guest_count,
        sum(attended_minutes) FILTER (WHERE NOT is_breakout) AS total_minutes,
        sum(attended_minutes) FILTER (
            WHERE NOT is_breakout AND NOT is_identified
        ) AS unidentified_minutes,
        sum(attended_minutes) FILTER (WHERE is_breakout) AS breakout_minutes,
        sum(engaged_minutes) FILTER (WHERE NOT is_breakout)
        / nullif(
            sum(attended_minutes) FILTER (
                WHERE NOT is_breakout AND engagement_ratio IS NOT NULL
            ),
            0
        ) AS weighted_engagement_ratio
    FROM analytics.attendance
    WHERE
        (account_id, session_date) IN (
            SELECT
                loaded_days.account_id,
                loaded_days.session_date
            FROM analytics.loaded_days
            WHERE
                loaded_days.session_pulled_at IS NOT NULL
                AND loaded_days.attendance_pulled_at IS NOT NULL
        )
    GROUP BY account_id, session_date - (extract(ISODOW FROM session_date)::integer - 1)
),

side_by_side AS (
    SELECT
        account_id,
        week_date,
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
        NULL::bigint AS missing_session_day_count,
        NULL::bigint AS missing_attendance_day_count
    FROM session_weeks
    UNION ALL
    SELECT
        account_id,
        week_date,
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
        NULL AS missing_session_day_count,
        NULL AS missing_attendance_day_count
    FROM attendance_weeks
    UNION ALL
    SELECT
        account_id,
        week_date,
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
        missing_session_day_count,
        missing_attendance_day_count
    FROM calendar_weeks
)

SELECT
    account_id,
    week_date,
    CASE WHEN max(missing_session_day_count) < 7 THEN coalesce(max(session_count), 0) END
        AS session_count,
    CASE WHEN max(missing_session_day_count) < 7 THEN coalesce(max(breakout_session_count), 0) END
        AS breakout_session_count,
    CASE WHEN max(missing_session_day_count) < 7 THEN coalesce(max(room_count), 0) END
        AS room_count,
    CASE WHEN max(missing_session_day_count) < 7 THEN coalesce(max(host_count), 0) END
        AS host_count,
    CASE WHEN max(missing_session_day_count) < 7 THEN max(session_minutes) END AS session_minutes,
    CASE
        WHEN max(missing_attendance_day_count) < 7 THEN coalesce(max(attendance_count), 0)
    END AS attendance_count,
    CASE
        WHEN max(missing_attendance_day_count) < 7 THEN coalesce(max(people_count), 0)
    END AS people_count,
    CASE
        WHEN max(missing_attendance_day_count) < 7 THEN coalesce(max(guest_count), 0)
    END AS guest_count,
    CASE
        WHEN max(missing_attendance_day_count) < 7 THEN coalesce(max(total_minutes), 0)
    END AS total_minutes,
    CASE
        WHEN max(missing_attendance_day_count) < 7 THEN coalesce(max(unidentified_minutes), 0)
    END AS unidentified_minutes,
    CASE
        WHEN max(missing_attendance_day_count) < 7 THEN coalesce(max(breakout_minutes), 0)
    END AS breakout_minutes,
    CASE
        WHEN max(missing_attendance_day_count) < 7 THEN max(weighted_engagement_ratio)
    END AS weighted_engagement_ratio,
    coalesce(max(missing_session_day_count), 7) AS missing_session_day_count,
    coalesce(max(missing_attendance_day_count), 7) AS missing_attendance_day_count,
    coalesce(bool_or(is_provisional), TRUE) AS is_provisional
FROM side_by_side
GROUP BY account_id, week_date;

COMMENT ON VIEW analytics.weekly IS
'One row for each account and week, Monday to Sunday, from the first to the last of which a day '
'was loaded (account_id, week_date). Figures add up the days that are loaded: '
'missing_session_day_count and missing_attendance_day_count say how many are not. NULL where none '
'is. A person is an id: who has two counts twice.';
COMMENT ON COLUMN analytics.weekly.account_id IS 'The Kaltura account (partner id).';
COMMENT ON COLUMN analytics.weekly.week_date IS 'The Monday that begins the week, in local days.';
COMMENT ON COLUMN analytics.weekly.session_count IS 'Main sessions that started.';
COMMENT ON COLUMN analytics.weekly.breakout_session_count IS 'Breakout sessions that started.';
COMMENT ON COLUMN analytics.weekly.room_count IS 'Main rooms that had a session.';
COMMENT ON COLUMN analytics.weekly.host_count IS
'People who hosted a main session, each counted once; unknown hosts do not count.';
COMMENT ON COLUMN analytics.weekly.session_minutes IS
'How long the main sessions ran in all, in minutes; those without a known end do not count, and '
'NULL where all are such.';
COMMENT ON COLUMN analytics.weekly.attendance_count IS
'Attendances of main sessions: an identified person in a session.';
COMMENT ON COLUMN analytics.weekly.people_count IS
'Identified people in main sessions, each counted once a week: does not add up over weeks.';
COMMENT ON COLUMN analytics.weekly.guest_count IS 'How many of people_count came as guests.';
COMMENT ON COLUMN analytics.weekly.total_minutes IS
'Time that all attendees spent in main sessions, in minutes.';
COMMENT ON COLUMN analytics.weekly.unidentified_minutes IS
'How much of total_minutes is of people whom Kaltura could not name, in minutes.';
COMMENT ON COLUMN analytics.weekly.breakout_minutes IS
'Time that all attendees spent in breakouts, in minutes. Usually part of total_minutes: not to '
'be added to it.';
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
