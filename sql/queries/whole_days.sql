-- The account's days of which all three reports are loaded whole, from the first to the last that is asked for.
SELECT session_date
FROM analytics.loaded_days
WHERE
    account_id = %(partner_id)s
    AND session_date BETWEEN %(first)s AND %(last)s
    AND session_pulled_at IS NOT NULL
    AND attendance_pulled_at IS NOT NULL
    AND breakout_pulled_at IS NOT NULL
