-- Each room over all its sessions. Figures of attendees are of the days of which sessions and attendees
-- are both loaded, and a window of days has figures only where it is loaded whole.

CREATE VIEW analytics.rooms AS
WITH newest_days AS (
    SELECT
        partner_id AS account_id,
        max(partition_date) AS newest_date
    FROM kaltura.room_sessions
    GROUP BY partner_id
),

known_days AS (
    SELECT
        account_id,
        session_date
    FROM analytics.loaded_days
    WHERE
        session_pulled_at IS NOT NULL
        AND attendance_pulled_at IS NOT NULL
),

windows AS (
    SELECT
        newest_days.account_id,
        newest_days.newest_date,
        (
            SELECT count(*)
            FROM analytics.calendar
            WHERE
                calendar.account_id = newest_days.account_id
                AND NOT (calendar.is_session_loaded AND calendar.is_attendance_loaded)
        ) AS missing_day_count,
        count(*) FILTER (
            WHERE
            known_days.session_date > newest_days.newest_date - 28
            AND known_days.session_date <= newest_days.newest_date
        ) = 28 AS is_recent_loaded,
        count(*) FILTER (
            WHERE
            known_days.session_date > newest_days.newest_date - 56
            AND known_days.session_date <= newest_days.newest_date - 28
        ) = 28 AS is_previous_loaded
    FROM newest_days
    LEFT JOIN known_days ON newest_days.account_id = known_days.account_id
    GROUP BY newest_days.account_id, newest_days.newest_date
),

openings AS (
    SELECT
        sessions.account_id,
        sessions.room_id,
        newest_days.newest_date,
        bool_or(sessions.is_breakout) AS is_breakout,
        max(sessions.main_room_id) AS main_room_id,
        (array_agg(sessions.room_name ORDER BY sessions.started_at DESC))[1] AS room_name,
        count(*) AS session_count,
        -- Of days of which either report is not loaded whole: their attendees are in no figure here.
        count(*) FILTER (
            WHERE loaded.is_loaded IS NOT TRUE
        ) AS unknown_attendance_session_count,
        sum(sessions.duration_minutes) AS session_minutes,
        min(sessions.started_at) AS first_session_at,
        max(sessions.started_at) AS last_session_at,
        count(*) FILTER (
            WHERE sessions.session_date > newest_days.newest_date - 28
        ) AS recent_session_count,
        count(*) FILTER (
            WHERE
            sessions.session_date > newest_days.newest_date - 56
            AND sessions.session_date <= newest_days.newest_date - 28
        ) AS previous_session_count
    FROM analytics.sessions
    INNER JOIN newest_days ON sessions.account_id = newest_days.account_id
    -- A day at a time, as in sessions: joined to all days at once, each session was held against each of them.
    LEFT JOIN LATERAL (
        SELECT
            bool_and(
                loaded_days.session_pulled_at IS NOT NULL
                AND loaded_days.attendance_pulled_at IS NOT NULL
            ) AS is_loaded
        FROM analytics.loaded_days
        WHERE
            loaded_days.account_id = sessions.account_id
            AND loaded_days.session_date = sessions.session_date
    ) AS loaded ON TRUE
    GROUP BY sessions.account_id, sessions.room_id, newest_days.newest_date
),

