-- Days of which the newest load of every report brought no row: they were believed to have had nothing.
SELECT partition_date
FROM (
    SELECT DISTINCT ON (partition_date, report_id)
        partition_date,
        rows_received
    FROM kaltura.loads
    WHERE
        partner_id = %(partner_id)s
        AND is_whole
    ORDER BY partition_date ASC, report_id ASC, pull DESC, id DESC
) AS newest
GROUP BY partition_date
HAVING max(rows_received) = 0
ORDER BY partition_date
