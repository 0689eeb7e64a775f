-- The week by department, as department_weekly has it, but of the days that are loaded alone, as all of the report: of
-- others department_weekly has what is there, and says how many they are. Empty without the university's lists.
WITH loaded AS (
    SELECT session_date
    FROM analytics.loaded_days
    WHERE
        account_id = %(account_id)s
        AND session_date BETWEEN %(week_date)s::date AND %(week_date)s::date + 6
        AND session_pulled_at IS NOT NULL
),

-- In a coalesce, here and below, so that days are looked up in a hash: as a condition of its own it is a join.
held AS (
    SELECT
        department,
        count(DISTINCT course_id) AS course_count,
        count(DISTINCT row(room_id, session_id)) AS session_count,
        bool_or(is_attendance_loaded) AS is_attendance_loaded
    FROM analytics.course_meetings
    WHERE
        account_id = %(account_id)s
        AND session_date BETWEEN %(week_date)s::date AND %(week_date)s::date + 6
        AND coalesce(session_date IN (SELECT loaded.session_date FROM loaded), FALSE)
    GROUP BY department
),

-- A session of several courses of a department is open once.
minutes AS (
    SELECT
        sessions.department,
        -- As the view has it: 0 is where nothing is unknown.
        CASE
            WHEN
                sum(sessions.total_minutes) > 0
                OR NOT bool_or(sessions.is_attendance_loaded AND sessions.total_minutes IS NULL)
                THEN sum(sessions.total_minutes)
        END AS total_minutes
    FROM (
        SELECT DISTINCT
            department,
            room_id,
            session_id,
            is_attendance_loaded,
            total_minutes
        FROM analytics.course_meetings
        WHERE
            account_id = %(account_id)s
            AND session_date BETWEEN %(week_date)s::date AND %(week_date)s::date + 6
            AND coalesce(session_date IN (SELECT loaded.session_date FROM loaded), FALSE)
    ) AS sessions
    GROUP BY sessions.department
),

-- A student whom two courses of a department share with one session is in it once.
presence AS (
    SELECT
        courses.department,
        course_presence.person_id,
        bool_or(course_presence.is_present) AS is_present,
        bool_or(course_presence.is_attended) AS is_attended
    FROM analytics.course_presence
    INNER JOIN university.courses
        ON
            course_presence.account_id = courses.account_id
            AND course_presence.course_id = courses.course_id
    WHERE
        course_presence.account_id = %(account_id)s
        AND course_presence.session_date BETWEEN %(week_date)s::date AND %(week_date)s::date + 6
        AND coalesce(
            course_presence.session_date IN (SELECT loaded.session_date FROM loaded), FALSE
        )
        AND course_presence.is_enrolled
        AND course_presence.role = 'student'
    GROUP BY
        courses.department,
        course_presence.person_id,
        course_presence.room_id,
        course_presence.session_id
),

register AS (
    SELECT
        department,
        count(DISTINCT person_id) AS student_count,
        count(DISTINCT person_id) FILTER (WHERE is_present) AS active_student_count,
        count(*) FILTER (WHERE is_attended)::double precision
        / nullif(count(is_attended), 0) AS attendance_ratio
    FROM presence
    GROUP BY department
)

SELECT
    held.department,
    held.course_count,
    held.session_count,
    coalesce(register.student_count, 0) AS student_count,
    CASE
        WHEN held.is_attendance_loaded THEN coalesce(register.active_student_count, 0)
    END AS active_student_count,
    register.attendance_ratio,
    minutes.total_minutes
FROM held
INNER JOIN minutes ON held.department IS NOT DISTINCT FROM minutes.department
LEFT JOIN register ON held.department IS NOT DISTINCT FROM register.department
ORDER BY minutes.total_minutes DESC NULLS LAST, held.department ASC
