-- Each department by week, with nobody in it. A session of two courses, and a person in two, count once. A week at a
-- time, as in course_weekly.

CREATE VIEW analytics.department_weekly AS
WITH weeks AS NOT MATERIALIZED (
    SELECT
        accounts.account_id,
        weeks.week_at::date AS week_date
    FROM (SELECT DISTINCT account_id FROM university.courses) AS accounts
    CROSS JOIN
        LATERAL (
            SELECT
                min(room_sessions.partition_date) AS first_date,
                max(room_sessions.partition_date) AS last_date
            FROM kaltura.room_sessions
            WHERE room_sessions.partner_id = accounts.account_id
        ) AS sessions
    CROSS JOIN LATERAL generate_series(
        date_trunc('week', sessions.first_date::timestamp),
        sessions.last_date::timestamp,
        interval '1 week'
    ) AS weeks (week_at)
)

SELECT
    session_weeks.account_id,
    session_weeks.department,
    weeks.week_date,
    session_weeks.course_count,
    session_weeks.session_count,
    session_weeks.unknown_attendance_session_count,
    session_weeks.session_minutes,
    register_weeks.student_count,
    CASE
        WHEN session_weeks.unknown_attendance_session_count < session_weeks.session_count
            THEN register_weeks.active_student_count
    END AS active_student_count,
    CASE
        WHEN session_weeks.unknown_attendance_session_count < session_weeks.session_count
            THEN register_weeks.attended_count
    END AS attended_count,
    CASE
        WHEN session_weeks.unknown_attendance_session_count < session_weeks.session_count
            THEN register_weeks.absence_count
    END AS absence_count,
    register_weeks.attended_count::double precision
    / nullif(
        register_weeks.attended_count + register_weeks.absence_count, 0
    ) AS attendance_ratio,
    session_weeks.total_minutes,
    session_weeks.unidentified_minutes,
    term_days.missing_session_day_count,
    term_days.missing_attendance_day_count,
    session_weeks.is_provisional OR term_days.is_provisional AS is_provisional
FROM weeks
CROSS JOIN
    LATERAL (  -- noqa: ST05
        SELECT
            held.account_id,
            held.department,
            array_agg(DISTINCT held.course_id) AS course_ids,
            count(DISTINCT held.course_id) AS course_count,
            count(*) FILTER (WHERE held.is_first) AS session_count,
            count(*) FILTER (
                WHERE held.is_first AND NOT held.is_attendance_loaded
            ) AS unknown_attendance_session_count,
            sum(held.open_minutes) FILTER (WHERE held.is_first) AS session_minutes,
            -- 0 is where nothing is unknown: of a session whose people have no time, none is known.
            CASE
                WHEN
                    sum(held.total_minutes) FILTER (WHERE held.is_first) > 0
                    OR NOT bool_or(held.is_attendance_loaded AND held.total_minutes IS NULL)
                    THEN sum(held.total_minutes) FILTER (WHERE held.is_first)
            END AS total_minutes,
            CASE
                WHEN
                    sum(held.unidentified_minutes) FILTER (WHERE held.is_first) > 0
                    OR NOT bool_or(held.is_attendance_loaded AND held.unidentified_minutes IS NULL)
                    THEN sum(held.unidentified_minutes) FILTER (WHERE held.is_first)
            END AS unidentified_minutes,
            bool_or(held.is_provisional) AS is_provisional
        FROM (
            SELECT
                course_meetings.account_id,
                course_meetings.department,
                course_meetings.course_id,
                course_meetings.open_minutes,
                course_meetings.is_attendance_loaded,
                course_meetings.total_minutes,
                course_meetings.unidentified_minutes,
                course_meetings.is_provisional,
                row_number() OVER (
                    PARTITION BY
                        course_meetings.account_id,
                        course_meetings.department,
                        course_meetings.room_id,
                        course_meetings.session_id
                    ORDER BY course_meetings.course_id
                ) = 1 AS is_first
            FROM analytics.course_meetings
            WHERE
                course_meetings.account_id = weeks.account_id
                AND course_meetings.session_date >= weeks.week_date
                AND course_meetings.session_date < weeks.week_date + 7
        ) AS held
        GROUP BY held.account_id, held.department
    ) AS session_weeks
