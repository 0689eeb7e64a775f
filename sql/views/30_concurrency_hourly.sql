-- How much was going on at once, hour by hour. Sessions are counted exactly, from their starts and
-- ends. Of people only an upper bound is known, as no report says when a person joined: everybody
-- of a session counts while it is open. Hours look up their sessions, and not the other way round, so that a filter on
-- the hour decides which are read.

CREATE VIEW analytics.concurrency_hourly AS
WITH account_days AS NOT MATERIALIZED (
    SELECT
        accounts.partner_id AS account_id,
        days.day_at,
        coalesce(calendars.timezone, 'UTC') AS timezone
    FROM (
        SELECT
            partner_id,
            min(partition_date) AS first_date,
            max(partition_date) AS last_date
        FROM kaltura.loads
        GROUP BY partner_id
    ) AS accounts
    LEFT JOIN kaltura.calendars ON accounts.partner_id = calendars.partner_id
    -- A session of the last day runs into the next; a day in another time zone begins up to a day earlier or later.
    CROSS JOIN LATERAL generate_series(
        accounts.first_date::timestamp - interval '1 day',
        accounts.last_date::timestamp + interval '2 days',
        interval '1 day'
    ) AS days (day_at)
),

-- Local hours: where the clock is set by half an hour, the day's last is cut.
account_hours AS NOT MATERIALIZED (
    SELECT
        account_days.account_id,
        hours.hour_at,
        least(
            hours.hour_at + interval '1 hour',
            (account_days.day_at + interval '1 day') AT TIME ZONE account_days.timezone
        ) AS hour_ends_at
    FROM account_days
    CROSS JOIN LATERAL generate_series(
        account_days.day_at AT TIME ZONE account_days.timezone,
        (account_days.day_at + interval '1 day') AT TIME ZONE account_days.timezone
        - interval '1 microsecond',
        interval '1 hour'
    ) AS hours (hour_at)
),

-- Sessions of twelve hours at most are found by when they started. OFFSET keeps the planner at it: it takes the hours
-- that a filter leaves for many more than they are.
usual_hours AS NOT MATERIALIZED (
    SELECT
        account_hours.account_id,
        account_hours.hour_at,
        account_hours.hour_ends_at,
        usual_sessions.started_at,
        usual_sessions.open_until_at,
        usual_sessions.attendance_known_until_at,
        usual_sessions.attendance_count,
        usual_sessions.estimated_people_count
    FROM account_hours
    CROSS JOIN
        LATERAL (
            SELECT
                sessions.started_at,
                sessions.ended_at AS open_until_at,
                sessions.attendance_known_until_at,
                sessions.attendance_count,
                sessions.estimated_people_count
            FROM analytics.sessions
            WHERE
                sessions.account_id = account_hours.account_id
                AND sessions.started_at < account_hours.hour_ends_at
                AND sessions.started_at >= account_hours.hour_at - interval '12 hours'
                AND NOT sessions.is_breakout
                AND sessions.ended_at - sessions.started_at <= interval '12 hours'
                AND greatest(sessions.started_at, sessions.ended_at - interval '1 microsecond')
                >= account_hours.hour_at
            OFFSET 0  -- noqa: AM09
        ) AS usual_sessions
),

-- The few others, and those without an end, are gone through: they have an index of their own.
unusual_sessions AS NOT MATERIALIZED (
    SELECT
        sessions.account_id,
        sessions.started_at,
        coalesce(calendars.timezone, 'UTC') AS timezone,
        -- An end that is not known is taken to be when the longest attendee can have left.
        coalesce(
            sessions.ended_at,
            sessions.started_at + interval '1 minute' * (
                SELECT max(attendees.meeting_view_time)
                FROM kaltura.attendees
                WHERE
                    attendees.partner_id = sessions.account_id
                    AND attendees.entry_id = sessions.room_id
                    AND attendees.cue_point_id = sessions.session_id
                    AND NOT analytics.is_nobody(attendees.user_id)
            ),
            sessions.started_at
        ) AS open_until_at,
        sessions.attendance_known_until_at,
        sessions.attendance_count,
        sessions.estimated_people_count
    FROM analytics.sessions
    LEFT JOIN kaltura.calendars ON sessions.account_id = calendars.partner_id
    WHERE
        NOT sessions.is_breakout
        AND (
            sessions.ended_at IS NULL
            OR sessions.ended_at - sessions.started_at > interval '12 hours'
        )
),

