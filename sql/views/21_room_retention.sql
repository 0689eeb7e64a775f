-- Who of a room's first session came back: each later session against the first. Which session is
-- the first does not depend on the days asked for, so a filter on session_date applies after the
-- sessions are numbered, and before any attendee is read.

CREATE VIEW analytics.room_retention AS
WITH numbered_sessions AS (
    SELECT
        account_id,
        room_id,
        room_name,
        session_id,
        session_date,
        started_at,
        attendance_known_until_at,
        row_number() OVER in_order AS session_number,
        first_value(session_id) OVER in_order AS first_session_id,
        first_value(attendance_known_until_at) OVER in_order AS first_attendance_known_until_at
    FROM analytics.sessions
    WHERE NOT is_breakout
    WINDOW in_order AS (PARTITION BY account_id, room_id ORDER BY started_at, session_id)
)

SELECT
    numbered_sessions.account_id,
    numbered_sessions.room_id,
    numbered_sessions.room_name,
    numbered_sessions.session_number,
    numbered_sessions.session_id,
    numbered_sessions.session_date,
    numbered_sessions.started_at,
    present.people_count,
    first_session.people_count AS first_session_people_count,
    CASE
        WHEN first_session.people_count IS NOT NULL THEN present.returning_people_count
    END AS returning_people_count,
    present.returning_people_count::double precision
    / nullif(first_session.people_count, 0) AS returning_ratio,
    present.people_count::double precision
    / nullif(first_session.people_count, 0) AS size_ratio
FROM numbered_sessions
LEFT JOIN LATERAL (
    SELECT
        count(*) AS people_count,
        array_agg(attendees.user_id) AS people
    FROM kaltura.attendees
    WHERE
        attendees.partner_id = numbered_sessions.account_id
        AND attendees.entry_id = numbered_sessions.room_id
        AND attendees.cue_point_id = numbered_sessions.first_session_id
        AND NOT analytics.is_nobody(attendees.user_id)
    HAVING numbered_sessions.first_attendance_known_until_at IS NOT NULL
) AS first_session ON TRUE
LEFT JOIN LATERAL (
    SELECT
        count(*) AS people_count,
        count(*) FILTER (
            WHERE attendees.user_id = any(first_session.people)
        ) AS returning_people_count
    FROM kaltura.attendees
    WHERE
        attendees.partner_id = numbered_sessions.account_id
        AND attendees.entry_id = numbered_sessions.room_id
        AND attendees.cue_point_id = numbered_sessions.session_id
        AND NOT analytics.is_nobody(attendees.user_id)
    HAVING numbered_sessions.attendance_known_until_at IS NOT NULL
) AS present ON TRUE;

COMMENT ON VIEW analytics.room_retention IS
'One row for each session of a main room, numbered from the room''s first one that was loaded, '
'with how many of the first session''s people came back.';
COMMENT ON COLUMN analytics.room_retention.account_id IS 'The Kaltura account (partner id).';
COMMENT ON COLUMN analytics.room_retention.room_id IS 'The room: the id of its Kaltura entry.';
COMMENT ON COLUMN analytics.room_retention.room_name IS 'The room''s name at this session.';
COMMENT ON COLUMN analytics.room_retention.session_number IS
'Which session of the room this is, by start: 1 is the first that was loaded, whatever days are '
'asked for.';
COMMENT ON COLUMN analytics.room_retention.session_id IS 'The session, as in sessions.';
COMMENT ON COLUMN analytics.room_retention.session_date IS
'The local day on which the session started.';
COMMENT ON COLUMN analytics.room_retention.started_at IS 'When the session started.';
COMMENT ON COLUMN analytics.room_retention.people_count IS
'Identified people in this session; NULL where its attendees are not loaded.';
COMMENT ON COLUMN analytics.room_retention.first_session_people_count IS
'Identified people in the room''s first session; NULL where its attendees are not loaded.';
COMMENT ON COLUMN analytics.room_retention.returning_people_count IS
'How many of the first session''s people are in this one; for the first, all of them. '
'NULL where attendees of either are not loaded.';
COMMENT ON COLUMN analytics.room_retention.returning_ratio IS
'returning_people_count as a share of first_session_people_count, 0 to 1; NULL where the first '
'session lists nobody, and where attendees of either are not loaded.';
COMMENT ON COLUMN analytics.room_retention.size_ratio IS
'people_count as a multiple of first_session_people_count, newcomers included; NULL where the '
'first session lists nobody, and where attendees of either are not loaded.';
