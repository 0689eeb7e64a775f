-- What is kept of people: by which name each is shown to analysts who may not see who they are, in which mode the
-- warehouse is filled, and who has been erased. docs/privacy.md tells how the three work together.

CREATE TABLE IF NOT EXISTS kaltura.people (
    partner_id bigint NOT NULL,
    user_id text COLLATE "C" NOT NULL,
    pseudonym text COLLATE "C" NOT NULL,
    CONSTRAINT people_pkey PRIMARY KEY (partner_id, user_id)
);

CREATE TABLE IF NOT EXISTS kaltura.privacy (
    only_row boolean NOT NULL DEFAULT TRUE,
    mode text NOT NULL,
    key_fingerprint text,
    removals bigint NOT NULL DEFAULT 0,
    changed_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT privacy_pkey PRIMARY KEY (only_row),
    CONSTRAINT privacy_only_row CHECK (only_row),
    CONSTRAINT privacy_mode CHECK (mode IN ('full', 'pseudonymous', 'none'))
);

CREATE TABLE IF NOT EXISTS kaltura.suppressions (
    partner_id bigint NOT NULL,
    person text NOT NULL,
    erased_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT suppressions_pkey PRIMARY KEY (partner_id, person)
);

-- Until now everything was kept as it came.
INSERT INTO kaltura.privacy (mode) VALUES ('full') ON CONFLICT DO NOTHING;
INSERT INTO kaltura.people (partner_id, user_id, pseudonym)
SELECT
    partner_id,
    user_id,
    'p_' || replace(gen_random_uuid()::text, '-', '') AS pseudonym
FROM (
    SELECT
        partner_id,
        user_id
    FROM kaltura.attendees
    UNION
    SELECT
        partner_id,
        session_host_user_id
    FROM kaltura.room_sessions
    UNION
    SELECT
        partner_id,
        session_initiator
    FROM kaltura.breakout_sessions
) AS everybody
WHERE user_id NOT IN ('', '0', 'Unknown')
ON CONFLICT DO NOTHING;

-- Whether the one who asks is shown who people are. For everybody else views show pseudonyms. The roles may be missing.
CREATE OR REPLACE FUNCTION analytics.shows_people() RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog
AS $$
    SELECT EXISTS (
        SELECT FROM pg_catalog.pg_roles
        WHERE
            (
                rolname = 'kaltura_analyst_pii'
                OR oid IN (
                    SELECT nspowner FROM pg_catalog.pg_namespace WHERE nspname = 'kaltura'
                )
            )
            AND pg_catalog.pg_has_role(oid, 'USAGE')
    )
$$;
COMMENT ON FUNCTION analytics.shows_people() IS
'Whether you are shown who people are: members of kaltura_analyst_pii, of the owner of the '
'schema kaltura, and superusers. Everybody else is shown pseudonyms, and no names and e-mails.';

COMMENT ON TABLE kaltura.people IS
'One row for each person whose user id is stored as it is: the pseudonym by which analysts know '
'them who may not see who they are. Personal data. Empty where PII_MODE is not full.';
COMMENT ON COLUMN kaltura.people.partner_id IS 'The Kaltura account: its partner id.';
COMMENT ON COLUMN kaltura.people.user_id IS 'The person. Personal data.';
COMMENT ON COLUMN kaltura.people.pseudonym IS
'p_ and 32 hexadecimal digits: an HMAC of the account and the user id where PII_KEY is set, '
'else drawn at random.';
COMMENT ON CONSTRAINT people_pkey ON kaltura.people IS 'One row for each account and person.';

COMMENT ON TABLE kaltura.privacy IS
'One row: how the warehouse is filled. A run with other settings is refused.';
COMMENT ON COLUMN kaltura.privacy.only_row IS 'True: there is one row.';
COMMENT ON COLUMN kaltura.privacy.mode IS
'PII_MODE: full, pseudonymous (user ids as pseudonyms, no names), or none (another pseudonym in '
'each session).';
COMMENT ON COLUMN kaltura.privacy.key_fingerprint IS
'By which another PII_KEY is noticed: an HMAC made with it. NULL where none has been set yet.';
COMMENT ON COLUMN kaltura.privacy.removals IS
'How often people have been taken out of kaltura.people: what a run remembers of it is good as '
'long as this stays.';
COMMENT ON COLUMN kaltura.privacy.changed_at IS 'When mode or key was last changed.';
COMMENT ON CONSTRAINT privacy_pkey ON kaltura.privacy IS 'One row.';
COMMENT ON CONSTRAINT privacy_only_row ON kaltura.privacy IS 'No second row.';
COMMENT ON CONSTRAINT privacy_mode ON kaltura.privacy IS 'A mode that there is.';

COMMENT ON TABLE kaltura.suppressions IS
'One row for each person who has been erased: no later load brings them back.';
COMMENT ON COLUMN kaltura.suppressions.partner_id IS 'The Kaltura account: its partner id.';
COMMENT ON COLUMN kaltura.suppressions.person IS
'The person, as an HMAC made with PII_KEY. Nothing else in the database holds it.';
COMMENT ON COLUMN kaltura.suppressions.erased_at IS 'When they were erased.';
COMMENT ON CONSTRAINT suppressions_pkey ON kaltura.suppressions IS
'One row for each account and person.';