CROSS JOIN
    LATERAL (  -- noqa: ST05
        SELECT
            count(DISTINCT presence.person_id) AS student_count,
            count(DISTINCT presence.person_id) FILTER (
                WHERE presence.is_present
            ) AS active_student_count,
            count(*) FILTER (WHERE presence.is_attended) AS attended_count,
            count(*) FILTER (WHERE NOT presence.is_attended) AS absence_count
        -- A student who is in two courses of the department that share a session counts once in it.
        FROM (
            SELECT
                in_course.person_id,
                bool_or(in_course.is_present) AS is_present,
                bool_or(in_course.is_attended) AS is_attended
            FROM unnest(session_weeks.course_ids) AS courses (course_id)
            -- OFFSET keeps the planner at it: a course at a time.
            CROSS JOIN
                LATERAL (
                    SELECT
                        course_presence.person_id,
                        course_presence.room_id,
                        course_presence.session_id,
                        course_presence.is_present,
                        course_presence.is_attended
                    FROM analytics.course_presence
                    WHERE
                        course_presence.account_id = session_weeks.account_id
                        AND course_presence.course_id = courses.course_id
                        AND course_presence.session_date >= weeks.week_date
                        AND course_presence.session_date < weeks.week_date + 7
                        AND course_presence.is_enrolled
                        AND course_presence.role = 'student'
                    OFFSET 0  -- noqa: AM09
                ) AS in_course
            GROUP BY in_course.person_id, in_course.room_id, in_course.session_id
        ) AS presence
    ) AS register_weeks
-- The days of the week that are in the term of a course of the department, with what is loaded of them: those to come are missing too.
CROSS JOIN LATERAL (  -- noqa: ST05
    SELECT
        count(*) FILTER (
            WHERE loaded.session_pulled_at IS NULL
        ) AS missing_session_day_count,
        -- Main rooms and breakouts are told apart by the sessions.
        count(*) FILTER (
            WHERE loaded.session_pulled_at IS NULL OR loaded.attendance_pulled_at IS NULL
        ) AS missing_attendance_day_count,
        bool_or(loaded.is_over IS NOT TRUE) AS is_provisional
    FROM generate_series(0, 6) AS days (number)
    LEFT JOIN (
        SELECT
            loaded_days.session_date,
            loaded_days.session_pulled_at,
            loaded_days.attendance_pulled_at,
            loaded_days.is_over
        FROM analytics.loaded_days
        WHERE
            loaded_days.account_id = session_weeks.account_id
            AND loaded_days.session_date >= weeks.week_date
            AND loaded_days.session_date < weeks.week_date + 7
    ) AS loaded ON weeks.week_date + days.number = loaded.session_date
    WHERE
        EXISTS (
            SELECT FROM university.courses
            WHERE
                courses.account_id = session_weeks.account_id
                AND courses.department IS NOT DISTINCT FROM session_weeks.department
                AND weeks.week_date + days.number >= coalesce(courses.starts_on, '-infinity')
                AND weeks.week_date + days.number <= coalesce(courses.ends_on, 'infinity')
        )
) AS term_days;

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
'Students who were enrolled in a course on a day with a session, each counted once; one '
'with nobody but its host is in session_count and in none of the counts of students.';
COMMENT ON COLUMN analytics.department_weekly.active_student_count IS
'How many of student_count came to a session, for however long.';
COMMENT ON COLUMN analytics.department_weekly.attended_count IS
'Attendances: a student and a session of their courses that they attended; one of two of their '
'courses counts once.';
COMMENT ON COLUMN analytics.department_weekly.absence_count IS
'Absences: a student and a session of their course that they did not attend.';
COMMENT ON COLUMN analytics.department_weekly.attendance_ratio IS
'attended_count as a share of it and absence_count, 0 to 1; NULL where nothing is known.';
COMMENT ON COLUMN analytics.department_weekly.total_minutes IS
'Time that all attendees spent in the sessions, in minutes; NULL also where no time is given for '
'any of those listed.';
COMMENT ON COLUMN analytics.department_weekly.unidentified_minutes IS
'How much of total_minutes is of people that Kaltura could not name, in minutes; NULL also where '
'such people are listed and no time is given for any.';
COMMENT ON COLUMN analytics.department_weekly.missing_session_day_count IS
'Days of the week, in the term of one of the department''s courses, of which sessions are not '
'loaded, days to come included: the figures hold a part of what happened on them, or nothing of '
'it.';
COMMENT ON COLUMN analytics.department_weekly.missing_attendance_day_count IS
'Days of the week, in the term of one of the department''s courses, of which attendees, or '
'sessions, are not loaded: the figures of people hold a part of what happened on them, or nothing '
'of it.';
COMMENT ON COLUMN analytics.department_weekly.is_provisional IS
'Whether the figures may still grow: those of one of the sessions may, or a day of the week, in '
'the term of one of the department''s courses, is missing or was not over when last pulled '
'(is_over in loaded_days). Compare a week that is with none that is final.';
