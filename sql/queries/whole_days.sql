-- The account's days that its weekly report counts as loaded: those with sessions and attendees.
SELECT session_date
FROM analytics.loaded_days
WHERE
    account_id = %(partner_id)s
    AND session_date BETWEEN %(first)s AND %(last)s
    AND session_pulled_at IS NOT NULL
    AND attendance_pulled_at IS NOT NULL
