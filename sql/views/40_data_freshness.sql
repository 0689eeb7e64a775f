-- Whether the data can be relied on: how new they are, which days are missing and which may still
-- change.

CREATE VIEW analytics.data_freshness AS
WITH reports (report_id, report_name) AS (
    VALUES (6000, 'sessions'), (6001, 'attendance'), (6002, 'breakouts')
),

newest_loads AS (
    SELECT
        partner_id AS account_id,
        report_id,
        max(loaded_at) AS newest_load_at
    FROM kaltura.loads
    GROUP BY partner_id, report_id
),

-- Until when the last session of each day ran, or is followed where it has no end.
session_days AS (
    SELECT
        account_id,
        session_date,
        max(coalesce(ended_at, started_at + interval '7 days')) AS settled_at,
        bool_or(
            session_known_until_at < coalesce(ended_at, started_at + interval '7 days')
        ) AS is_session_growing
    FROM analytics.sessions
    GROUP BY account_id, session_date
),

pulled_days AS (
    SELECT
        calendar.account_id,
        calendar.session_date,
        reports.report_id,
        reports.report_name,
        CASE reports.report_id
            WHEN 6000 THEN loaded_days.session_pulled_at
            WHEN 6001 THEN loaded_days.attendance_pulled_at
            WHEN 6002 THEN loaded_days.breakout_pulled_at
        END AS pulled_at,
        session_days.settled_at,
        session_days.is_session_growing
    FROM analytics.calendar
    CROSS JOIN reports
    LEFT JOIN analytics.loaded_days
        ON
            calendar.account_id = loaded_days.account_id
            AND calendar.session_date = loaded_days.session_date
    LEFT JOIN session_days
        ON
            calendar.account_id = session_days.account_id
            AND calendar.session_date = session_days.session_date
),

days AS (
    SELECT
        account_id,
        session_date,
        report_id,
        report_name,
        pulled_at IS NULL AS is_missing,
        pulled_at IS NOT NULL AND (
            -- At noon UTC of the next day, the day is over in every time zone.
            pulled_at < session_date::timestamp AT TIME ZONE 'UTC' + interval '36 hours'
            OR coalesce(
                CASE report_id WHEN 6000 THEN is_session_growing ELSE pulled_at < settled_at END,
                FALSE
            )
        ) AS is_provisional
    FROM pulled_days
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
    days.account_id,
    days.report_id,
    days.report_name,
    newest_events.newest_event_at,
    newest_loads.newest_load_at,
    min(days.session_date) AS first_date,
    max(days.session_date) AS last_date,
    count(*) FILTER (WHERE NOT days.is_missing) AS loaded_day_count,
    count(*) FILTER (WHERE days.is_missing) AS missing_day_count,
    array_agg(days.session_date ORDER BY days.session_date) FILTER (
        WHERE days.is_missing
    ) AS missing_dates,
    count(*) FILTER (WHERE days.is_provisional) AS provisional_day_count,
    array_agg(days.session_date ORDER BY days.session_date) FILTER (
        WHERE days.is_provisional
    ) AS provisional_dates
FROM days
LEFT JOIN newest_events
    ON
        days.account_id = newest_events.partner_id
        AND days.report_id = newest_events.report_id
LEFT JOIN newest_loads
    ON
        days.account_id = newest_loads.account_id
        AND days.report_id = newest_loads.report_id
GROUP BY
    days.account_id,
    days.report_id,
    days.report_name,
    newest_events.newest_event_at,
    newest_loads.newest_load_at;

COMMENT ON VIEW analytics.data_freshness IS
'One row for each account and report (account_id, report_id): how new its data are, which days '
'are missing and which may still change. The days are those from the account''s first loaded one '
'to its newest.';
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
'to other ids than those that the installation keeps to does not count.';
COMMENT ON COLUMN analytics.data_freshness.missing_dates IS
'Those days; NULL where there are none.';
COMMENT ON COLUMN analytics.data_freshness.provisional_day_count IS
'Loaded days whose figures may still change: pulled before noon UTC of the next day, or with a '
'session that is not yet known to its end.';
COMMENT ON COLUMN analytics.data_freshness.provisional_dates IS
'Those days; NULL where there are none.';
