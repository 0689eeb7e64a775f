-- Days of which anything was loaded, and whether a report of the day was last pulled before it was over everywhere.
-- Which of them are not loaded whole is told by sql/checks/missing_days.sql; analytics.calendar also calls those
-- provisional of which a session is not yet known to its end.
SELECT
    partition_date,
    min(pulled_at)
    < partition_date::timestamp AT TIME ZONE 'UTC' + interval '36 hours' AS is_provisional
FROM (
    SELECT
        partition_date,
        report_id,
        max(pulled_at) FILTER (WHERE is_whole) AS pulled_at
    FROM kaltura.loads
    WHERE partner_id = %(partner_id)s AND NOT coalesce(filters ? 'started', FALSE)
    GROUP BY partition_date, report_id
) AS newest
GROUP BY partition_date
ORDER BY partition_date
