-- Each session of each course: what courses and rooms have in common. The register is in the views that are made of it.
-- What a session was is looked up a session at a time, so that a filter on the course, the day or the host decides which.

CREATE VIEW analytics.course_meetings AS
SELECT
    meetings.account_id,
    meetings.course_id,
    meetings.course_name,
    meetings.department,
    meetings.term,
    meetings.attendance_threshold,
    meetings.room_id,
    logical_sessions.room_name,
    meetings.session_id,
    logical_sessions.session_ids,
    logical_sessions.part_count,
    meetings.host_id,
    meetings.session_date,
    meetings.started_at,
    logical_sessions.ended_at,
    logical_sessions.open_minutes,
    logical_sessions.is_running,
    logical_sessions.is_attendance_loaded,
    logical_sessions.is_provisional,
    logical_sessions.is_host_alone,
    logical_sessions.people_count,
    logical_sessions.total_minutes,
    logical_sessions.unidentified_minutes
FROM (
    -- The sessions of its rooms, as in logical_sessions, which tells those that go on with what came before.
    SELECT
        courses.account_id,
        courses.course_id,
        courses.course_name,
        courses.department,
        courses.term,
        courses.attendance_threshold,
        room_sessions.entry_id AS room_id,
        room_sessions.cue_point_id AS session_id,
        room_sessions.partition_date AS session_date,
        room_sessions.session_start_time AS started_at,
        room_sessions.session_host_user_id AS host_id
    FROM university.courses
    INNER JOIN university.course_rooms
        ON
            courses.account_id = course_rooms.account_id
            AND courses.course_id = course_rooms.course_id
    INNER JOIN kaltura.room_sessions
        ON
            course_rooms.account_id = room_sessions.partner_id
            AND course_rooms.room_id = room_sessions.entry_id
            AND room_sessions.partition_date >= coalesce(courses.starts_on, '-infinity')
            AND room_sessions.partition_date <= coalesce(courses.ends_on, 'infinity')
    WHERE
        analytics.shows_people_when_planned()
        AND (SELECT analytics.shows_people())
        AND NOT analytics.is_nobody(room_sessions.session_host_user_id)
    UNION ALL
    SELECT
        courses.account_id,
        courses.course_id,
        courses.course_name,
        courses.department,
        courses.term,
        courses.attendance_threshold,
        sessions.room_id,
        sessions.session_id,
        sessions.session_date,
        sessions.started_at,
        coalesce(
            sessions.host_id,
            (
                SELECT logical_sessions.host_id
                FROM analytics.logical_sessions
                WHERE
                    logical_sessions.account_id = sessions.account_id
                    AND logical_sessions.room_id = sessions.room_id
                    AND logical_sessions.logical_session_id = sessions.session_id
            )
        ) AS host_id
    FROM university.courses
    INNER JOIN university.course_rooms
        ON
            courses.account_id = course_rooms.account_id
            AND courses.course_id = course_rooms.course_id
    INNER JOIN analytics.sessions
        ON
            course_rooms.account_id = sessions.account_id
            AND course_rooms.room_id = sessions.room_id
            AND sessions.session_date >= coalesce(courses.starts_on, '-infinity')
            AND sessions.session_date <= coalesce(courses.ends_on, 'infinity')
    WHERE
        NOT (analytics.shows_people_when_planned() AND (SELECT analytics.shows_people()))
        OR sessions.host_id IS NULL
) AS meetings
-- OFFSET keeps the planner at it.
CROSS JOIN
    LATERAL (
        SELECT
            logical_sessions.room_name,
            logical_sessions.is_breakout,
            logical_sessions.session_ids,
            logical_sessions.part_count,
            logical_sessions.ended_at,
            logical_sessions.open_minutes,
            logical_sessions.is_running,
            logical_sessions.is_attendance_loaded,
            logical_sessions.is_provisional,
            logical_sessions.is_host_alone,
            logical_sessions.people_count,
            logical_sessions.total_minutes,
            logical_sessions.unidentified_minutes
        FROM analytics.logical_sessions
        WHERE
            logical_sessions.account_id = meetings.account_id
            AND logical_sessions.room_id = meetings.room_id
            AND logical_sessions.logical_session_id = meetings.session_id
        OFFSET 0  -- noqa: AM09
    ) AS logical_sessions