unusual_hours AS NOT MATERIALIZED (
    SELECT
        unusual_sessions.account_id,
        hours.hour_at,
        least(
            hours.hour_at + interval '1 hour',
            (days.day_at + interval '1 day') AT TIME ZONE unusual_sessions.timezone
        ) AS hour_ends_at,
        unusual_sessions.started_at,
        unusual_sessions.open_until_at,
        unusual_sessions.attendance_known_until_at,
        unusual_sessions.attendance_count,
        unusual_sessions.estimated_people_count
    FROM unusual_sessions
    CROSS JOIN
        LATERAL generate_series(
            date_trunc('day', unusual_sessions.started_at AT TIME ZONE unusual_sessions.timezone),
            unusual_sessions.open_until_at AT TIME ZONE unusual_sessions.timezone,
            interval '1 day'
        ) AS days (day_at)
    CROSS JOIN
        LATERAL generate_series(
            days.day_at AT TIME ZONE unusual_sessions.timezone,
            (days.day_at + interval '1 day') AT TIME ZONE unusual_sessions.timezone
            - interval '1 microsecond',
            interval '1 hour'
        ) AS hours (hour_at)
    WHERE
        least(
            hours.hour_at + interval '1 hour',
            (days.day_at + interval '1 day') AT TIME ZONE unusual_sessions.timezone
        ) > unusual_sessions.started_at
        AND hours.hour_at <= greatest(
            unusual_sessions.started_at,
            unusual_sessions.open_until_at - interval '1 microsecond'
        )
),

open_sessions AS NOT MATERIALIZED (
    SELECT usual_hours.* FROM usual_hours
    UNION ALL
    SELECT unusual_hours.* FROM unusual_hours
),

session_hours AS NOT MATERIALIZED (
    SELECT
        account_id,
        hour_at,
        -- Without attendees loaded, not even an upper bound is known.
        CASE
            WHEN attendance_known_until_at IS NOT NULL
                THEN greatest(attendance_count, estimated_people_count)
        END AS people,
        greatest(started_at, hour_at) AS opened_at,
        least(open_until_at, hour_ends_at) AS closed_at
    FROM open_sessions
),

-- Who closes at the very moment at which another opens was not open at the same time. One that closes
-- as it opens comes between the two, so that it was open once.
moments AS (
    SELECT
        session_hours.account_id,
        session_hours.hour_at,
        session_hours.people,
        session_hours.closed_at - session_hours.opened_at AS open_time,
        openings.step,
        sum(openings.step) OVER so_far AS open_session_count,
        sum(openings.step * session_hours.people) OVER so_far AS open_people_count
    FROM session_hours
    CROSS JOIN
        LATERAL (
            VALUES
            (
                session_hours.opened_at,
                1,
                CASE WHEN session_hours.opened_at = session_hours.closed_at THEN 2 ELSE 4 END
            ),
            (
                session_hours.closed_at,
                -1,
                CASE WHEN session_hours.opened_at = session_hours.closed_at THEN 3 ELSE 1 END
            )
        ) AS openings (moment, step, turn)
    WINDOW
        so_far AS (
            PARTITION BY session_hours.account_id, session_hours.hour_at
            ORDER BY openings.moment, openings.turn
            ROWS UNBOUNDED PRECEDING
        )
)

SELECT
    account_id,
    hour_at,
    count(*) FILTER (WHERE step = 1) AS session_count,
    max(open_session_count) AS peak_session_count,
    extract(
        EPOCH FROM sum(open_time) FILTER (WHERE step = 1)
    )::double precision / 60 AS session_minutes,
    CASE
        WHEN bool_and(people IS NOT NULL) THEN (sum(people) FILTER (WHERE step = 1))::bigint
    END AS people_at_most_count,
    CASE
        WHEN bool_and(people IS NOT NULL) THEN max(open_people_count)::bigint
    END AS peak_people_at_most_count
FROM moments
GROUP BY account_id, hour_at;

COMMENT ON VIEW analytics.concurrency_hourly IS
'One row for each hour in which a main session is known to have been open (account_id, hour_at): '
'an hour without a row was empty only where calendar has the sessions of its day loaded. Sessions '
'are exact; people are an upper bound, as no report has the times at which they joined and left. '
'Breakouts are left out: they are held inside main sessions. '
'A person is a user id: somebody with two ids counts twice.';
COMMENT ON COLUMN analytics.concurrency_hourly.account_id IS 'The Kaltura account (partner id).';
COMMENT ON COLUMN analytics.concurrency_hourly.hour_at IS
'Start of the hour: a whole one in the time zone that the account''s days are cut in '
'(kaltura.calendars), in UTC where none is recorded.';
COMMENT ON COLUMN analytics.concurrency_hourly.session_count IS
'Main sessions that were open at some time in the hour.';
COMMENT ON COLUMN analytics.concurrency_hourly.peak_session_count IS
'The most main sessions that were open at the same moment of the hour. A session without a known '
'end counts for as long as its longest attendee stayed.';
COMMENT ON COLUMN analytics.concurrency_hourly.session_minutes IS
'How long these sessions were open in the hour, in minutes: divided by 60, the mean number open. '
'(The last of a day on which the clock is set by half an hour has 30.)';
COMMENT ON COLUMN analytics.concurrency_hourly.people_at_most_count IS
'At most so many people were in a session in the hour: everybody listed for a session that was '
'open in it, or Kaltura''s estimate where that is larger. Those whom Kaltura could not name share '
'a row and count as one, so that with several of them there may have been more. NULL where '
'attendees of one of the sessions are not loaded.';
COMMENT ON COLUMN analytics.concurrency_hourly.peak_people_at_most_count IS
'At most so many people were in sessions at the same moment of the hour: everybody of the '
'sessions that were open then. NULL as for people_at_most_count.';
