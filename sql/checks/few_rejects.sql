-- Days with rows that could not be used, or not wholly, by reason, where they are over 0.5 percent of all rows of the days
-- that were asked for together. Not of a day alone: a row that tells no day counts to the first of them.
WITH newest AS (
    SELECT DISTINCT ON (partition_date)
        partition_date,
        window_start,
        window_end,
        rows_rejected + rows_repaired AS rows_rejected,
        rows_received - rows_other_days AS row_count
    FROM kaltura.loads
    WHERE
        partner_id = %(partner_id)s
        AND report_id = %(report_id)s
        AND partition_date BETWEEN %(first)s AND %(last)s
    ORDER BY partition_date ASC, pull DESC, id DESC
),

judged AS (
    SELECT
        partition_date,
        sum(rows_rejected) OVER together AS rejected_together,
        sum(row_count) OVER together AS rows_together
    FROM newest
    WINDOW together AS (PARTITION BY window_start, window_end)
)

SELECT
    judged.partition_date,
    rejects.reason,
    count(*) AS rows_of_reason,
    judged.rejected_together,
    judged.rows_together
FROM judged
INNER JOIN kaltura.rejects AS rejects
    ON
        judged.partition_date = rejects.partition_date
        AND rejects.partner_id = %(partner_id)s
        AND rejects.report_id = %(report_id)s
WHERE
    judged.rejected_together > 0.005 * judged.rows_together
GROUP BY
    judged.partition_date, rejects.reason, judged.rejected_together, judged.rows_together
ORDER BY judged.partition_date ASC, rows_of_reason DESC
