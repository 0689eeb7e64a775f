-- Each day in figures. Sessions and attendance are summed up apart and laid side by side, so that a
-- filter on the date reaches both.

CREATE VIEW analytics.daily AS
WITH session_days AS (
    SELECT
        account_id,
        session_date,
        count(*) FILTER (WHERE NOT is_breakout) AS session_count,
        count(*) FILTER (WHERE is_breakout) AS breakout_session_count,
        count(DISTINCT room_id) FILTER (WHERE NOT is_breakout) AS room_count,
        count(DISTINCT host_id) FILTER (WHERE NOT is_breakout) AS host_count,
        sum(duration_minutes) FILTER (WHERE NOT is_breakout) AS session_minutes,
        bool_or(is_provisional) AS is_provisional
    FROM analytics.sessions
    GROUP BY account_id, session_date
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
        sum(attended_minutes) FILTER (WHERE NOT is_breakout) AS total_minutes,
        sum(attended_minutes) FILTER (WHERE is_breakout) AS breakout_minutes,
        sum(engaged_minutes) FILTER (WHERE NOT is_breakout)
        / nullif(
            sum(attended_minutes) FILTER (
                WHERE NOT is_breakout AND engagement_ratio IS NOT NULL
            ),
            0
        ) AS weighted_engagement_ratio
    FROM analytics.attendance
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
        NULL::double precision AS breakout_minutes,
        NULL::double precision AS weighted_engagement_ratio
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
        breakout_minutes,
        weighted_engagement_ratio
    FROM attendance_days
)

SELECT
    account_id,
    session_date,
    coalesce(max(session_count), 0) AS session_count,
    coalesce(max(breakout_session_count), 0) AS breakout_session_count,
    coalesce(max(room_count), 0) AS room_count,
    coalesce(max(host_count), 0) AS host_count,
    max(session_minutes) AS session_minutes,
    coalesce(max(attendance_count), 0) AS attendance_count,
    coalesce(max(people_count), 0) AS people_count,
    coalesce(max(guest_count), 0) AS guest_count,
    coalesce(max(total_minutes), 0) AS total_minutes,
    coalesce(max(breakout_minutes), 0) AS breakout_minutes,
    max(weighted_engagement_ratio) AS weighted_engagement_ratio,
    coalesce(bool_or(is_provisional), FALSE) AS is_provisional
FROM side_by_side
GROUP BY account_id, session_date;

COMMENT ON VIEW analytics.daily IS
'One row for each day that had a session or attendees. A day without a row had none, or was not '
'loaded: data_freshness tells which.';
COMMENT ON COLUMN analytics.daily.account_id IS 'The Kaltura account (partner id).';
COMMENT ON COLUMN analytics.daily.session_date IS 'The local day on which the sessions started.';
COMMENT ON COLUMN analytics.daily.session_count IS 'Main sessions that started.';
COMMENT ON COLUMN analytics.daily.breakout_session_count IS 'Breakout sessions that started.';
COMMENT ON COLUMN analytics.daily.room_count IS 'Main rooms that had a session.';
COMMENT ON COLUMN analytics.daily.host_count IS
'People who hosted a main session, each counted once; unknown hosts do not count.';
COMMENT ON COLUMN analytics.daily.session_minutes IS
'How long the main sessions ran in all, in minutes; those without a known end do not count, and '
'NULL where all are such.';
COMMENT ON COLUMN analytics.daily.attendance_count IS
'Attendances of main sessions: an identified person in a session.';
COMMENT ON COLUMN analytics.daily.people_count IS
'Identified people in main sessions, each counted once a day: does not add up over days.';
COMMENT ON COLUMN analytics.daily.guest_count IS 'How many of people_count came as guests.';
COMMENT ON COLUMN analytics.daily.total_minutes IS
'Time that all attendees spent in main sessions, in minutes.';
COMMENT ON COLUMN analytics.daily.breakout_minutes IS
'Time that all attendees spent in breakouts, in minutes. Usually part of total_minutes: not to '
'be added to it.';
COMMENT ON COLUMN analytics.daily.weighted_engagement_ratio IS
'Engagement in main sessions weighted by minutes, 0 to 1; NULL where there are no minutes to '
'weigh by.';
COMMENT ON COLUMN analytics.daily.is_provisional IS
'Whether the figures of one of the sessions, breakouts included, may still grow.';
