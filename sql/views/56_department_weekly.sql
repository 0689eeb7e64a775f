-- Each department by week, with nobody in it. A session of two courses, and a person in two, count once.

CREATE VIEW analytics.department_weekly AS
WITH held AS (
    SELECT
        account_id,
        department,
        course_id,
        session_date,
        open_minutes,
        is_attendance_loaded,
        total_minutes,
        unidentified_minutes,
        is_provisional,
        row_number() OVER (
            PARTITION BY account_id, department, room_id, session_id ORDER BY course_id
        ) = 1 AS is_first
    FROM analytics.course_meetings
),

session_weeks AS (
    SELECT
        account_id,
        department,
        session_date - (extract(ISODOW FROM session_date)::integer - 1) AS week_date,
        count(DISTINCT course_id) AS course_count,
        count(*) FILTER (WHERE is_first) AS session_count,
        count(*) FILTER (
            WHERE is_first AND NOT is_attendance_loaded
        ) AS unknown_attendance_session_count,
        sum(open_minutes) FILTER (WHERE is_first) AS session_minutes,
        sum(total_minutes) FILTER (WHERE is_first) AS total_minutes,
        sum(unidentified_minutes) FILTER (WHERE is_first) AS unidentified_minutes,
        bool_or(is_provisional) AS is_provisional
    FROM held
    GROUP BY
        account_id, department, session_date - (extract(ISODOW FROM session_date)::integer - 1)
),

register_weeks AS (
    SELECT
        course_presence.account_id,
        courses.department,
        course_presence.session_date
        - (extract(ISODOW FROM course_presence.session_date)::integer - 1) AS week_date,
        count(DISTINCT course_presence.person_id) FILTER (
            WHERE course_presence.is_enrolled AND course_presence.role = 'student'
        ) AS student_count,
        count(DISTINCT course_presence.person_id) FILTER (
            WHERE
            course_presence.is_enrolled
            AND course_presence.role = 'student'
            AND course_presence.attended_minutes > 0
        ) AS active_student_count,
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
        ) AS absence_count
    FROM analytics.course_presence
    INNER JOIN university.courses
        ON
            course_presence.account_id = courses.account_id
            AND course_presence.course_id = courses.course_id
    GROUP BY
        course_presence.account_id,
        courses.department,
        course_presence.session_date
        - (extract(ISODOW FROM course_presence.session_date)::integer - 1)
)

SELECT
    session_weeks.account_id,
    session_weeks.department,
    session_weeks.week_date,
    session_weeks.course_count,
    session_weeks.session_count,
    session_weeks.unknown_attendance_session_count,
    session_weeks.session_minutes,
    coalesce(register_weeks.student_count, 0) AS student_count,
    CASE
        WHEN session_weeks.unknown_attendance_session_count < session_weeks.session_count
            THEN coalesce(register_weeks.active_student_count, 0)
    END AS active_student_count,
    CASE
        WHEN session_weeks.unknown_attendance_session_count < session_weeks.session_count
            THEN coalesce(register_weeks.attended_count, 0)
    END AS attended_count,
    CASE
        WHEN session_weeks.unknown_attendance_session_count < session_weeks.session_count
            THEN coalesce(register_weeks.absence_count, 0)
    END AS absence_count,
    register_weeks.attended_count::double precision
    / nullif(
        register_weeks.attended_count + register_weeks.absence_count, 0
    ) AS attendance_ratio,
    session_weeks.total_minutes,
    session_weeks.unidentified_minutes,
    session_weeks.is_provisional
FROM session_weeks
LEFT JOIN register_weeks
    ON
        session_weeks.account_id = register_weeks.account_id
        AND session_weeks.department IS NOT DISTINCT FROM register_weeks.department
        AND session_weeks.week_date = register_weeks.week_date;

COMMENT ON VIEW analytics.department_weekly IS
'One row for each department and week, Monday to Sunday, in which one of its courses met '
'(account_id, department, week_date). It names nobody. Empty without lists. '
'A student is a line of the list, by id or e-mail.';
COMMENT ON COLUMN analytics.department_weekly.account_id IS 'The Kaltura account (partner id).';
COMMENT ON COLUMN analytics.department_weekly.department IS
'The department, as in university.courses; NULL for courses of which the list names none.';
COMMENT ON COLUMN analytics.department_weekly.week_date IS
'The Monday that begins the week, in local days.';
COMMENT ON COLUMN analytics.department_weekly.course_count IS 'Courses that met.';
COMMENT ON COLUMN analytics.department_weekly.session_count IS
'Sessions held, as in course_sessions; one of several courses counts once.';
COMMENT ON COLUMN analytics.department_weekly.unknown_attendance_session_count IS
'How many of session_count have no attendees loaded: they are in no figure of people or minutes, '
'which are NULL where all are such.';
COMMENT ON COLUMN analytics.department_weekly.session_minutes IS
'How long the sessions were open in all, in minutes; NULL where no end is known.';
COMMENT ON COLUMN analytics.department_weekly.student_count IS
'Students who were enrolled in a course on a day with a session, each counted once.';
COMMENT ON COLUMN analytics.department_weekly.active_student_count IS
'How many of student_count came to a session, for however long.';
COMMENT ON COLUMN analytics.department_weekly.attended_count IS
'Attendances: a student and a session of their course that they attended.';
COMMENT ON COLUMN analytics.department_weekly.absence_count IS
'Absences: a student and a session of their course that they did not attend.';
COMMENT ON COLUMN analytics.department_weekly.attendance_ratio IS
'attended_count as a share of it and absence_count, 0 to 1; NULL where nothing is known.';
COMMENT ON COLUMN analytics.department_weekly.total_minutes IS
'Time that all attendees spent in the sessions, in minutes.';
COMMENT ON COLUMN analytics.department_weekly.unidentified_minutes IS
'How much of total_minutes is of people whom Kaltura could not name, in minutes.';
COMMENT ON COLUMN analytics.department_weekly.is_provisional IS
'Whether the figures may still grow: those of one of the sessions may.';
