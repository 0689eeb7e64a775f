-- How many main sessions were open in each hour of the week, on average over the hour: local days
-- from Monday, 0, to Sunday, 6. Hours are whole ones in the account's time zone; those of days that are not loaded have no row.
SELECT
    (hour_at AT TIME ZONE %(timezone)s)::date - %(week_date)s::date AS weekday,
    extract(HOUR FROM hour_at AT TIME ZONE %(timezone)s)::integer AS hour,
    -- Where the clock is set back, an hour of the day comes twice.
    sum(session_minutes) / 60 / count(*) AS open_session_count
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
ORDER BY weekday, hour
