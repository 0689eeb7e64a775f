-- Whom a list names by e-mail is found by it in the reports, under any number of ids; once the names of a day have gone, by
-- the pseudonyms of those ids, which are kept here. Until now one of them stood beside the e-mail on the list itself.
CREATE TABLE IF NOT EXISTS kaltura.listed_pseudonyms (
    partner_id bigint NOT NULL,
    pseudonym text COLLATE "C" NOT NULL,
    listed_as text COLLATE "C" NOT NULL,
    CONSTRAINT listed_pseudonyms_pkey PRIMARY KEY (partner_id, pseudonym, listed_as)
);
COMMENT ON TABLE kaltura.listed_pseudonyms IS
'One row for each pseudonym under which days past RETENTION_DAYS have somebody whom a list of the '
'university names by e-mail: who has several user ids has several. Personal data.';
COMMENT ON COLUMN kaltura.listed_pseudonyms.partner_id IS
'The Kaltura account: its partner id.';
COMMENT ON COLUMN kaltura.listed_pseudonyms.pseudonym IS
'The pseudonym, as in kaltura.attendees.';
COMMENT ON COLUMN kaltura.listed_pseudonyms.listed_as IS
'How university.enrolments has the person: the e-mail, in lower case, or the pseudonym that has '
'taken its place. Personal data.';
COMMENT ON CONSTRAINT listed_pseudonyms_pkey ON kaltura.listed_pseudonyms IS
'One row for each account, pseudonym and person of a list.';

WITH tied AS (
    DELETE FROM university.enrolments
    WHERE person_email IS NOT NULL AND person_id ~ '^p_[0-9a-f]{32}$'
    RETURNING account_id, course_id, person_id, person_email, role, from_date, to_date
),

kept AS (
    INSERT INTO kaltura.listed_pseudonyms (partner_id, pseudonym, listed_as)
    SELECT
        account_id,
        person_id,
        lower(person_email) AS listed_as
    FROM tied
    ON CONFLICT DO NOTHING
)

INSERT INTO university.enrolments (account_id, course_id, person_email, role, from_date, to_date)
SELECT
    account_id,
    course_id,
    person_email,
    role,
    from_date,
    to_date
FROM tied
ON CONFLICT DO NOTHING;

-- Where the roles are there already and another login made them: as in 0016_university.sql.
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'kaltura_loader') THEN
        GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE kaltura.listed_pseudonyms TO kaltura_loader;
    END IF;
END
$$;
