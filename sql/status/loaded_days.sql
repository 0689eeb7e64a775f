-- Days of which anything was loaded; whether their figures may still grow, as in analytics.calendar: a report was last pulled
-- before the day was over everywhere, or before one of its sessions was known to its end; and whether all such sessions may
-- still run, so that no pull makes it better yet. Which days are not loaded whole is told by sql/checks/missing_days.sql.
WITH pulled AS (
    SELECT
        partition_date,
        max(pulled_at) FILTER (WHERE report_id = 6000 AND is_whole) AS session_pulled_at,
        max(pulled_at) FILTER (WHERE report_id = 6001 AND is_whole) AS attendance_pulled_at,
        max(pulled_at) FILTER (WHERE report_id = 6002 AND is_whole) AS breakout_pulled_at
    FROM kaltura.loads
    WHERE partner_id = %(partner_id)s AND NOT coalesce(filters ? 'started', FALSE)
    GROUP BY partition_date
),

sessions AS (
    SELECT
        partition_date,
        window_end,
        coalesce(session_end_time, session_start_time + interval '7 days') AS settled_at
    FROM kaltura.room_sessions
    WHERE partner_id = %(partner_id)s
),

growing AS (
    SELECT
        pulled.partition_date,
        min(sessions.settled_at) AS first_settled_at
    FROM pulled
    INNER JOIN sessions ON pulled.partition_date = sessions.partition_date
    WHERE
        greatest(sessions.window_end, pulled.session_pulled_at) < sessions.settled_at
        OR least(pulled.attendance_pulled_at, pulled.breakout_pulled_at) < sessions.settled_at
    GROUP BY pulled.partition_date
),

days AS (
    SELECT
        pulled.partition_date,
        growing.first_settled_at,
        coalesce(
            least(
                pulled.session_pulled_at, pulled.attendance_pulled_at, pulled.breakout_pulled_at
            ) < pulled.partition_date::timestamp AT TIME ZONE 'UTC' + interval '36 hours',
            FALSE
        ) AS is_early
    FROM pulled
    LEFT JOIN growing ON pulled.partition_date = growing.partition_date
)

SELECT
    partition_date,
    is_early OR first_settled_at IS NOT NULL AS is_provisional,
    coalesce(first_settled_at > now(), FALSE) AND NOT is_early AS may_still_run
FROM days
ORDER BY partition_date
