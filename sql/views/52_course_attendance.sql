-- Each person in each course, over its sessions: those on the list, also where they never came, and who came
-- without being on it. Students alone are absent: of who was one, on whatever days, the sessions of these days count, and of
-- anybody else those of all days that they were enrolled.

CREATE VIEW analytics.course_attendance AS
WITH marks AS (
    SELECT
        account_id,
        course_id,
        person_id,
        coalesce(role = 'student', FALSE) AS is_student,
        is_enrolled,
        session_id,
        session_date,
        is_present,
        attended_minutes,
        is_attended,
        is_provisional,
        -- Absences with no session attended between them share a number.
        count(*) FILTER (WHERE is_enrolled AND is_attended) OVER (
            PARTITION BY account_id, course_id, person_id, coalesce(role = 'student', FALSE)
            ORDER BY started_at, room_id, session_id
        ) AS absence_run
    FROM analytics.course_presence
),

runs AS (
    SELECT
        account_id,
        course_id,
        person_id,
        is_student,
        absence_run,
        count(*) FILTER (WHERE is_enrolled) AS session_count,
        count(*) FILTER (WHERE is_enrolled AND is_attended IS NULL) AS unknown_session_count,
        count(*) FILTER (WHERE is_enrolled AND is_attended) AS attended_session_count,
        count(*) FILTER (WHERE is_enrolled AND NOT is_attended) AS absence_count,
        count(*) FILTER (WHERE NOT is_enrolled) AS not_enrolled_session_count,
        sum(attended_minutes) AS attended_minutes,
        bool_or(is_present AND attended_minutes IS NULL) AS has_unknown_minutes,
        max(session_date) FILTER (WHERE is_present) AS last_seen_date,
        bool_or(is_provisional) AS is_provisional
    FROM marks
    GROUP BY account_id, course_id, person_id, is_student, absence_run
),

-- Who is on the list of a course that has not met yet, or not since they came, has a row as well.
people_of_courses AS (
    SELECT
        account_id,
        course_id,
        person_id,
        is_student,
        absence_run,
        session_count,
        unknown_session_count,
        attended_session_count,
        absence_count,
        not_enrolled_session_count,
        attended_minutes,
        has_unknown_minutes,
        last_seen_date,
        NULL AS role,
        NULL::date AS from_date,
        NULL::date AS enrolled_until_date,
        is_provisional
    FROM runs
    UNION ALL
    SELECT
        enrolments.account_id,
        enrolments.course_id,
        enrolments.person_id,
        enrolments.role = 'student' AS is_student,
        NULL AS absence_run,
        0 AS session_count,
        0 AS unknown_session_count,
        0 AS attended_session_count,
        0 AS absence_count,
        0 AS not_enrolled_session_count,
        NULL AS attended_minutes,
        FALSE AS has_unknown_minutes,
        NULL AS last_seen_date,
        enrolments.role,
        coalesce(enrolments.from_date, '-infinity') AS from_date,
        coalesce(least(enrolments.to_date, courses.ends_on), 'infinity') AS enrolled_until_date,
        FALSE AS is_provisional
    FROM analytics.enrolments
    INNER JOIN university.courses
        ON
            enrolments.account_id = courses.account_id
            AND enrolments.course_id = courses.course_id
),

counted AS (
    SELECT
        *,
        bool_or(is_student) OVER (PARTITION BY account_id, course_id, person_id) AS was_student
    FROM people_of_courses
),

