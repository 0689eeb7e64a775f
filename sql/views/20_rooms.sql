-- Each room over all its sessions.

CREATE VIEW analytics.rooms AS
WITH newest_days AS (
    SELECT
        partner_id AS account_id,
        max(partition_date) AS newest_date
    FROM kaltura.room_sessions
    GROUP BY partner_id
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
        sum(attendees.meeting_view_time) FILTER (
            WHERE attendees.partition_date > newest_days.newest_date - 28
        ) AS recent_minutes,
        sum(attendees.meeting_view_time) FILTER (
            WHERE
            attendees.partition_date > newest_days.newest_date - 56
            AND attendees.partition_date <= newest_days.newest_date - 28
        ) AS previous_minutes
    FROM kaltura.attendees
    INNER JOIN newest_days ON attendees.partner_id = newest_days.account_id
    GROUP BY attendees.partner_id, attendees.entry_id, attendees.user_id
),

audiences AS (
    SELECT
        account_id,
        room_id,
        count(*) FILTER (WHERE user_id NOT IN ('', '0', 'Unknown')) AS people_count,
        sum(minutes) AS total_minutes,
        sum(recent_minutes) AS recent_minutes,
        sum(previous_minutes) AS previous_minutes,
        sum(engaged_minutes) / nullif(sum(rated_minutes), 0) AS weighted_engagement_ratio
    FROM visitors
    GROUP BY account_id, room_id
)

SELECT
    openings.account_id,
    openings.room_id,
    openings.room_name,
    openings.is_breakout,
    openings.main_room_id,
    openings.session_count,
    openings.session_minutes,
    openings.first_session_at,
    openings.last_session_at,
    coalesce(audiences.people_count, 0) AS people_count,
    coalesce(audiences.total_minutes, 0) AS total_minutes,
    audiences.weighted_engagement_ratio,
    openings.recent_session_count,
    openings.previous_session_count,
    coalesce(audiences.recent_minutes, 0) AS recent_minutes,
    coalesce(audiences.previous_minutes, 0) AS previous_minutes,
    coalesce(audiences.recent_minutes, 0)
    / nullif(audiences.previous_minutes, 0) AS minutes_trend_ratio
FROM openings
LEFT JOIN audiences
    ON
        openings.account_id = audiences.account_id
        AND openings.room_id = audiences.room_id;

COMMENT ON VIEW analytics.rooms IS
'One row for each room that had a session, breakout rooms included: keep to NOT is_breakout '
'before adding up.';
COMMENT ON COLUMN analytics.rooms.account_id IS 'The Kaltura account (partner id).';
COMMENT ON COLUMN analytics.rooms.room_id IS 'The room: the id of its Kaltura entry.';
COMMENT ON COLUMN analytics.rooms.room_name IS 'The room''s name at its newest session.';
COMMENT ON COLUMN analytics.rooms.is_breakout IS 'Whether this is a breakout room.';
COMMENT ON COLUMN analytics.rooms.main_room_id IS
'The main room of a breakout room; NULL for a main room.';
COMMENT ON COLUMN analytics.rooms.session_count IS 'Sessions of this room.';
COMMENT ON COLUMN analytics.rooms.session_minutes IS
'How long the room was open in all, in minutes; sessions without a known end do not count, and '
'NULL where all are such.';
COMMENT ON COLUMN analytics.rooms.first_session_at IS
'Start of the room''s first session that was loaded.';
COMMENT ON COLUMN analytics.rooms.last_session_at IS 'Start of the room''s newest session.';
COMMENT ON COLUMN analytics.rooms.people_count IS
'Identified people who ever attended, each counted once.';
COMMENT ON COLUMN analytics.rooms.total_minutes IS
'Time that all attendees spent in the room, in minutes.';
COMMENT ON COLUMN analytics.rooms.weighted_engagement_ratio IS
'The attendees'' engagement weighted by their minutes, 0 to 1; NULL where there are no minutes '
'to weigh by.';
COMMENT ON COLUMN analytics.rooms.recent_session_count IS
'Sessions in the 28 days that end with the account''s newest session day.';
COMMENT ON COLUMN analytics.rooms.previous_session_count IS 'Sessions in the 28 days before those.';
COMMENT ON COLUMN analytics.rooms.recent_minutes IS
'Time spent in the room in the same newest 28 days, in minutes.';
COMMENT ON COLUMN analytics.rooms.previous_minutes IS
'Time spent in the room in the 28 days before those, in minutes.';
COMMENT ON COLUMN analytics.rooms.minutes_trend_ratio IS
'recent_minutes as a multiple of previous_minutes: 1 is steady, above 1 grows; NULL where there '
'is nothing to compare with.';