-- First a row a person and room: counting distinct people over all sessions would sort them all.
visitors AS (
    SELECT
        attendees.partner_id AS account_id,
        attendees.entry_id AS room_id,
        attendees.user_id,
        sum(attendees.meeting_view_time) AS minutes,
        sum(
            attendees.meeting_view_time * attendees.meeting_engaged_play_time_ratio
        ) AS engaged_minutes,
        sum(attendees.meeting_view_time) FILTER (
            WHERE attendees.meeting_engaged_play_time_ratio IS NOT NULL
        ) AS rated_minutes,
        count(*) FILTER (
            WHERE attendees.partition_date > newest_days.newest_date - 28
        ) AS recent_attendance_count,
        sum(attendees.meeting_view_time) FILTER (
            WHERE attendees.partition_date > newest_days.newest_date - 28
        ) AS recent_minutes,
        count(*) FILTER (
            WHERE
            attendees.partition_date > newest_days.newest_date - 56
            AND attendees.partition_date <= newest_days.newest_date - 28
        ) AS previous_attendance_count,
        sum(attendees.meeting_view_time) FILTER (
            WHERE
            attendees.partition_date > newest_days.newest_date - 56
            AND attendees.partition_date <= newest_days.newest_date - 28
        ) AS previous_minutes
    FROM kaltura.attendees
    INNER JOIN newest_days ON attendees.partner_id = newest_days.account_id
    WHERE
        -- In a coalesce, so that days are looked up in a hash: as a join, Postgres may hold each attendee against each day.
        coalesce(
            (attendees.partner_id, attendees.partition_date) IN (
                SELECT
                    known_days.account_id,
                    known_days.session_date
                FROM known_days
            ),
            FALSE
        )
    GROUP BY attendees.partner_id, attendees.entry_id, attendees.user_id
),

audiences AS (
    SELECT
        visitors.account_id,
        visitors.room_id,
        -- By pseudonym, as days past RETENTION_DAYS have nothing else.
        count(
            DISTINCT coalesce(
                (
                    SELECT people.pseudonym
                    FROM kaltura.people
                    WHERE
                        people.partner_id = visitors.account_id
                        AND people.user_id = visitors.user_id
                ),
                visitors.user_id
            )
        ) FILTER (WHERE NOT analytics.is_nobody(visitors.user_id)) AS people_count,
        sum(visitors.minutes) AS total_minutes,
        -- NULL where attendees are listed without a time; 0 only where nobody is listed.
        CASE
            WHEN count(*) FILTER (WHERE analytics.is_nobody(visitors.user_id)) = 0 THEN 0
            ELSE sum(visitors.minutes) FILTER (WHERE analytics.is_nobody(visitors.user_id))
        END AS unidentified_minutes,
        CASE
            WHEN sum(visitors.recent_attendance_count) = 0 THEN 0 ELSE sum(visitors.recent_minutes)
        END AS recent_minutes,
        CASE
            WHEN sum(visitors.previous_attendance_count) = 0 THEN 0
            ELSE sum(visitors.previous_minutes)
        END AS previous_minutes,
        sum(visitors.engaged_minutes)
        / nullif(sum(visitors.rated_minutes), 0) AS weighted_engagement_ratio
    FROM visitors
    GROUP BY visitors.account_id, visitors.room_id
),

known AS (
    SELECT
        openings.*,
        windows.missing_day_count,
        audiences.weighted_engagement_ratio,
        CASE
            WHEN openings.unknown_attendance_session_count < openings.session_count
                THEN coalesce(audiences.people_count, 0)
        END AS people_count,
        CASE
            WHEN openings.unknown_attendance_session_count < openings.session_count
                THEN CASE WHEN audiences.room_id IS NULL THEN 0 ELSE audiences.total_minutes END
        END AS total_minutes,
        CASE
            WHEN openings.unknown_attendance_session_count < openings.session_count
                THEN
                    CASE
                        WHEN audiences.room_id IS NULL THEN 0 ELSE audiences.unidentified_minutes
                    END
        END AS unidentified_minutes,
        CASE
            WHEN windows.is_recent_loaded THEN openings.recent_session_count
        END AS known_recent_session_count,
        CASE
            WHEN windows.is_previous_loaded THEN openings.previous_session_count
        END AS known_previous_session_count,
        CASE
            WHEN windows.is_recent_loaded
                THEN CASE WHEN audiences.room_id IS NULL THEN 0 ELSE audiences.recent_minutes END
        END AS recent_minutes,
        CASE
            WHEN windows.is_previous_loaded
                THEN CASE WHEN audiences.room_id IS NULL THEN 0 ELSE audiences.previous_minutes END
        END AS previous_minutes
    FROM openings
    INNER JOIN windows ON openings.account_id = windows.account_id
    LEFT JOIN audiences
        ON
            openings.account_id = audiences.account_id
            AND openings.room_id = audiences.room_id
)

