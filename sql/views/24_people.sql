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
        count(is_breakout) AS told_apart_count,
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
),

missing_days AS (
    SELECT
        account_id,
        count(*) FILTER (
            WHERE NOT (is_session_loaded AND is_attendance_loaded)
        ) AS missing_day_count
    FROM analytics.calendar
    GROUP BY account_id
)

SELECT
    named_visits.account_id,
    named_visits.person_id,
    (
        array_agg(
            named_visits.person_name
            ORDER BY named_visits.last_seen_date DESC, named_visits.last_seen_at DESC NULLS LAST
        )
    )[1]
        AS person_name,
    (
        array_agg(
            named_visits.person_email
            ORDER BY named_visits.last_seen_date DESC, named_visits.last_seen_at DESC NULLS LAST
        )
    )[1]
        AS person_email,
    (
        array_agg(
            named_visits.is_guest
            ORDER BY named_visits.last_seen_date DESC, named_visits.last_seen_at DESC NULLS LAST
        )
    )[1]
        AS is_guest,
    min(named_visits.first_seen_date) AS first_seen_date,
    max(named_visits.last_seen_date) AS last_seen_date,
    max(named_visits.last_seen_at) AS last_seen_at,
    CASE
        WHEN sum(named_visits.told_apart_count) > 0 THEN sum(named_visits.session_count)::bigint
    END AS session_count,
    CASE
        WHEN
            sum(named_visits.told_apart_count) > 0
            THEN sum(named_visits.breakout_session_count)::bigint
    END AS breakout_session_count,
    max(missing_days.missing_day_count) AS missing_day_count,
    CASE
        WHEN sum(named_visits.told_apart_count) = 0 THEN NULL
        -- Of a time that Kaltura does not give, it is not known: 0 is where they were in none.
        WHEN sum(named_visits.session_count) = 0 THEN 0
        ELSE sum(named_visits.minutes)
    END AS total_minutes,
    CASE
        WHEN sum(named_visits.told_apart_count) = 0 THEN NULL
        WHEN sum(named_visits.breakout_session_count) = 0 THEN 0
        ELSE sum(named_visits.breakout_minutes)
    END AS breakout_minutes,
    sum(named_visits.engaged_minutes)
    / nullif(sum(named_visits.rated_minutes), 0) AS weighted_engagement_ratio
FROM named_visits
LEFT JOIN missing_days ON named_visits.account_id = missing_days.account_id
GROUP BY named_visits.account_id, named_visits.person_id;

COMMENT ON VIEW analytics.people IS
'One row for each identified person (account_id, person_id): an id, so somebody with two ids has '
'two rows, as has, where you are shown ids, who came before and after RETENTION_DAYS. '
'Main sessions and breakouts are counted apart, as the minutes in a breakout are '
'usually part of those in the main session.';
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
COMMENT ON COLUMN analytics.people.session_count IS
'Main sessions attended. On days of which sessions are not loaded, main sessions and breakouts '
'can''t be told apart: neither counts, and where that is so of all, this is NULL.';
COMMENT ON COLUMN analytics.people.breakout_session_count IS
'Breakout sessions attended; NULL as for session_count.';
COMMENT ON COLUMN analytics.people.missing_day_count IS
'Days of the account, from its first loaded one to its newest, of which sessions or attendees are '
'not loaded whole: the figures hold a part of what happened on them, or nothing of it.';
COMMENT ON COLUMN analytics.people.total_minutes IS
'Time in main sessions, in minutes; NULL as for session_count, and where they were in some and no '
'time is given for any.';
COMMENT ON COLUMN analytics.people.breakout_minutes IS
'Time in breakout sessions, in minutes. Usually part of total_minutes: not to be added to it. '
'NULL as for total_minutes.';
COMMENT ON COLUMN analytics.people.weighted_engagement_ratio IS
'The person''s engagement in main sessions weighted by minutes, 0 to 1; NULL where there are no '
'minutes to weigh by.';
