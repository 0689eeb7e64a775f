-- Each identified person over all their sessions.

CREATE VIEW analytics.people AS
-- A person's names change now and then: first a row for each way of being called, then the newest
-- of them.
WITH named_visits AS (
    SELECT
        account_id,
        person_id,
        person_name,
        person_email,
        is_guest,
        min(session_date) AS first_seen_date,
        max(session_date) AS last_seen_date,
        max(started_at) AS last_seen_at,
        count(*) FILTER (WHERE NOT is_breakout) AS session_count,
        count(*) FILTER (WHERE is_breakout) AS breakout_session_count,
        sum(attended_minutes) FILTER (WHERE NOT is_breakout) AS minutes,
        sum(attended_minutes) FILTER (WHERE is_breakout) AS breakout_minutes,
        sum(engaged_minutes) FILTER (WHERE NOT is_breakout) AS engaged_minutes,
        sum(attended_minutes) FILTER (
            WHERE NOT is_breakout AND engagement_ratio IS NOT NULL
        ) AS rated_minutes
    FROM analytics.attendance
    WHERE is_identified
    GROUP BY account_id, person_id, person_name, person_email, is_guest
)

SELECT
    account_id,
    person_id,
    (array_agg(person_name ORDER BY last_seen_date DESC, last_seen_at DESC NULLS LAST))[1]
        AS person_name,
    (array_agg(person_email ORDER BY last_seen_date DESC, last_seen_at DESC NULLS LAST))[1]
        AS person_email,
    (array_agg(is_guest ORDER BY last_seen_date DESC, last_seen_at DESC NULLS LAST))[1]
        AS is_guest,
    min(first_seen_date) AS first_seen_date,
    max(last_seen_date) AS last_seen_date,
    max(last_seen_at) AS last_seen_at,
    sum(session_count)::bigint AS session_count,
    sum(breakout_session_count)::bigint AS breakout_session_count,
    coalesce(sum(minutes), 0) AS total_minutes,
    coalesce(sum(breakout_minutes), 0) AS breakout_minutes,
    sum(engaged_minutes) / nullif(sum(rated_minutes), 0) AS weighted_engagement_ratio
FROM named_visits
GROUP BY account_id, person_id;

COMMENT ON VIEW analytics.people IS
'One row for each identified person. Main sessions and breakouts are counted apart, as the '
'minutes in a breakout are usually part of those in the main session.';
COMMENT ON COLUMN analytics.people.account_id IS 'The Kaltura account (partner id).';
COMMENT ON COLUMN analytics.people.person_id IS
'The person''s user id, or the pseudonym where you may not see who people are or PII_MODE keeps no '
'ids. Personal data.';
COMMENT ON COLUMN analytics.people.person_name IS
'First and last name, or the user id again, when last seen; NULL where you may not see it or it is '
'not kept. Personal data.';
COMMENT ON COLUMN analytics.people.person_email IS
'E-mail address when last seen; NULL where you may not see it or it is not kept. Personal data.';
COMMENT ON COLUMN analytics.people.is_guest IS
'Whether the person was a guest when last seen; NULL where Kaltura does not say.';
COMMENT ON COLUMN analytics.people.first_seen_date IS
'The local day of the first session attended that was loaded.';
COMMENT ON COLUMN analytics.people.last_seen_date IS
'The local day of the newest session attended.';
COMMENT ON COLUMN analytics.people.last_seen_at IS
'Start of the newest session attended: no report has the time at which a person joined or left. '
'NULL where none of the sessions is known.';
COMMENT ON COLUMN analytics.people.session_count IS 'Main sessions attended.';
COMMENT ON COLUMN analytics.people.breakout_session_count IS 'Breakout sessions attended.';
COMMENT ON COLUMN analytics.people.total_minutes IS 'Time in main sessions, in minutes.';
COMMENT ON COLUMN analytics.people.breakout_minutes IS
'Time in breakout sessions, in minutes. Usually part of total_minutes: not to be added to it.';
COMMENT ON COLUMN analytics.people.weighted_engagement_ratio IS
'The person''s engagement in main sessions weighted by minutes, 0 to 1; NULL where there are no '
'minutes to weigh by.';