added_up AS (
    SELECT
        account_id,
        course_id,
        person_id,
        was_student,
        -- Of the last day on the list; of several enrolments of that day, of the one that began last.
        (
            array_agg(role ORDER BY enrolled_until_date DESC, from_date DESC, role ASC) FILTER (
                WHERE role IS NOT NULL
            )
        )[1]
            AS role,
        sum(session_count) FILTER (WHERE is_student OR NOT was_student)::bigint AS session_count,
        sum(unknown_session_count) FILTER (
            WHERE is_student OR NOT was_student
        )::bigint AS unknown_session_count,
        sum(attended_session_count) FILTER (
            WHERE is_student OR NOT was_student
        )::bigint AS attended_session_count,
        sum(absence_count) FILTER (WHERE is_student OR NOT was_student)::bigint AS absence_count,
        sum(not_enrolled_session_count)::bigint AS not_enrolled_session_count,
        -- 0 is where nothing is unknown: of who came for a time that is not given, none is known.
        CASE
            WHEN sum(attended_minutes) > 0 OR bool_or(has_unknown_minutes) IS NOT TRUE
                THEN sum(attended_minutes)
        END AS attended_minutes,
        max(last_seen_date) AS last_seen_date,
        nullif(max(enrolled_until_date), 'infinity') AS enrolled_until_date,
        max(absence_count) FILTER (
            WHERE is_student OR NOT was_student
        ) AS longest_absence_count,
        (
            array_agg(absence_count ORDER BY absence_run DESC NULLS LAST) FILTER (
                WHERE is_student OR NOT was_student
            )
        )[1]
            AS newest_absence_count,
        bool_or(is_provisional) AS is_provisional
    FROM counted
    GROUP BY account_id, course_id, person_id, was_student
)

SELECT
    added_up.account_id,
    added_up.course_id,
    courses.course_name,
    courses.department,
    courses.term,
    added_up.person_id,
    added_up.role,
    added_up.role IS NOT NULL AS is_enrolled,
    added_up.was_student AS is_student,
    added_up.session_count,
    added_up.unknown_session_count,
    added_up.attended_session_count,
    added_up.absence_count,
    added_up.attended_session_count::double precision
    / nullif(added_up.attended_session_count + added_up.absence_count, 0) AS attendance_ratio,
    added_up.not_enrolled_session_count,
    added_up.attended_minutes,
    added_up.last_seen_date,
    added_up.longest_absence_count,
    added_up.newest_absence_count,
    CASE
        WHEN
            added_up.role = 'student'
            AND added_up.attended_session_count + added_up.absence_count >= 2
            THEN
                added_up.attended_session_count < added_up.absence_count
                OR added_up.newest_absence_count >= 3
    END AS is_at_risk,
    added_up.enrolled_until_date,
    term_days.missing_day_count,
    (
        coalesce(added_up.is_provisional, FALSE)
        OR term_days.missing_day_count > 0
        OR term_days.is_provisional
    ) AS is_provisional
FROM added_up
INNER JOIN university.courses
    ON
        added_up.account_id = courses.account_id
        AND added_up.course_id = courses.course_id
-- The days of the term from the account's first loaded one to its newest. Grouped, so that they are looked up once a course,
-- and not for each of its people.
INNER JOIN (  -- noqa: ST05
    SELECT
        terms.account_id,
        terms.course_id,
        max(term.missing_day_count) AS missing_day_count,
        bool_or(term.is_provisional) AS is_provisional
    FROM university.courses AS terms
    CROSS JOIN
        LATERAL (
            SELECT
                count(*) FILTER (WHERE NOT loaded_days.is_over) > 0 AS is_provisional,
                CASE
                    WHEN max(known.last_date) IS NULL THEN 0
                    ELSE greatest(
                        least(max(known.last_date), terms.ends_on)
                        - greatest(max(known.first_date), terms.starts_on)
                        + 1
                        - count(*) FILTER (
                            WHERE
                            loaded_days.session_pulled_at IS NOT NULL
                            AND loaded_days.attendance_pulled_at IS NOT NULL
                        ),
                        0
                    )
                END AS missing_day_count
            FROM (
                SELECT
                    min(loads.partition_date) AS first_date,
                    max(loads.partition_date) AS last_date
                FROM kaltura.loads
                WHERE loads.partner_id = terms.account_id
            ) AS known
            LEFT JOIN analytics.loaded_days
                ON
                    terms.account_id = loaded_days.account_id
                    AND loaded_days.session_date >= coalesce(terms.starts_on, '-infinity')
                    AND loaded_days.session_date <= coalesce(terms.ends_on, 'infinity')
        ) AS term
    GROUP BY terms.account_id, terms.course_id
) AS term_days
    ON
        added_up.account_id = term_days.account_id
        AND added_up.course_id = term_days.course_id
-- A list is in the order of a class: where ids are not shown, pseudonyms alone decide on the order.
ORDER BY CASE WHEN NOT (SELECT analytics.shows_people()) THEN added_up.person_id END;

