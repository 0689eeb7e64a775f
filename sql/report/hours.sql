-- How many main sessions were open in each hour of the week, on average over the hour: local days
-- from Monday, 0, to Sunday, 6. Hours are whole ones in the account's time zone; those of days that are not loaded have no row.
WITH weekdays AS (
    SELECT
        (%(week_date)s::date + days.weekday)::timestamp AT TIME ZONE %(timezone)s AS begins_at,
        (%(week_date)s::date + days.weekday + 1)::timestamp AT TIME ZONE %(timezone)s AS ends_at
    FROM generate_series(0, 6) AS days (weekday)
),

-- How long each was, whatever was open in it. Where the clock is set back, an hour of the day comes twice; where it is set
-- by half an hour, the day's last is cut. Each is of the day that the clock shows: where it is set back over midnight, a day's
-- first hour is before the moment that its midnight stands for.
lengths AS (
    SELECT
        (hours.hour_at AT TIME ZONE %(timezone)s)::date - %(week_date)s::date AS weekday,
        extract(HOUR FROM hours.hour_at AT TIME ZONE %(timezone)s)::integer AS hour,
        sum(
            extract(
                EPOCH FROM
                least(hours.hour_at + interval '1 hour', weekdays.ends_at) - hours.hour_at
            )
        )::double precision / 60 AS minutes
    FROM weekdays
    CROSS JOIN
        LATERAL generate_series(
            weekdays.begins_at, weekdays.ends_at - interval '1 microsecond', interval '1 hour'
        ) AS hours (hour_at)
    GROUP BY
        (hours.hour_at AT TIME ZONE %(timezone)s)::date - %(week_date)s::date,
        extract(HOUR FROM hours.hour_at AT TIME ZONE %(timezone)s)::integer
),

open_minutes AS (
    SELECT
        (hour_at AT TIME ZONE %(timezone)s)::date - %(week_date)s::date AS weekday,
        extract(HOUR FROM hour_at AT TIME ZONE %(timezone)s)::integer AS hour,
        sum(session_minutes) AS minutes
    FROM analytics.concurrency_hourly
    WHERE
        account_id = %(account_id)s
        AND hour_at >= %(week_date)s::date::timestamp AT TIME ZONE %(timezone)s
        AND hour_at < (%(week_date)s::date + 7)::timestamp AT TIME ZONE %(timezone)s
        -- In a coalesce, so that days are looked up in a hash: as a condition of its own it is a join.
        AND coalesce(
            (hour_at AT TIME ZONE %(timezone)s)::date IN (
                SELECT loaded_days.session_date
                FROM analytics.loaded_days
                WHERE
                    loaded_days.account_id = %(account_id)s
                    AND loaded_days.session_pulled_at IS NOT NULL
            ),
            FALSE
        )
    GROUP BY
        (hour_at AT TIME ZONE %(timezone)s)::date - %(week_date)s::date,
        extract(HOUR FROM hour_at AT TIME ZONE %(timezone)s)::integer
)

SELECT
    open_minutes.weekday,
    open_minutes.hour,
    open_minutes.minutes / lengths.minutes AS open_session_count
FROM open_minutes
INNER JOIN lengths ON open_minutes.weekday = lengths.weekday AND open_minutes.hour = lengths.hour
ORDER BY open_minutes.weekday, open_minutes.hour
