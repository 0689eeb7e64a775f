-- How much was going on at once, hour by hour. Sessions are counted exactly, from their starts and
-- ends. Of people only an upper bound is known, as no report says when a person joined: everybody
-- of a session counts while it is open.

CREATE VIEW analytics.concurrency_hourly AS
WITH open_sessions AS (
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
        -- Without attendees loaded, not even an upper bound is known.
        CASE
            WHEN sessions.attendance_known_until_at IS NOT NULL
                THEN greatest(sessions.attendance_count, sessions.estimated_people_count)
        END AS people
    FROM analytics.sessions
    LEFT JOIN kaltura.calendars ON sessions.account_id = calendars.partner_id
    WHERE NOT sessions.is_breakout
),

session_hours AS (
    SELECT
        open_sessions.account_id,
        hours.hour_at,
        open_sessions.people,
        greatest(open_sessions.started_at, hours.hour_at) AS opened_at,
        least(open_sessions.open_until_at, hours.hour_at + interval '1 hour') AS closed_at
    FROM open_sessions
    CROSS JOIN LATERAL generate_series(
        date_trunc('hour', open_sessions.started_at, open_sessions.timezone),
        greatest(
            open_sessions.started_at,
            open_sessions.open_until_at - interval '1 microsecond'
        ),
        interval '1 hour'
    ) AS hours (hour_at)
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
'A person is an id: who has two counts twice.';
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
'How long these sessions were open in the hour, in minutes: divided by 60, the mean number open.';
COMMENT ON COLUMN analytics.concurrency_hourly.people_at_most_count IS
'At most so many people were in a session in the hour: everybody listed for a session that was '
'open in it, or Kaltura''s estimate where that is larger. NULL where attendees of one of them '
'are not loaded.';
COMMENT ON COLUMN analytics.concurrency_hourly.peak_people_at_most_count IS
'At most so many people were in sessions at the same moment of the hour: everybody of the '
'sessions that were open then. NULL as for people_at_most_count.';
