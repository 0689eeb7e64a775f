-- Which report was loaded whole on which day, and when it was last pulled: what is not loaded is unknown.

CREATE VIEW analytics.loaded_days AS
SELECT
    account_id,
    session_date,
    session_pulled_at,
    attendance_pulled_at,
    breakout_pulled_at,
    -- At noon UTC of the next day, the day is over in every time zone. The report that was pulled first counts.
    coalesce(
        session_pulled_at IS NOT NULL
        AND attendance_pulled_at IS NOT NULL
        AND least(session_pulled_at, attendance_pulled_at, breakout_pulled_at)
        >= session_date::timestamp AT TIME ZONE 'UTC' + interval '36 hours',
        FALSE
    ) AS is_over
FROM (
    SELECT
        partner_id AS account_id,
        partition_date AS session_date,
        max(pulled_at) FILTER (WHERE report_id = 6000 AND is_whole) AS session_pulled_at,
        max(pulled_at) FILTER (WHERE report_id = 6001 AND is_whole) AS attendance_pulled_at,
        max(pulled_at) FILTER (WHERE report_id = 6002 AND is_whole) AS breakout_pulled_at
    FROM kaltura.loads
    GROUP BY partner_id, partition_date
) AS pulled;

COMMENT ON VIEW analytics.loaded_days IS
'One row for each account and day of which anything was loaded (account_id, session_date): when '
'each report was last pulled whole: without a restriction, or restricted to just the ids that the '
'installation keeps to (KALTURA_*_IDS). Of any other pull of some ids no day is loaded.';
COMMENT ON COLUMN analytics.loaded_days.account_id IS 'The Kaltura account (partner id).';
COMMENT ON COLUMN analytics.loaded_days.session_date IS
'The local day on which the sessions started.';
COMMENT ON COLUMN analytics.loaded_days.session_pulled_at IS
'When the last whole pull of sessions (report 6000) began; NULL where there was none.';
COMMENT ON COLUMN analytics.loaded_days.attendance_pulled_at IS
'When the last whole pull of attendees (report 6001) began; NULL where there was none.';
COMMENT ON COLUMN analytics.loaded_days.breakout_pulled_at IS
'When the last whole pull of breakouts (report 6002) began; NULL where there was none.';
COMMENT ON COLUMN analytics.loaded_days.is_over IS
'Whether sessions and attendees were last pulled whole after noon UTC of the next day, when the '
'day is over everywhere, and breakouts too, where they were: no session of the day is to be '
'expected any more. FALSE where either is not loaded.';
