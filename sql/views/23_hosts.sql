-- Each host over all the main sessions that they held. Who was in them is looked up a host at a time, so that a filter
-- on the host decides which attendees are read.

CREATE VIEW analytics.hosts AS
-- Whose session is whose: a filter on the host finds their rows by an index. No column of ids is planned with for who is
-- not shown them, as in attendance.
WITH hosted AS NOT MATERIALIZED (
    SELECT
        room_sessions.partner_id AS account_id,
        room_sessions.entry_id AS room_id,
        room_sessions.cue_point_id AS session_id,
        room_sessions.partition_date AS session_date,
        room_sessions.session_start_time AS started_at,
        room_sessions.session_end_time AS ended_at,
        room_sessions.session_host_user_id AS host_id
    FROM kaltura.room_sessions
    WHERE
        analytics.shows_people_when_planned()
        AND (SELECT analytics.shows_people())
        AND NOT analytics.is_nobody(room_sessions.session_host_user_id)
    UNION ALL
    SELECT
        room_sessions.partner_id AS account_id,
        room_sessions.entry_id AS room_id,
        room_sessions.cue_point_id AS session_id,
        room_sessions.partition_date AS session_date,
        room_sessions.session_start_time AS started_at,
        room_sessions.session_end_time AS ended_at,
        people.pseudonym AS host_id
    FROM kaltura.room_sessions
    LEFT JOIN kaltura.people
        ON
            room_sessions.partner_id = people.partner_id
            AND room_sessions.session_host_user_id = people.user_id
    WHERE
        NOT (analytics.shows_people_when_planned() AND (SELECT analytics.shows_people()))
        AND NOT analytics.is_nobody(room_sessions.session_host_user_id)
        AND (
            people.user_id IS NOT NULL
            OR room_sessions.session_host_user_id !~ '^p_[0-9a-f]{32}$'
        )
    UNION ALL
    SELECT
        room_sessions.partner_id AS account_id,
        room_sessions.entry_id AS room_id,
        room_sessions.cue_point_id AS session_id,
        room_sessions.partition_date AS session_date,
        room_sessions.session_start_time AS started_at,
        room_sessions.session_end_time AS ended_at,
        -- As in the index room_sessions_by_pseudonym.
        CASE
            WHEN
                length(room_sessions.session_host_user_id) = 34
                AND room_sessions.session_host_user_id ~ '^p_[0-9a-f]+$'
                THEN room_sessions.session_host_user_id
        END AS host_id
    FROM kaltura.room_sessions
    WHERE
        NOT (analytics.shows_people_when_planned() AND (SELECT analytics.shows_people()))
        AND length(room_sessions.session_host_user_id) = 34
        AND room_sessions.session_host_user_id ~ '^p_[0-9a-f]+$'
        AND NOT EXISTS (
            SELECT FROM kaltura.people
            WHERE
                people.partner_id = room_sessions.partner_id
                AND people.user_id = room_sessions.session_host_user_id
        )
    UNION ALL
    SELECT
        room_sessions.partner_id AS account_id,
        room_sessions.entry_id AS room_id,
        room_sessions.cue_point_id AS session_id,
        room_sessions.partition_date AS session_date,
        room_sessions.session_start_time AS started_at,
        room_sessions.session_end_time AS ended_at,
        NULL AS host_id
    FROM kaltura.room_sessions
    WHERE analytics.is_nobody(room_sessions.session_host_user_id) IS NOT FALSE
),

