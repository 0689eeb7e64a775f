-- Days with rows that could not be used, or not wholly, by reason, where they are over 0.5 percent of all rows of the days
-- that were asked for together. Not of a day alone: a row that tells no day counts to the first of them. Its line may have
-- come with earlier days already, and stands in rejects by those: it is found by the window that it is known to come in. A pull of
-- other ids than the installation keeps to changes no verdict.
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
        AND is_whole
        AND partition_date BETWEEN %(first)s AND %(last)s
    ORDER BY partition_date ASC, pull DESC, id DESC
),

judged AS (
    SELECT
        partition_date,
        window_start,
        window_end,
        min(partition_date) OVER together AS first_together,
        sum(rows_rejected) OVER together AS rejected_together,
        sum(row_count) OVER together AS rows_together
    FROM newest
    WINDOW together AS (PARTITION BY window_start, window_end)
),

too_many AS (
    SELECT
        partition_date,
        window_start,
        window_end,
        first_together,
        rejected_together,
        rows_together
    FROM judged
    WHERE rejected_together > 0.005 * rows_together
),

lines AS (
    SELECT
        too_many.partition_date,
        too_many.first_together,
        rejects.reason
    FROM too_many
    INNER JOIN kaltura.rejects AS rejects
        ON
            too_many.partition_date = rejects.partition_date
            AND rejects.window_start IS NULL
            AND rejects.partner_id = %(partner_id)s
            AND rejects.report_id = %(report_id)s
    UNION ALL
    SELECT
        too_many.partition_date,
        too_many.first_together,
        rejects.reason
    FROM too_many
    INNER JOIN kaltura.rejects AS rejects
        ON
            too_many.window_end > rejects.window_start
            AND too_many.window_start < rejects.window_end
            AND rejects.partner_id = %(partner_id)s
            AND rejects.report_id = %(report_id)s
    WHERE too_many.partition_date = too_many.first_together
),

told AS (
    SELECT
        partition_date,
        first_together,
        reason,
        count(*) AS rows_of_reason
    FROM lines
    GROUP BY partition_date, first_together, reason
    UNION ALL
    SELECT
        partition_date,
        first_together,
        'their lines are not in kaltura.rejects any more' AS reason,
        rejected_together AS rows_of_reason
    FROM too_many
    WHERE
        partition_date = first_together
        AND first_together NOT IN (SELECT lines.first_together FROM lines)
)

SELECT
    too_many.partition_date,
    told.reason,
    told.rows_of_reason,
    too_many.rejected_together,
    too_many.rows_together
FROM told
INNER JOIN too_many ON told.partition_date = too_many.partition_date
ORDER BY too_many.partition_date ASC, told.rows_of_reason DESC
