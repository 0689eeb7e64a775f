-- Report 6002 tells who opened a breakout by name where Kaltura knows one, else by id: no column of ids, so it
-- makes nobody known in kaltura.people. And an erased person is known again by id, name and e-mail wherever they
-- stand, not by the id alone.
ALTER TABLE kaltura.suppressions
ADD COLUMN IF NOT EXISTS kind text NOT NULL DEFAULT 'person'
CONSTRAINT suppressions_kind CHECK (kind IN ('person', 'trace'));

DELETE FROM kaltura.people
WHERE
    NOT EXISTS (
        SELECT FROM kaltura.attendees
        WHERE
            attendees.partner_id = people.partner_id
            AND attendees.user_id = people.user_id
    )
    AND NOT EXISTS (
        SELECT FROM kaltura.room_sessions
        WHERE
            room_sessions.partner_id = people.partner_id
            AND room_sessions.session_host_user_id = people.user_id
    );
UPDATE kaltura.privacy SET removals = removals + 1;

-- In the other modes names are not kept, and what stands there was made a pseudonym as if it were an id.
UPDATE kaltura.breakout_sessions
SET session_initiator = NULL
WHERE session_initiator ~ '^p_[0-9a-f]{32}$';

COMMENT ON COLUMN kaltura.breakout_sessions.session_initiator IS
'Who opened the breakout session: first and last name where Kaltura knows one, else the user id. '
'Personal data.';
COMMENT ON TABLE kaltura.suppressions IS
'Who has been erased: no later load and no restored backup brings them back. One row for each '
'person, and one for each id, name and e-mail that they were known by.';
COMMENT ON COLUMN kaltura.suppressions.kind IS
'person: made of the pseudonym; trace: made of an id, a name or an e-mail.';
COMMENT ON CONSTRAINT suppressions_kind ON kaltura.suppressions IS 'A kind that there is.';
COMMENT ON COLUMN kaltura.suppressions.person IS
'The person, or what they were known by, as an HMAC made with PII_KEY. Nothing else in the '
'database holds it.';
