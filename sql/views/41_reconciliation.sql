-- Where the three reports disagree with each other, a day at a time. The three are summed up apart
-- and laid side by side, so that a filter on the day reaches each.

CREATE VIEW analytics.reconciliation AS
WITH findings AS (
    SELECT
        account_id,
        session_date,
        1 AS session_count,
        estimated_people_count,
        CASE WHEN estimated_people_count IS NOT NULL THEN attendance_count END AS attendance_count,
        (attendance_count = 0)::integer AS session_without_attendees_count,
        0 AS attendance_without_session_count,
        0 AS breakout_without_main_session_count,
        0 AS breakout_without_own_session_count,
        FALSE AS is_session_loaded,
        FALSE AS is_attendance_loaded,
        FALSE AS is_breakout_loaded
    FROM analytics.sessions
    UNION ALL
    SELECT
        account_id,
        session_date,
        0 AS session_count,
        NULL AS estimated_people_count,
        NULL AS attendance_count,
        0 AS session_without_attendees_count,
        1 AS attendance_without_session_count,
        0 AS breakout_without_main_session_count,
        0 AS breakout_without_own_session_count,
        FALSE AS is_session_loaded,
        FALSE AS is_attendance_loaded,
        FALSE AS is_breakout_loaded
    FROM analytics.attendance
    WHERE NOT is_session_known
    UNION ALL
    SELECT
        account_id,
        session_date,
        0 AS session_count,
        NULL AS estimated_people_count,
        NULL AS attendance_count,
        0 AS session_without_attendees_count,
        0 AS attendance_without_session_count,
        (main_session_id IS NULL)::integer AS breakout_without_main_session_count,
        (session_id IS NULL)::integer AS breakout_without_own_session_count,
        FALSE AS is_session_loaded,
        FALSE AS is_attendance_loaded,
        FALSE AS is_breakout_loaded
    FROM analytics.breakouts
    UNION ALL
    SELECT
        account_id,
        session_date,
        0 AS session_count,
        NULL AS estimated_people_count,
        NULL AS attendance_count,
        0 AS session_without_attendees_count,
        0 AS attendance_without_session_count,
        0 AS breakout_without_main_session_count,
        0 AS breakout_without_own_session_count,
        is_session_loaded,
        is_attendance_loaded,
        is_breakout_loaded
    FROM analytics.calendar
),

days AS (
    SELECT
        account_id,
        session_date,
        bool_or(is_session_loaded) AS has_sessions,
        bool_or(is_session_loaded) AND bool_or(is_attendance_loaded) AS has_attendance,
        bool_or(is_session_loaded) AND bool_or(is_breakout_loaded) AS has_breakouts,
        sum(session_count) AS session_count,
        sum(estimated_people_count) AS estimated_people_count,
        sum(attendance_count)::bigint AS attendance_count,
        sum(session_without_attendees_count) AS session_without_attendees_count,
        sum(attendance_without_session_count) AS attendance_without_session_count,
        sum(breakout_without_main_session_count) AS breakout_without_main_session_count,
        sum(breakout_without_own_session_count) AS breakout_without_own_session_count
    FROM findings
    GROUP BY account_id, session_date
)

SELECT
    account_id,
    session_date,
    CASE WHEN has_sessions THEN session_count END AS session_count,
    CASE WHEN has_sessions THEN estimated_people_count END AS estimated_people_count,
    CASE WHEN has_attendance THEN attendance_count END AS attendance_count,
    CASE
        WHEN has_attendance THEN attendance_count - estimated_people_count
    END AS difference_count,
    CASE
        WHEN has_attendance
            THEN
                (attendance_count - estimated_people_count)::double precision
                / nullif(estimated_people_count, 0)
    END AS difference_ratio,
    CASE
        WHEN has_attendance THEN session_without_attendees_count
    END AS session_without_attendees_count,
    CASE
        WHEN has_attendance THEN attendance_without_session_count
    END AS attendance_without_session_count,
    CASE
        WHEN has_breakouts THEN breakout_without_main_session_count
    END AS breakout_without_main_session_count,
    CASE
        WHEN has_breakouts THEN breakout_without_own_session_count
    END AS breakout_without_own_session_count
FROM days;

COMMENT ON VIEW analytics.reconciliation IS
'One row for each account and day from the first to the last that was loaded '
'(account_id, session_date): how well the three reports agree; NULL where a report that is '
'compared is not loaded. All is well with a small '
'difference_ratio and zeros after it; for the sessions behind a number, look into sessions, '
'attendance and breakouts.';
COMMENT ON COLUMN analytics.reconciliation.account_id IS 'The Kaltura account (partner id).';
COMMENT ON COLUMN analytics.reconciliation.session_date IS
'The local day on which the sessions started.';
COMMENT ON COLUMN analytics.reconciliation.session_count IS
'Sessions that report 6000 lists, breakouts included.';
COMMENT ON COLUMN analytics.reconciliation.estimated_people_count IS
'Report 6000''s estimates of people, summed over sessions; NULL where it gives none.';
COMMENT ON COLUMN analytics.reconciliation.attendance_count IS
'Rows of report 6001 for the sessions that have an estimate; unidentified people are one row '
'together.';
COMMENT ON COLUMN analytics.reconciliation.difference_count IS
'attendance_count less estimated_people_count. An estimate is off by a few percent; many '
'unidentified people make this negative.';
COMMENT ON COLUMN analytics.reconciliation.difference_ratio IS
'difference_count as a share of the estimates: 0 is agreement; NULL where the estimates are 0 or '
'none.';
COMMENT ON COLUMN analytics.reconciliation.session_without_attendees_count IS
'Sessions of report 6000 for which report 6001 lists nobody.';
COMMENT ON COLUMN analytics.reconciliation.attendance_without_session_count IS
'Rows of report 6001 whose session report 6000 does not list in that room.';
COMMENT ON COLUMN analytics.reconciliation.breakout_without_main_session_count IS
'Breakout sessions of report 6002 for which no main session is known.';
COMMENT ON COLUMN analytics.reconciliation.breakout_without_own_session_count IS
'Breakout sessions of report 6002 that report 6000 does not list.';