COMMENT ON VIEW analytics.course_attendance IS
'One row for each person in each course (account_id, course_id, person_id): everybody on the '
'university''s list, also who never came, and everybody who came without being on it: '
'such a guest has two rows where you are shown ids and they came before and after RETENTION_DAYS. '
'Empty without lists.';
COMMENT ON COLUMN analytics.course_attendance.account_id IS 'The Kaltura account (partner id).';
COMMENT ON COLUMN analytics.course_attendance.course_id IS 'The course, as in university.courses.';
COMMENT ON COLUMN analytics.course_attendance.course_name IS 'What the course is called.';
COMMENT ON COLUMN analytics.course_attendance.department IS
'The department that holds the course; NULL where the list names none.';
COMMENT ON COLUMN analytics.course_attendance.term IS
'The term, as the list names it; NULL where it names none.';
COMMENT ON COLUMN analytics.course_attendance.person_id IS
'The person, as in course_presence. Personal data.';
COMMENT ON COLUMN analytics.course_attendance.role IS
'student, teacher, assistant or observer, as on the last day that the person is enrolled: of '
'several enrolments the one that lasts longest, and of those the one that began last. NULL for who '
'is on no list of the course.';
COMMENT ON COLUMN analytics.course_attendance.is_enrolled IS
'Whether the list of the course has the person: false for a guest.';
COMMENT ON COLUMN analytics.course_attendance.is_student IS
'Whether the list has the person as a student, on whatever days: then session_count, the counts of '
'it and attendance_ratio are of those days alone, whatever else the person was before or after.';
COMMENT ON COLUMN analytics.course_attendance.session_count IS
'Sessions held while the person was enrolled; of who was a student (is_student), while a student. '
'Those with nobody but their host (is_host_alone in course_sessions) do not count; those that '
'another course held in a room of both do.';
COMMENT ON COLUMN analytics.course_attendance.unknown_session_count IS
'How many of session_count are in neither count that follows: attendees are not loaded, or the '
'person came and the session''s length is not known.';
COMMENT ON COLUMN analytics.course_attendance.attended_session_count IS
'How many of session_count they attended, for the course''s attendance_threshold at least.';
COMMENT ON COLUMN analytics.course_attendance.absence_count IS
'How many of session_count they did not.';
COMMENT ON COLUMN analytics.course_attendance.attendance_ratio IS
'attended_session_count as a share of it and absence_count, 0 to 1; NULL where nothing is known.';
COMMENT ON COLUMN analytics.course_attendance.not_enrolled_session_count IS
'Sessions that they came to on days on which they were not enrolled.';
COMMENT ON COLUMN analytics.course_attendance.attended_minutes IS
'Time in all the sessions they came to, enrolled or not, in minutes; NULL where attendees of none '
'are loaded, or no time is given for any that they came to.';
COMMENT ON COLUMN analytics.course_attendance.last_seen_date IS
'The local day of the newest session they came to, for however long; NULL where they never did.';
COMMENT ON COLUMN analytics.course_attendance.longest_absence_count IS
'The longest row of sessions not attended, with none attended between them. Sessions of which '
'nothing is known neither break the row nor count.';
COMMENT ON COLUMN analytics.course_attendance.newest_absence_count IS
'The row of sessions not attended up to the newest one; 0 for who attended that.';
COMMENT ON COLUMN analytics.course_attendance.is_at_risk IS
'Whether a student (role) has missed more sessions than attended, or the three newest while a '
'student: of who has left (enrolled_until_date), as of then. NULL for others, and where fewer than '
'two sessions are known.';
COMMENT ON COLUMN analytics.course_attendance.enrolled_until_date IS
'The last local day on which the person is enrolled, in the course''s term; NULL where neither the '
'list nor the course (ends_on) names one, and for who is on no list of the course.';
COMMENT ON COLUMN analytics.course_attendance.missing_day_count IS
'Days of the course''s term, from the account''s first loaded one to its newest, of which sessions '
'or attendees are not loaded: what happened on them counts in part, or not at all, in is_at_risk '
'too.';
COMMENT ON COLUMN analytics.course_attendance.is_provisional IS
'Whether the figures may still grow: those of one of the sessions may, or a day of the course''s '
'term is missing (missing_day_count) or was not over when last pulled (is_over in loaded_days). '
'What the rest of the term brings is to come either way.';
