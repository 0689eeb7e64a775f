-- In which courses somebody is listed. Nothing led with the person: the whole list was read for it.
CREATE INDEX IF NOT EXISTS enrolments_of_a_person
ON university.enrolments ((coalesce(person_id, lower(person_email))));
COMMENT ON INDEX university.enrolments_of_a_person IS
'For analytics.enrolments that is filtered by person_id.';

CREATE INDEX IF NOT EXISTS enrolments_by_pseudonym
ON university.enrolments (
    (
        CASE
            WHEN
                length(coalesce(person_id, lower(person_email))) = 34
                AND coalesce(person_id, lower(person_email)) ~ '^p_[0-9a-f]+$'
                THEN coalesce(person_id, lower(person_email))
        END
    )
)
WHERE
length(coalesce(person_id, lower(person_email))) = 34
AND coalesce(person_id, lower(person_email)) ~ '^p_[0-9a-f]+$';
COMMENT ON INDEX university.enrolments_by_pseudonym IS
'For analytics.enrolments that is filtered by person_id, where a pseudonym is what is listed.';
