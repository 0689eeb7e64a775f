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
    (
        loaded_days.is_over IS NOT TRUE
        OR coalesce(
            held.is_session_growing
            OR least(loaded_days.attendance_pulled_at, loaded_days.breakout_pulled_at)
            < held.settled_at,
            FALSE
        )
    ) AS is_provisional
FROM account_days
LEFT JOIN analytics.loaded_days
    ON
        account_days.account_id = loaded_days.account_id
        AND account_days.session_date = loaded_days.session_date
-- Until when the last session of the day ran, or is followed where it has no end, as in data_freshness. An aggregate, so
-- that it is known to be one row, and left out where not asked for.
LEFT JOIN LATERAL (
    SELECT
        max(
            coalesce(
                room_sessions.session_end_time, room_sessions.session_start_time + interval '7 days'
            )
        ) AS settled_at,
        bool_or(
            greatest(room_sessions.window_end, loaded_days.session_pulled_at)
            < coalesce(
                room_sessions.session_end_time, room_sessions.session_start_time + interval '7 days'
            )
        ) AS is_session_growing
    FROM kaltura.room_sessions
    WHERE
        room_sessions.partner_id = account_days.account_id
        AND room_sessions.partition_date = account_days.session_date
) AS held ON TRUE;

COMMENT ON VIEW analytics.calendar IS
'One row for each account and day from the first to the last that was loaded (account_id, '
'session_date): whether each report of the day is loaded. A day without rows in another view was '
'empty only where it is loaded here.';
COMMENT ON COLUMN analytics.calendar.account_id IS 'The Kaltura account (partner id).';
COMMENT ON COLUMN analytics.calendar.session_date IS 'The local day.';
COMMENT ON COLUMN analytics.calendar.is_session_loaded IS
'Whether sessions (report 6000) were loaded whole. A pull restricted to other '
'ids than those that the installation keeps to does not count.';
COMMENT ON COLUMN analytics.calendar.is_attendance_loaded IS
'Whether attendees (report 6001) were loaded whole.';
COMMENT ON COLUMN analytics.calendar.is_breakout_loaded IS
'Whether breakouts (report 6002) were loaded whole. Where not, a breakout room that report 6000 '
'does not name as one counts as a main room, until any report does.';
COMMENT ON COLUMN analytics.calendar.is_provisional IS
'Whether the figures of the day may still grow: sessions or attendees are not loaded, a report was '
'last pulled before noon UTC of the next day, when the day is over everywhere, or one of its '
'sessions is not yet known to its end. Those that are loaded are provisional_dates in '
'data_freshness. A day without breakouts is final all the same: is_breakout_loaded.';
