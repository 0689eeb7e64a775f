-- Which report was loaded whole on which day, and when it was last pulled: what is not loaded is unknown.

CREATE VIEW analytics.loaded_days AS
SELECT
    partner_id AS account_id,
    partition_date AS session_date,
    max(pulled_at) FILTER (WHERE report_id = 6000 AND filters IS NULL) AS session_pulled_at,
    max(pulled_at) FILTER (WHERE report_id = 6001 AND filters IS NULL) AS attendance_pulled_at,
    max(pulled_at) FILTER (WHERE report_id = 6002 AND filters IS NULL) AS breakout_pulled_at
FROM kaltura.loads
GROUP BY partner_id, partition_date;

COMMENT ON VIEW analytics.loaded_days IS
'One row for each account and day of which anything was loaded (account_id, session_date): when '
'each report was last pulled whole. A pull restricted to some ids does not make a day loaded.';
COMMENT ON COLUMN analytics.loaded_days.account_id IS 'The Kaltura account (partner id).';
COMMENT ON COLUMN analytics.loaded_days.session_date IS
'The local day on which the sessions started.';
COMMENT ON COLUMN analytics.loaded_days.session_pulled_at IS
'When the last whole pull of sessions (report 6000) began; NULL where there was none.';
COMMENT ON COLUMN analytics.loaded_days.attendance_pulled_at IS
'When the last whole pull of attendees (report 6001) began; NULL where there was none.';
COMMENT ON COLUMN analytics.loaded_days.breakout_pulled_at IS
'When the last whole pull of breakouts (report 6002) began; NULL where there was none.';