SELECT
    account_id,
    room_id,
    room_name,
    is_breakout,
    main_room_id,
    session_count,
    unknown_attendance_session_count,
    missing_day_count,
    session_minutes,
    first_session_at,
    last_session_at,
    people_count,
    total_minutes,
    unidentified_minutes,
    weighted_engagement_ratio,
    known_recent_session_count AS recent_session_count,
    known_previous_session_count AS previous_session_count,
    recent_minutes,
    previous_minutes,
    recent_minutes / nullif(previous_minutes, 0) AS minutes_trend_ratio
FROM known;

COMMENT ON VIEW analytics.rooms IS
'One row for each room that had a session (account_id, room_id), breakout rooms included: keep to '
'NOT is_breakout before adding up. '
'A person is a user id: somebody with two ids counts twice, '
'and who was erased once a session.';
COMMENT ON COLUMN analytics.rooms.account_id IS 'The Kaltura account (partner id).';
COMMENT ON COLUMN analytics.rooms.room_id IS 'The room: the id of its Kaltura entry.';
COMMENT ON COLUMN analytics.rooms.room_name IS 'The room''s name at its newest session.';
COMMENT ON COLUMN analytics.rooms.is_breakout IS 'Whether this is a breakout room.';
COMMENT ON COLUMN analytics.rooms.main_room_id IS
'The main room of a breakout room; NULL for a main room.';
COMMENT ON COLUMN analytics.rooms.session_count IS 'Sessions of this room.';
COMMENT ON COLUMN analytics.rooms.unknown_attendance_session_count IS
'How many of session_count are of days of which sessions or attendees are not loaded whole: they '
'are in no figure of people or minutes.';
COMMENT ON COLUMN analytics.rooms.missing_day_count IS
'Days of the account, from its first loaded one to its newest, of which sessions or attendees are '
'not loaded: what happened on them is in no figure.';
COMMENT ON COLUMN analytics.rooms.session_minutes IS
'How long the room was open in all, in minutes; sessions without a known end do not count, and '
'NULL where all are such.';
COMMENT ON COLUMN analytics.rooms.first_session_at IS
'Start of the room''s first session that was loaded.';
COMMENT ON COLUMN analytics.rooms.last_session_at IS 'Start of the room''s newest session.';
COMMENT ON COLUMN analytics.rooms.people_count IS
'Identified people who ever attended, each counted once (PII_MODE=none: once a session); NULL '
'where no attendees are loaded.';
COMMENT ON COLUMN analytics.rooms.total_minutes IS
'Time that all attendees spent in the room, in minutes; NULL where no attendees are loaded, or no '
'time is given for any of those listed.';
COMMENT ON COLUMN analytics.rooms.unidentified_minutes IS
'How much of total_minutes is of people that Kaltura could not name, in minutes; NULL also where '
'such people are listed and no time is given for any.';
COMMENT ON COLUMN analytics.rooms.weighted_engagement_ratio IS
'The attendees'' engagement weighted by their minutes, 0 to 1; NULL where there are no minutes '
'to weigh by.';
COMMENT ON COLUMN analytics.rooms.recent_session_count IS
'Sessions in the 28 days that end with the account''s newest session day; NULL unless sessions and '
'attendees of all of these days are loaded.';
COMMENT ON COLUMN analytics.rooms.previous_session_count IS
'Sessions in the 28 days before those; NULL unless all of them are loaded.';
COMMENT ON COLUMN analytics.rooms.recent_minutes IS
'Time spent in the room in the same newest 28 days, in minutes; NULL as for recent_session_count, '
'and where people are listed and no time is given for any.';
COMMENT ON COLUMN analytics.rooms.previous_minutes IS
'Time spent in the room in the 28 days before those, in minutes; NULL unless all of them are '
'loaded, and where people are listed and no time is given for any.';
COMMENT ON COLUMN analytics.rooms.minutes_trend_ratio IS
'recent_minutes as a multiple of previous_minutes: 1 is steady, above 1 grows; NULL unless '
'both windows of days are loaded whole, and where one is NULL or there is nothing to compare with.';