WHERE NOT logical_sessions.is_breakout;

COMMENT ON VIEW analytics.course_meetings IS
'One row for each session of each course (account_id, course_id, room_id, session_id): those of '
'its main rooms in its term. Sessions with five minutes between them at most are one, as in '
'logical_sessions. Empty without lists. The register adds who was there: course_sessions.';
COMMENT ON COLUMN analytics.course_meetings.account_id IS 'The Kaltura account (partner id).';
COMMENT ON COLUMN analytics.course_meetings.course_id IS 'The course, as in university.courses.';
COMMENT ON COLUMN analytics.course_meetings.course_name IS 'What the course is called.';
COMMENT ON COLUMN analytics.course_meetings.department IS
'The department that holds the course; NULL where the list names none.';
COMMENT ON COLUMN analytics.course_meetings.term IS
'The term, as the list names it; NULL where it names none.';
COMMENT ON COLUMN analytics.course_meetings.attendance_threshold IS
'For what share of a session somebody has to be there to have attended it, 0 to 1.';
COMMENT ON COLUMN analytics.course_meetings.room_id IS
'The room: the id of its Kaltura entry. In a room of several courses each has the session.';
COMMENT ON COLUMN analytics.course_meetings.room_name IS 'The room''s name at the session.';
COMMENT ON COLUMN analytics.course_meetings.session_id IS
'The session: the id of the first of those stitched.';
COMMENT ON COLUMN analytics.course_meetings.session_ids IS
'The sessions stitched, by start, as in sessions.';
COMMENT ON COLUMN analytics.course_meetings.part_count IS
'How many sessions were stitched; 1 for one that was not interrupted.';
COMMENT ON COLUMN analytics.course_meetings.host_id IS
'The user id of the first host who is known, or the pseudonym where you may not see who people '
'are; NULL where Kaltura does not know. Personal data.';
COMMENT ON COLUMN analytics.course_meetings.session_date IS
'The local day on which the session started.';
COMMENT ON COLUMN analytics.course_meetings.started_at IS 'When the session started.';
COMMENT ON COLUMN analytics.course_meetings.ended_at IS
'When it ended; NULL while it runs or where the end is not known.';
COMMENT ON COLUMN analytics.course_meetings.open_minutes IS
'How long the room was open, gaps left out and overlaps counted once, in minutes; NULL where no '
'end is known.';
COMMENT ON COLUMN analytics.course_meetings.is_running IS
'Whether the session was running when last pulled.';
COMMENT ON COLUMN analytics.course_meetings.is_attendance_loaded IS
'Whether its attendees are loaded: else the figures of people are NULL.';
COMMENT ON COLUMN analytics.course_meetings.is_provisional IS
'Whether the figures may still grow, as in sessions.';
COMMENT ON COLUMN analytics.course_meetings.is_host_alone IS
'Whether nobody is listed but the host, or not even they, and nobody unidentified: a test, or a '
'room left open. Nobody is expected at it. NULL where is_attendance_loaded is false.';
COMMENT ON COLUMN analytics.course_meetings.people_count IS
'Identified people who came, enrolled or not: ids, so a person with two counts twice. NULL where '
'is_attendance_loaded is false.';
COMMENT ON COLUMN analytics.course_meetings.total_minutes IS
'Time that all attendees spent in the session, in minutes; NULL as people_count is, '
'and where no time is given for any of those listed.';
COMMENT ON COLUMN analytics.course_meetings.unidentified_minutes IS
'How much of total_minutes is of people that Kaltura could not name, in minutes: some of them may '
'be students who count as absent. NULL as people_count is, and where such people are '
'listed and no time is given for any.';
