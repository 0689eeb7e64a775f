-- Days of which over 0.5 percent of the rows, and at least 5, could not be used, by their reasons.
WITH newest AS (
    SELECT DISTINCT ON (partition_date)
        partition_date,
        rows_rejected,
        rows_received - rows_other_days AS row_count
    FROM kaltura.loads
    WHERE
        partner_id = %(partner_id)s
        AND report_id = %(report_id)s
        AND partition_date BETWEEN %(first)s AND %(last)s
    ORDER BY partition_date ASC, pulled_at DESC, id DESC
)

SELECT
    newest.partition_date,
    newest.row_count,
    newest.rows_rejected,
    rejects.reason,
    count(rejects.reason) AS rows_of_reason
FROM newest
LEFT JOIN kaltura.rejects AS rejects
    ON
        newest.partition_date = rejects.partition_date
        AND rejects.partner_id = %(partner_id)s
        AND rejects.report_id = %(report_id)s
WHERE newest.rows_rejected >= 5 AND newest.rows_rejected > 0.005 * newest.row_count
GROUP BY newest.partition_date, newest.row_count, newest.rows_rejected, rejects.reason
ORDER BY newest.partition_date ASC, rows_of_reason DESC
