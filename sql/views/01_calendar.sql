-- Every day from the first to the last that was loaded, also those of which nothing is known.

CREATE VIEW analytics.calendar AS
WITH accounts AS (
    SELECT
        partner_id,
        min(partition_date) AS first_date,
        max(partition_date) AS last_date
    FROM kaltura.loads
    GROUP BY partner_id
),

account_days AS (
    SELECT
        accounts.partner_id AS account_id,
        days.day_at::date AS session_date
    FROM accounts
    CROSS JOIN LATERAL generate_series(
        accounts.first_date::timestamp, accounts.last_date::timestamp, interval '1 day'
    ) AS days (day_at)
)

SELECT
    account_days.account_id,
    account_days.session_date,
    loaded_days.session_pulled_at IS NOT NULL AS is_session_loaded,
    loaded_days.attendance_pulled_at IS NOT NULL AS is_attendance_loaded,
    loaded_days.breakout_pulled_at IS NOT NULL AS is_breakout_loaded,
    -- At noon UTC of the next day, the day is over in every time zone.
    (
        loaded_days.session_pulled_at
        >= account_days.session_date::timestamp AT TIME ZONE 'UTC' + interval '36 hours'
        AND loaded_days.attendance_pulled_at
        >= account_days.session_date::timestamp AT TIME ZONE 'UTC' + interval '36 hours'
    ) IS NOT TRUE AS is_provisional
FROM account_days
LEFT JOIN analytics.loaded_days
    ON
        account_days.account_id = loaded_days.account_id
        AND account_days.session_date = loaded_days.session_date;

COMMENT ON VIEW analytics.calendar IS
'One row for each account and day from the first to the last that was loaded (account_id, '
'session_date): whether each report of the day is loaded. A day without rows in another view was '
'empty only where it is loaded here.';
COMMENT ON COLUMN analytics.calendar.account_id IS 'The Kaltura account (partner id).';
COMMENT ON COLUMN analytics.calendar.session_date IS 'The local day.';
COMMENT ON COLUMN analytics.calendar.is_session_loaded IS
'Whether sessions (report 6000) were loaded whole. A pull restricted to some ids does not count.';
COMMENT ON COLUMN analytics.calendar.is_attendance_loaded IS
'Whether attendees (report 6001) were loaded whole.';
COMMENT ON COLUMN analytics.calendar.is_breakout_loaded IS
'Whether breakouts (report 6002) were loaded whole.';
COMMENT ON COLUMN analytics.calendar.is_provisional IS
'Whether sessions or attendees are not loaded, or were last pulled before noon UTC of the next '
'day, when the day is over everywhere.';
