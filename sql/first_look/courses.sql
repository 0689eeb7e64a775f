-- The courses of some days with the fewest students there, where the university's lists are loaded: sessions held, and
-- how many of the students attended them. Guests are people: who came to ten sessions without being enrolled is one.
WITH lowest AS (
    SELECT
        course_id,
        max(course_name) AS course,
        count(*) AS sessions,
        count(not_enrolled_count) AS known_sessions,
        max(student_count) AS students,
        sum(attended_count)::double precision
        / nullif(sum(attended_count) + sum(absent_count), 0) AS attendance
    FROM analytics.course_sessions
    WHERE
        account_id = %(partner_id)s
        AND session_date BETWEEN %(first)s AND %(last)s
    GROUP BY course_id
    ORDER BY attendance ASC NULLS LAST, course_id ASC
    LIMIT 5
)

SELECT
    lowest.course_id,
    lowest.course,
    lowest.sessions,
    lowest.students,
    -- NULL where no session of the course has its attendees loaded.
    CASE WHEN lowest.known_sessions > 0 THEN strangers.guests END AS guests,
    lowest.attendance
FROM lowest
CROSS JOIN
    LATERAL (
        -- By pseudonym, as days past RETENTION_DAYS have nothing else.
        SELECT
            count(
                DISTINCT coalesce(
                    (
                        SELECT people.pseudonym
                        FROM kaltura.people
                        WHERE
                            people.partner_id = course_presence.account_id
                            AND people.user_id = course_presence.person_id
                    ),
                    course_presence.person_id
                )
            ) AS guests
        FROM analytics.course_presence
        WHERE
            course_presence.account_id = %(partner_id)s
            AND course_presence.course_id = lowest.course_id
            AND course_presence.session_date BETWEEN %(first)s AND %(last)s
            AND NOT course_presence.is_enrolled
    ) AS strangers
ORDER BY lowest.attendance ASC NULLS LAST, lowest.course_id ASC