held AS (
    SELECT
        hosted.account_id,
        hosted.host_id,
        count(*) AS session_count,
        count(*) FILTER (
            WHERE loaded_days.attendance_pulled_at IS NULL
        ) AS unknown_attendance_session_count,
        count(DISTINCT hosted.room_id) AS room_count,
        sum(
            extract(EPOCH FROM hosted.ended_at - hosted.started_at)::double precision / 60
        ) AS session_minutes,
        min(hosted.started_at) AS first_session_at,
        max(hosted.started_at) AS last_session_at,
        array_agg(hosted.room_id) FILTER (
            WHERE loaded_days.attendance_pulled_at IS NOT NULL
        ) AS room_ids,
        array_agg(hosted.session_id) FILTER (
            WHERE loaded_days.attendance_pulled_at IS NOT NULL
        ) AS session_ids
    FROM hosted
    LEFT JOIN analytics.loaded_days
        ON
            hosted.account_id = loaded_days.account_id
            AND hosted.session_date = loaded_days.session_date
    WHERE
        NOT EXISTS (
            SELECT FROM analytics.breakout_rooms
            WHERE
                breakout_rooms.account_id = hosted.account_id
                AND breakout_rooms.room_id = hosted.room_id
        )
    GROUP BY hosted.account_id, hosted.host_id
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
    held.host_id,
    held.session_count,
    held.unknown_attendance_session_count,
    missing_days.missing_day_count,
    held.room_count,
    held.session_minutes,
    held.first_session_at,
    held.last_session_at,
    CASE
        WHEN held.unknown_attendance_session_count < held.session_count
            THEN coalesce(audience.people_count, 0)
    END AS people_count,
    meetings.mean_people_count,
    CASE
        WHEN held.unknown_attendance_session_count < held.session_count
            THEN audience.total_minutes
    END AS total_minutes,
    CASE
        WHEN held.unknown_attendance_session_count < held.session_count
            THEN audience.unidentified_minutes
    END AS unidentified_minutes,
    audience.weighted_engagement_ratio
FROM held
LEFT JOIN missing_days ON held.account_id = missing_days.account_id
LEFT JOIN LATERAL (  -- noqa: ST05
    -- First a row a person: counting distinct people over all sessions would sort them all.
    SELECT
        -- By pseudonym, as days past RETENTION_DAYS have nothing else.
        count(
            DISTINCT coalesce(
                (
                    SELECT people.pseudonym
                    FROM kaltura.people
                    WHERE
                        people.partner_id = held.account_id
                        AND people.user_id = listeners.user_id
                ),
                listeners.user_id
            )
        ) FILTER (WHERE NOT analytics.is_nobody(listeners.user_id)) AS people_count,
        -- NULL where attendees are listed without a time; 0 only where nobody is listed.
        CASE WHEN count(*) = 0 THEN 0 ELSE sum(listeners.minutes) END AS total_minutes,
        CASE
            WHEN count(*) FILTER (WHERE analytics.is_nobody(listeners.user_id)) = 0 THEN 0
            ELSE sum(listeners.minutes) FILTER (WHERE analytics.is_nobody(listeners.user_id))
        END AS unidentified_minutes,
        sum(listeners.engaged_minutes) / nullif(sum(listeners.rated_minutes), 0)
            AS weighted_engagement_ratio
    FROM (
        SELECT
            attendees.user_id,
            sum(attendees.meeting_view_time) AS minutes,
            sum(
                attendees.meeting_view_time * attendees.meeting_engaged_play_time_ratio
            ) AS engaged_minutes,
            sum(attendees.meeting_view_time) FILTER (
                WHERE attendees.meeting_engaged_play_time_ratio IS NOT NULL
            ) AS rated_minutes
        FROM unnest(held.room_ids, held.session_ids) AS sessions (room_id, session_id)
        INNER JOIN kaltura.attendees
            ON
                sessions.room_id = attendees.entry_id
                AND sessions.session_id = attendees.cue_point_id
        WHERE attendees.partner_id = held.account_id
        GROUP BY attendees.user_id
    ) AS listeners
) AS audience ON TRUE
-- What a lost connection cut in two is one meeting, and a test is none: else whoever tries the room out before each lecture
-- teaches half as many. OFFSET keeps the planner at it: a session at a time.
LEFT JOIN LATERAL (  -- noqa: ST05
    SELECT avg(opened.people_count)::double precision AS mean_people_count
    FROM unnest(held.room_ids, held.session_ids) AS sessions (room_id, session_id)
    CROSS JOIN
        LATERAL (
            SELECT
                logical_sessions.people_count,
                logical_sessions.is_host_alone
            FROM analytics.logical_sessions
            WHERE
                logical_sessions.account_id = held.account_id
                AND logical_sessions.room_id = sessions.room_id
                AND logical_sessions.logical_session_id = sessions.session_id
            OFFSET 0  -- noqa: AM09
        ) AS opened
    WHERE NOT opened.is_host_alone
) AS meetings ON TRUE;

COMMENT ON VIEW analytics.hosts IS
'One row for each host of main sessions (account_id, host_id), and one with host_id NULL for the '
'sessions whose host Kaltura does not know. Breakouts are left out. '
'A person is a user id: somebody with two ids counts twice, '
'and who was erased once a session. Where you are shown ids, who held sessions before and after '
'RETENTION_DAYS has two rows.';
COMMENT ON COLUMN analytics.hosts.account_id IS 'The Kaltura account (partner id).';
COMMENT ON COLUMN analytics.hosts.host_id IS
'The user id of the host, or the pseudonym where you may not see who people are (PII_MODE=none: '
'another one in each session). Personal data.';
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
'Identified people in these sessions, each counted once (PII_MODE=none: once a session); the host '
'too, where listed as an attendee. NULL where no attendees are loaded.';
COMMENT ON COLUMN analytics.hosts.mean_people_count IS
'Identified people a meeting, on average over those that the host began and whose attendees are '
'loaded: sessions with five minutes between them at most are one, as in logical_sessions, and '
'those with nobody but the host (is_host_alone) are left out. NULL where none is left.';
COMMENT ON COLUMN analytics.hosts.total_minutes IS
'Time that all attendees spent in these sessions, in minutes; NULL where no attendees are loaded, '
'or no time is given for any of those listed.';
COMMENT ON COLUMN analytics.hosts.unidentified_minutes IS
'How much of total_minutes is of people that Kaltura could not name, in minutes; NULL also where '
'such people are listed and no time is given for any.';
COMMENT ON COLUMN analytics.hosts.weighted_engagement_ratio IS
'The attendees'' engagement weighted by their minutes, 0 to 1; NULL where there are no minutes '
'to weigh by.';
