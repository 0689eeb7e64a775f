-- Each session of each course, with what the register adds up to. The two are summed up apart and laid side by side, so
-- that a filter on the course, the room or the day reaches each.

CREATE VIEW analytics.course_sessions AS
WITH side_by_side AS (
    SELECT
        account_id,
        course_id,
        course_name,
        department,
        term,
        room_id,
        session_id,
        session_date,
        room_name,
        session_ids,
        part_count,
        host_id,
        started_at,
        ended_at,
        open_minutes,
        is_running,
        is_attendance_loaded,
        is_provisional,
        people_count,
        total_minutes,
        unidentified_minutes,
        NULL::bigint AS student_count,
        NULL::bigint AS attended_count,
        NULL::bigint AS absent_count,
        NULL::bigint AS not_enrolled_count
    FROM analytics.course_meetings
    UNION ALL
    SELECT
        course_presence.account_id,
        course_presence.course_id,
        courses.course_name,
        courses.department,
        courses.term,
        course_presence.room_id,
        course_presence.session_id,
        course_presence.session_date,
        NULL AS room_name,
        NULL AS session_ids,
        NULL AS part_count,
        NULL AS host_id,
        NULL AS started_at,
        NULL AS ended_at,
        NULL AS open_minutes,
        NULL AS is_running,
        NULL AS is_attendance_loaded,
        NULL AS is_provisional,
        NULL AS people_count,
        NULL AS total_minutes,
        NULL AS unidentified_minutes,
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
    INNER JOIN university.courses
        ON
            course_presence.account_id = courses.account_id
            AND course_presence.course_id = courses.course_id
    GROUP BY
        course_presence.account_id,
        course_presence.course_id,
        courses.course_name,
        courses.department,
        courses.term,
        course_presence.room_id,
        course_presence.session_id,
        course_presence.session_date
)

SELECT
    account_id,
    course_id,
    course_name,
    department,
    term,
    room_id,
    max(room_name) AS room_name,
    session_id,
    max(session_ids) AS session_ids,
    max(part_count) AS part_count,
    max(host_id) AS host_id,
    session_date,
    max(started_at) AS started_at,
    max(ended_at) AS ended_at,
    max(open_minutes) AS open_minutes,
    bool_or(is_running) AS is_running,
    bool_or(is_attendance_loaded) AS is_attendance_loaded,
    bool_or(is_provisional) AS is_provisional,
    coalesce(max(student_count), 0) AS student_count,
    CASE
        WHEN bool_or(is_attendance_loaded) THEN coalesce(max(attended_count), 0)
    END AS attended_count,
    CASE WHEN bool_or(is_attendance_loaded) THEN coalesce(max(absent_count), 0) END AS absent_count,
    CASE
        WHEN bool_or(is_attendance_loaded) THEN coalesce(max(not_enrolled_count), 0)
    END AS not_enrolled_count,
    max(people_count) AS people_count,
    max(total_minutes) AS total_minutes,
    max(unidentified_minutes) AS unidentified_minutes
FROM side_by_side
GROUP BY
    account_id, course_id, course_name, department, term, room_id, session_id, session_date;

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
