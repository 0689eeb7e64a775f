-- Each host over all the main sessions that they held.

CREATE VIEW analytics.hosts AS
WITH held AS (
    SELECT
        account_id,
        coalesce(host_id, '') AS host,
        count(*) AS session_count,
        count(*) FILTER (
            WHERE attendance_known_until_at IS NULL
        ) AS unknown_attendance_session_count,
        count(DISTINCT room_id) AS room_count,
        sum(duration_minutes) AS session_minutes,
        min(started_at) AS first_session_at,
        max(started_at) AS last_session_at
    FROM analytics.sessions
    WHERE NOT is_breakout
    GROUP BY account_id, coalesce(host_id, '')
),

-- First a row a host and person: counting distinct people over all sessions would sort them all.
listeners AS (
    SELECT
        sessions.account_id,
        coalesce(sessions.host_id, '') AS host,
        attendees.user_id,
        count(*) AS attendance_count,
        sum(attendees.meeting_view_time) AS minutes,
        sum(
            attendees.meeting_view_time * attendees.meeting_engaged_play_time_ratio
        ) AS engaged_minutes,
        sum(attendees.meeting_view_time) FILTER (
            WHERE attendees.meeting_engaged_play_time_ratio IS NOT NULL
        ) AS rated_minutes
    FROM analytics.sessions
    INNER JOIN kaltura.attendees
        ON
            sessions.account_id = attendees.partner_id
            AND sessions.room_id = attendees.entry_id
            AND sessions.session_id = attendees.cue_point_id
    WHERE NOT sessions.is_breakout AND sessions.attendance_known_until_at IS NOT NULL
    GROUP BY sessions.account_id, coalesce(sessions.host_id, ''), attendees.user_id
),

audiences AS (
    SELECT
        account_id,
        host,
        count(*) FILTER (WHERE NOT analytics.is_nobody(user_id)) AS people_count,
        sum(attendance_count) FILTER (
            WHERE NOT analytics.is_nobody(user_id)
        ) AS attendance_count,
        sum(minutes) AS total_minutes,
        sum(minutes) FILTER (WHERE analytics.is_nobody(user_id)) AS unidentified_minutes,
        sum(engaged_minutes) / nullif(sum(rated_minutes), 0) AS weighted_engagement_ratio
    FROM listeners
    GROUP BY account_id, host
),

missing_days AS (
    SELECT
        account_id,
        count(*) FILTER (
            WHERE NOT (is_session_loaded AND is_attendance_loaded)
        ) AS missing_day_count
    FROM analytics.calendar
    GROUP BY account_id
)

SELECT
    held.account_id,
    nullif(held.host, '') AS host_id,
    held.session_count,
    held.unknown_attendance_session_count,
    missing_days.missing_day_count,
    held.room_count,
    held.session_minutes,
    held.first_session_at,
    held.last_session_at,
    CASE
        WHEN held.unknown_attendance_session_count < held.session_count
            THEN coalesce(audiences.people_count, 0)
    END AS people_count,
    coalesce(audiences.attendance_count, 0)::double precision
    / nullif(held.session_count - held.unknown_attendance_session_count, 0) AS mean_people_count,
    CASE
        WHEN held.unknown_attendance_session_count < held.session_count
            THEN coalesce(audiences.total_minutes, 0)
    END AS total_minutes,
    CASE
        WHEN held.unknown_attendance_session_count < held.session_count
            THEN coalesce(audiences.unidentified_minutes, 0)
    END AS unidentified_minutes,
    audiences.weighted_engagement_ratio
FROM held
LEFT JOIN audiences
    ON
        held.account_id = audiences.account_id
        AND held.host = audiences.host
LEFT JOIN missing_days ON held.account_id = missing_days.account_id;

COMMENT ON VIEW analytics.hosts IS
'One row for each host of main sessions (account_id, host_id), and one with host_id NULL for the '
'sessions whose host Kaltura does not know. Breakouts are left out. '
'A person is an id: who has two counts twice.';
COMMENT ON COLUMN analytics.hosts.account_id IS 'The Kaltura account (partner id).';
COMMENT ON COLUMN analytics.hosts.host_id IS
'The user id of the host, or the pseudonym where you may not see who people are. Personal data.';
COMMENT ON COLUMN analytics.hosts.session_count IS 'Main sessions held.';
COMMENT ON COLUMN analytics.hosts.unknown_attendance_session_count IS
'How many of session_count have no attendees loaded: they are in no figure of people or minutes.';
COMMENT ON COLUMN analytics.hosts.missing_day_count IS
'Days of the account, from its first loaded one to its newest, of which sessions or attendees are '
'not loaded: what happened on them is in no figure.';
COMMENT ON COLUMN analytics.hosts.room_count IS 'Main rooms in which they were held.';
COMMENT ON COLUMN analytics.hosts.session_minutes IS
'How long the sessions ran in all, in minutes; those without a known end do not count, and NULL '
'where all are such.';
COMMENT ON COLUMN analytics.hosts.first_session_at IS
'Start of the host''s first session that was loaded.';
COMMENT ON COLUMN analytics.hosts.last_session_at IS 'Start of the host''s newest session.';
COMMENT ON COLUMN analytics.hosts.people_count IS
'Identified people in these sessions, each counted once; the host too, where listed as an '
'attendee. NULL where no attendees are loaded.';
COMMENT ON COLUMN analytics.hosts.mean_people_count IS
'Identified people a session, on average over those whose attendees are loaded.';
COMMENT ON COLUMN analytics.hosts.total_minutes IS
'Time that all attendees spent in these sessions, in minutes; NULL where no attendees are loaded.';
COMMENT ON COLUMN analytics.hosts.unidentified_minutes IS
'How much of total_minutes is of people whom Kaltura could not name, in minutes.';
COMMENT ON COLUMN analytics.hosts.weighted_engagement_ratio IS
'The attendees'' engagement weighted by their minutes, 0 to 1; NULL where there are no minutes '
'to weigh by.';
