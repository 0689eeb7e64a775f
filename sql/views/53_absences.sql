-- Who was not there: each student and each session of a course that they did not attend.

CREATE VIEW analytics.absences AS
SELECT
    course_presence.account_id,
    course_presence.course_id,
    courses.course_name,
    courses.department,
    courses.term,
    course_presence.room_id,
    course_presence.session_id,
    course_presence.session_date,
    course_presence.started_at,
    course_presence.person_id,
    course_presence.attended_minutes > 0 AS is_partly_attended,
    course_presence.attended_minutes,
    course_presence.is_provisional
FROM analytics.course_presence
INNER JOIN university.courses
    ON
        course_presence.account_id = courses.account_id
        AND course_presence.course_id = courses.course_id
WHERE
    course_presence.is_enrolled
    AND course_presence.role = 'student'
    AND NOT course_presence.is_attended
-- A list is in the order of a class: where ids are not shown, pseudonyms alone decide on the order.
ORDER BY CASE WHEN NOT (SELECT analytics.shows_people()) THEN course_presence.person_id END;

COMMENT ON VIEW analytics.absences IS
'One row for each student and each session of their course that they did not attend, while '
'enrolled (account_id, course_id, room_id, session_id, person_id). A session whose attendees are '
'not loaded, or with nobody but its host, has none. In a room that several courses list each '
'session is one of each course: students are absent from the others'' too. Empty without lists.';
COMMENT ON COLUMN analytics.absences.account_id IS 'The Kaltura account (partner id).';
COMMENT ON COLUMN analytics.absences.course_id IS 'The course, as in university.courses.';
COMMENT ON COLUMN analytics.absences.course_name IS 'What the course is called.';
COMMENT ON COLUMN analytics.absences.department IS
'The department that holds the course; NULL where the list names none.';
COMMENT ON COLUMN analytics.absences.term IS
'The term, as the list names it; NULL where it names none.';
COMMENT ON COLUMN analytics.absences.room_id IS 'The room: the id of its Kaltura entry.';
COMMENT ON COLUMN analytics.absences.session_id IS 'The session, as in course_sessions.';
COMMENT ON COLUMN analytics.absences.session_date IS
'The local day on which the session started.';
COMMENT ON COLUMN analytics.absences.started_at IS 'When the session started.';
COMMENT ON COLUMN analytics.absences.person_id IS
'The student, as in course_presence. Personal data.';
COMMENT ON COLUMN analytics.absences.is_partly_attended IS
'Whether the student came, but for less than the course''s attendance_threshold.';
COMMENT ON COLUMN analytics.absences.attended_minutes IS
'How long they were there all the same, in minutes; 0 for who did not come.';
COMMENT ON COLUMN analytics.absences.is_provisional IS
'Whether the student may still turn out to have been there: the session''s figures may grow.';
