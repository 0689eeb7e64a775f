-- The courses of some days with the fewest students there, where the university's lists are loaded: sessions held, and
-- how many of the students attended them.
SELECT
    course_id,
    max(course_name) AS course,
    count(*) AS sessions,
    max(student_count) AS students,
    sum(not_enrolled_count) AS guests,
    sum(attended_count)::double precision
    / nullif(sum(attended_count) + sum(absent_count), 0) AS attendance
FROM analytics.course_sessions
WHERE
    account_id = %(partner_id)s
    AND session_date BETWEEN %(first)s AND %(last)s
GROUP BY course_id
ORDER BY attendance ASC NULLS LAST, course_id ASC
LIMIT 5
