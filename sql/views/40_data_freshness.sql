-- Whether the data can be relied on: how new they are, which days are missing and which may still
-- change.

CREATE VIEW analytics.data_freshness AS
WITH day_loads AS (
    SELECT
        partner_id,
        report_id,
        partition_date,
        -- A pull restricted to some ids does not make a day complete.
        max(pulled_at) FILTER (WHERE filters IS NULL) AS pulled_at,
        max(loaded_at) AS loaded_at
    FROM kaltura.loads
    GROUP BY partner_id, report_id, partition_date
),

account_days AS (
    SELECT
        accounts.partner_id,
        days.loaded_day::date AS partition_date
    FROM (
        SELECT
            partner_id,
            min(partition_date) AS first_date,
            max(partition_date) AS last_date
        FROM day_loads
        GROUP BY partner_id
    ) AS accounts
    CROSS JOIN LATERAL generate_series(
        accounts.first_date::timestamp, accounts.last_date::timestamp, interval '1 day'
    ) AS days (loaded_day)
),

reports (report_id, report_name) AS (
    VALUES (6000, 'sessions'), (6001, 'attendance'), (6002, 'breakouts')
),

days_with_provisional_sessions AS (
    SELECT DISTINCT
        account_id AS partner_id,
        session_date AS partition_date
    FROM analytics.sessions
    WHERE is_provisional
),

days AS (
    SELECT
        account_days.partner_id,
        reports.report_id,
        reports.report_name,
        account_days.partition_date,
        day_loads.loaded_at,
        day_loads.pulled_at IS NULL AS is_missing,
        -- At noon UTC of the next day, the day is over in every time zone.
        (
            day_loads.pulled_at
            < account_days.partition_date::timestamp AT TIME ZONE 'UTC' + interval '36 hours'
            OR (
                day_loads.pulled_at IS NOT NULL
                AND days_with_provisional_sessions.partition_date IS NOT NULL
            )
        ) AS is_provisional
    FROM account_days
    CROSS JOIN reports
    LEFT JOIN day_loads
        ON
            account_days.partner_id = day_loads.partner_id
            AND account_days.partition_date = day_loads.partition_date
            AND reports.report_id = day_loads.report_id
    LEFT JOIN days_with_provisional_sessions
        ON
            account_days.partner_id = days_with_provisional_sessions.partner_id
            AND account_days.partition_date = days_with_provisional_sessions.partition_date
),

newest_events AS (
    SELECT
        partner_id,
        6000 AS report_id,
        max(session_start_time) AS newest_event_at
    FROM kaltura.room_sessions
    GROUP BY partner_id
    UNION ALL
    -- Report 6001 has no times: those of the sessions that have attendees stand in.
    SELECT
        room_sessions.partner_id,
        6001 AS report_id,
        max(room_sessions.session_start_time) AS newest_event_at
    FROM kaltura.room_sessions
    WHERE
        EXISTS (
            SELECT
            FROM kaltura.attendees
            WHERE
                attendees.partner_id = room_sessions.partner_id
                AND attendees.entry_id = room_sessions.entry_id
                AND attendees.cue_point_id = room_sessions.cue_point_id
        )
    GROUP BY room_sessions.partner_id
    UNION ALL
    SELECT
        partner_id,
        6002 AS report_id,
        max(session_start_time) AS newest_event_at
    FROM kaltura.breakout_sessions
    GROUP BY partner_id
)

SELECT
    days.partner_id AS account_id,
    days.report_id,
    days.report_name,
    newest_events.newest_event_at,
    max(days.loaded_at) AS newest_load_at,
    min(days.partition_date) AS first_date,
    max(days.partition_date) AS last_date,
    count(*) FILTER (WHERE NOT days.is_missing) AS loaded_day_count,
    count(*) FILTER (WHERE days.is_missing) AS missing_day_count,
    array_agg(days.partition_date ORDER BY days.partition_date) FILTER (
        WHERE days.is_missing
    ) AS missing_dates,
    count(*) FILTER (WHERE days.is_provisional) AS provisional_day_count,
    array_agg(days.partition_date ORDER BY days.partition_date) FILTER (
        WHERE days.is_provisional
    ) AS provisional_dates
FROM days
LEFT JOIN newest_events
    ON
        days.partner_id = newest_events.partner_id
        AND days.report_id = newest_events.report_id
GROUP BY days.partner_id, days.report_id, days.report_name, newest_events.newest_event_at;

COMMENT ON VIEW analytics.data_freshness IS
'One row for each account and report: how new its data are, which days are missing and which may '
'still change. The days are those from the account''s first loaded one to its newest.';
COMMENT ON COLUMN analytics.data_freshness.account_id IS 'The Kaltura account (partner id).';
COMMENT ON COLUMN analytics.data_freshness.report_id IS 'Kaltura''s report: 6000, 6001 or 6002.';
COMMENT ON COLUMN analytics.data_freshness.report_name IS
'The view that shows the report: sessions, attendance or breakouts.';
COMMENT ON COLUMN analytics.data_freshness.newest_event_at IS
'Start of the newest session in the report (for attendance: that has attendees); NULL where it '
'has none.';
COMMENT ON COLUMN analytics.data_freshness.newest_load_at IS
'When the report was last loaded, for any day; NULL if never.';
COMMENT ON COLUMN analytics.data_freshness.first_date IS
'The account''s first loaded day, of any report.';
COMMENT ON COLUMN analytics.data_freshness.last_date IS
'The account''s newest loaded day, of any report. Days after it are not counted as missing.';
COMMENT ON COLUMN analytics.data_freshness.loaded_day_count IS
'Days from first_date to last_date of which the report was loaded whole.';
COMMENT ON COLUMN analytics.data_freshness.missing_day_count IS
'Days from first_date to last_date of which the report was never loaded whole. A pull restricted '
'to some ids does not count.';
COMMENT ON COLUMN analytics.data_freshness.missing_dates IS
'Those days; NULL where there are none.';
COMMENT ON COLUMN analytics.data_freshness.provisional_day_count IS
'Loaded days whose figures may still change: pulled before noon UTC of the next day, or with a '
'session that is not yet known to its end.';
COMMENT ON COLUMN analytics.data_freshness.provisional_dates IS
'Those days; NULL where there are none.';
