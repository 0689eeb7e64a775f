-- Each session of each course, with what the register adds up to. What a host's lost connection cut in two
-- is one session. The register is read only where one of its figures is asked for.

CREATE VIEW analytics.course_sessions AS
WITH marks AS (
    SELECT
        account_id,
        course_id,
        room_id,
        session_id,
        count(*) FILTER (WHERE is_enrolled AND role = 'student') AS student_count,
        count(*) FILTER (
            WHERE is_enrolled AND role = 'student' AND is_attended
        ) AS attended_count,
        count(*) FILTER (
            WHERE is_enrolled AND role = 'student' AND NOT is_attended
        ) AS absent_count,
        count(*) FILTER (WHERE NOT is_enrolled) AS not_enrolled_count
    FROM analytics.course_presence
    GROUP BY account_id, course_id, room_id, session_id
)

SELECT
    courses.account_id,
    courses.course_id,
    courses.course_name,
    courses.department,
    courses.term,
    course_rooms.room_id,
    openings.room_name,
    openings.logical_session_id AS session_id,
    openings.session_ids,
    openings.part_count,
    openings.host_id,
    openings.session_date,
    openings.started_at,
    openings.ended_at,
    openings.open_minutes,
    openings.is_running,
    openings.is_attendance_loaded,
    openings.is_provisional,
    coalesce(marks.student_count, 0) AS student_count,
    CASE
        WHEN openings.is_attendance_loaded THEN coalesce(marks.attended_count, 0)
    END AS attended_count,
    CASE
        WHEN openings.is_attendance_loaded THEN coalesce(marks.absent_count, 0)
    END AS absent_count,
    CASE
        WHEN openings.is_attendance_loaded THEN coalesce(marks.not_enrolled_count, 0)
    END AS not_enrolled_count,
    openings.people_count,
    openings.total_minutes,
    openings.unidentified_minutes
FROM university.courses
INNER JOIN university.course_rooms
    ON
        courses.account_id = course_rooms.account_id
        AND courses.course_id = course_rooms.course_id
CROSS JOIN
    LATERAL (
        SELECT logical_sessions.*
        FROM analytics.logical_sessions
        WHERE
            logical_sessions.account_id = course_rooms.account_id
            AND logical_sessions.room_id = course_rooms.room_id
            AND NOT logical_sessions.is_breakout
        OFFSET 0  -- noqa: AM09
    ) AS openings
LEFT JOIN marks
    ON
        courses.account_id = marks.account_id
        AND courses.course_id = marks.course_id
        AND course_rooms.room_id = marks.room_id
        AND openings.logical_session_id = marks.session_id
WHERE
    openings.session_date >= coalesce(courses.starts_on, '-infinity')
    AND openings.session_date <= coalesce(courses.ends_on, 'infinity');

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
COMMENT ON COLUMN analytics.course_sessions.student_count IS
'Students who were enrolled on that day: lines of the list, each person once.';
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
'Time that all attendees spent in the session, in minutes; NULL as for attended_count.';
COMMENT ON COLUMN analytics.course_sessions.unidentified_minutes IS
'How much of total_minutes is of people whom Kaltura could not name, in minutes: some of them may '
'be students who count as absent. NULL as for attended_count.';
