-- Who is on the list of which course, found by the person as by the course. As in attendance, the answers pick one of two
-- halves, and who is not shown ids has no column of them in the plan.

CREATE VIEW analytics.enrolments AS
WITH listed AS NOT MATERIALIZED (
    SELECT
        enrolments.account_id,
        enrolments.course_id,
        courses.course_name,
        courses.department,
        courses.term,
        coalesce(enrolments.person_id, lower(enrolments.person_email)) AS person,
        enrolments.role,
        enrolments.from_date,
        enrolments.to_date
    FROM university.enrolments
    INNER JOIN university.courses
        ON
            enrolments.account_id = courses.account_id
            AND enrolments.course_id = courses.course_id
),

-- A listed id that is a pseudonym already has none in kaltura.people. Of any other without one, nothing is shown.
pseudonymous AS NOT MATERIALIZED (
    SELECT
        listed.*,
        people.pseudonym AS person_id
    FROM listed
    LEFT JOIN kaltura.people
        ON
            listed.account_id = people.partner_id
            AND listed.person = people.user_id
    WHERE people.user_id IS NOT NULL OR listed.person !~ '^p_[0-9a-f]{32}$'
    UNION ALL
    SELECT
        listed.*,
        -- As in the index enrolments_by_pseudonym.
        CASE
            WHEN length(listed.person) = 34 AND listed.person ~ '^p_[0-9a-f]+$' THEN listed.person
        END AS person_id
    FROM listed
    WHERE
        length(listed.person) = 34 AND listed.person ~ '^p_[0-9a-f]+$'
        AND NOT EXISTS (
            SELECT FROM kaltura.people
            WHERE
                people.partner_id = listed.account_id
                AND people.user_id = listed.person
        )
),

told AS NOT MATERIALIZED (
    SELECT
        listed.*,
        listed.person AS person_id
    FROM listed
    WHERE analytics.shows_people_when_planned() AND (SELECT analytics.shows_people())
    UNION ALL
    (
        SELECT pseudonymous.*
        FROM pseudonymous
        WHERE NOT (analytics.shows_people_when_planned() AND (SELECT analytics.shows_people()))
        ORDER BY pseudonymous.person_id
    )
)

SELECT
    account_id,
    course_id,
    course_name,
    department,
    term,
    person_id,
    role,
    from_date,
    to_date
FROM told;

COMMENT ON VIEW analytics.enrolments IS
'The university''s list of who is enrolled: one row for each person in each course, and for each '
'time that they were enrolled in it (account_id, course_id, person_id, from_date). Empty without '
'lists.';
COMMENT ON COLUMN analytics.enrolments.account_id IS 'The Kaltura account (partner id).';
COMMENT ON COLUMN analytics.enrolments.course_id IS 'The course, as in university.courses.';
COMMENT ON COLUMN analytics.enrolments.course_name IS 'What the course is called.';
COMMENT ON COLUMN analytics.enrolments.department IS
'The department that holds the course; NULL where the list names none.';
COMMENT ON COLUMN analytics.enrolments.term IS
'The term, as the list names it; NULL where it names none.';
COMMENT ON COLUMN analytics.enrolments.person_id IS
'The person as the list has them, as in course_presence: the user id, or the e-mail where it has '
'no id. The pseudonym where you may not see who people are or PII_MODE keeps no ids; NULL where '
'there is none. Personal data.';
COMMENT ON COLUMN analytics.enrolments.role IS 'student, teacher, assistant or observer.';
COMMENT ON COLUMN analytics.enrolments.from_date IS
'The first local day of the enrolment; NULL: from the course''s start.';
COMMENT ON COLUMN analytics.enrolments.to_date IS
'The last local day of the enrolment; NULL: to the course''s end.';
