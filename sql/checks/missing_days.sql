-- Days that are not loaded whole: of a report at least there was no pull, or none but pulls restricted to other ids than those
-- that the installation keeps to.
-- The days are those from the account's first load, or the first day that Dagster has marked where that is earlier, and
-- never from before START_DATE: before them nothing is missing.
WITH loaded AS (
    SELECT
        partition_date,
        array_agg(DISTINCT report_id ORDER BY report_id) AS loaded_reports
    FROM kaltura.loads
    WHERE
        partner_id = %(partner_id)s
        AND partition_date BETWEEN %(first)s AND %(last)s
        AND is_whole
    GROUP BY partition_date
),

days AS (
    SELECT
        generate_series(%(first)s::timestamp, %(last)s::timestamp, interval '1 day')::date
            AS partition_date
)

SELECT
    days.partition_date,
    loaded.loaded_reports,
    %(catch_up_days)s = 0 AS is_error
FROM days
LEFT JOIN loaded ON days.partition_date = loaded.partition_date
WHERE coalesce(cardinality(loaded.loaded_reports), 0) < %(reports)s
ORDER BY days.partition_date
