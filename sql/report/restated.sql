-- What later pulls changed in the figures of the week and the twelve before it, of main sessions: who is in a breakout is in
-- its main session as well. A session that was running when first pulled is completed, not corrected. Weeks without a
-- change have no row.
SELECT
    session_date - (extract(ISODOW FROM session_date)::integer - 1) AS week_date,
    count(DISTINCT row(room_id, session_id)) AS session_count,
    count(DISTINCT row(room_id, session_id)) FILTER (WHERE is_completion)
        AS completed_session_count,
    sum(added_attendance_count)::bigint AS added_attendance_count,
    sum(changed_attendance_count)::bigint AS changed_attendance_count,
    sum(removed_attendance_count)::bigint AS removed_attendance_count,
    sum(changed_minutes) AS changed_minutes,
    max(pulled_at) AS newest_pull_at
FROM analytics.restated_sessions
WHERE
    account_id = %(account_id)s
    AND NOT is_breakout
    AND session_date BETWEEN %(week_date)s::date - 84 AND %(week_date)s::date + 6
GROUP BY session_date - (extract(ISODOW FROM session_date)::integer - 1)
ORDER BY week_date
