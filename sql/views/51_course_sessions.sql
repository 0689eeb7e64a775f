-- Each session of each course, with what the register adds up to: looked up a session at a time, so that a filter on the
-- course, the room, the day or the host decides which are read.

CREATE VIEW analytics.course_sessions AS
SELECT
    course_meetings.account_id,
    course_meetings.course_id,
    course_meetings.course_name,
    course_meetings.department,
    course_meetings.term,
    course_meetings.room_id,
    course_meetings.room_name,
    course_meetings.session_id,
    course_meetings.session_ids,
    course_meetings.part_count,
    course_meetings.host_id,
    course_meetings.session_date,
    course_meetings.started_at,
    course_meetings.ended_at,
    course_meetings.open_minutes,
    course_meetings.is_running,
    course_meetings.is_attendance_loaded,
    course_meetings.is_provisional,
    course_meetings.is_host_alone,
    register.student_count,
    CASE
        WHEN course_meetings.is_attendance_loaded THEN register.attended_count
    END AS attended_count,
    CASE WHEN course_meetings.is_attendance_loaded THEN register.absent_count END AS absent_count,
    CASE
        WHEN course_meetings.is_attendance_loaded THEN register.not_enrolled_count
    END AS not_enrolled_count,
    course_meetings.people_count,
    course_meetings.total_minutes,
    course_meetings.unidentified_minutes
FROM analytics.course_meetings
CROSS JOIN LATERAL (
    SELECT
        count(*) FILTER (
            WHERE course_presence.is_enrolled AND course_presence.role = 'student'
        ) AS student_count,
        count(*) FILTER (
            WHERE
            course_presence.is_enrolled
            AND course_presence.role = 'student'
            AND course_presence.is_attended
        ) AS attended_count,
        count(*) FILTER (
            WHERE
            course_presence.is_enrolled
            AND course_presence.role = 'student'
            AND NOT course_presence.is_attended
        ) AS absent_count,
        count(*) FILTER (WHERE NOT course_presence.is_enrolled) AS not_enrolled_count
    FROM analytics.course_presence
    WHERE
        course_presence.account_id = course_meetings.account_id
        AND course_presence.course_id = course_meetings.course_id
        AND course_presence.room_id = course_meetings.room_id
        AND course_presence.session_id = course_meetings.session_id
        AND course_presence.session_date = course_meetings.session_date
) AS register;

COMMENT ON VIEW analytics.course_sessions IS
'One row for each session of each course (account_id, course_id, room_id, session_id): those of '
'its main rooms in its term. Sessions with five minutes between them at most are one, as in '
'logical_sessions. Empty without lists.';
COMMENT ON COLUMN analytics.course_sessions.account_id IS 'The Kaltura account (partner id).';
COMMENT ON COLUMN analytics.course_sessions.course_id IS 'The course, as in university.courses.';
COMMENT ON COLUMN analytics.course_sessions.course_name IS 'What the course is called.';
COMMENT ON COLUMN analytics.course_sessions.department IS
'The department that holds the course; NULL where the list names none.';
COMMENT ON COLUMN analytics.course_sessions.term IS
'The term, as the list names it; NULL where it names none.';
COMMENT ON COLUMN analytics.course_sessions.room_id IS
'The room: the id of its Kaltura entry. In a room of several courses each has the session.';
COMMENT ON COLUMN analytics.course_sessions.room_name IS 'The room''s name at the session.';
COMMENT ON COLUMN analytics.course_sessions.session_id IS
'The session: the id of the first of those stitched.';
COMMENT ON COLUMN analytics.course_sessions.session_ids IS
'The sessions stitched, by start, as in sessions.';
COMMENT ON COLUMN analytics.course_sessions.part_count IS
'How many sessions were stitched; 1 for one that was not interrupted.';
COMMENT ON COLUMN analytics.course_sessions.host_id IS
'The user id of the first host who is known, or the pseudonym where you may not see who people '
'are; NULL where Kaltura does not know. Personal data.';
COMMENT ON COLUMN analytics.course_sessions.session_date IS
'The local day on which the session started.';
COMMENT ON COLUMN analytics.course_sessions.started_at IS 'When the session started.';
COMMENT ON COLUMN analytics.course_sessions.ended_at IS
'When it ended; NULL while it runs or where the end is not known.';
COMMENT ON COLUMN analytics.course_sessions.open_minutes IS
'How long the room was open, gaps left out and overlaps counted once, in minutes; NULL where no '
'end is known.';
COMMENT ON COLUMN analytics.course_sessions.is_running IS
'Whether the session was running when last pulled.';
COMMENT ON COLUMN analytics.course_sessions.is_attendance_loaded IS
'Whether its attendees are loaded: else the figures of people are NULL.';
COMMENT ON COLUMN analytics.course_sessions.is_provisional IS
'Whether the figures may still grow, as in sessions.';
COMMENT ON COLUMN analytics.course_sessions.is_host_alone IS
'Whether nobody is listed but the host, or not even they, and nobody unidentified: a test, or a '
'room left open. Nobody is expected at it. NULL where is_attendance_loaded is false.';
COMMENT ON COLUMN analytics.course_sessions.student_count IS
'Students who were enrolled on that day: lines of the list, each person once. 0, as the figures to '
'not_enrolled_count, where is_host_alone.';
COMMENT ON COLUMN analytics.course_sessions.attended_count IS
'How many of student_count attended, for the course''s attendance_threshold at least; NULL, as the '
'figures after it, where is_attendance_loaded is false.';
COMMENT ON COLUMN analytics.course_sessions.absent_count IS
'How many of student_count did not. Where the session''s length is not known, those who came are '
'in neither. NULL as for attended_count.';
COMMENT ON COLUMN analytics.course_sessions.not_enrolled_count IS
'Identified people who came and were not enrolled on that day, each counted once; NULL as for '
'attended_count.';
COMMENT ON COLUMN analytics.course_sessions.people_count IS
'Identified people who came, enrolled or not: ids, so a person with two counts twice. NULL as '
'for attended_count.';
COMMENT ON COLUMN analytics.course_sessions.total_minutes IS
'Time that all attendees spent in the session, in minutes; NULL as for attended_count, '
'and where no time is given for any of those listed.';
COMMENT ON COLUMN analytics.course_sessions.unidentified_minutes IS
'How much of total_minutes is of people that Kaltura could not name, in minutes: some of them may '
'be students who count as absent. NULL as for attended_count, and where such people are '
'listed and no time is given for any.';
