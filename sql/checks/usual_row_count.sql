-- Days with less than half or more than twice the rows that the same weekday had at the median of the 8 weeks before
-- it. Rows are those that the report held when last pulled. A gap of 20 rows or fewer is no finding, nor is a day
-- with fewer than 3 such weekdays before it, or one without any row: no_rows_in_term judges that. Nor is a
-- pull of other ids than the installation keeps to.
WITH newest AS (
    SELECT DISTINCT ON (partition_date)
        partition_date,
        filters - 'user_ids' AS kept_to,
        inserted + updated + unchanged + rows_superseded AS row_count
    FROM kaltura.loads
    WHERE
        partner_id = %(partner_id)s
        AND report_id = %(report_id)s
        AND is_whole
        AND partition_date BETWEEN %(first)s::date - 56 AND %(last)s
    ORDER BY partition_date ASC, pull DESC, id DESC
),

compared AS (
    SELECT
        days.partition_date,
        days.row_count,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY earlier.row_count) AS median_row_count,
        count(*) AS weekdays_before
    FROM newest AS days
    INNER JOIN newest AS earlier
        ON
            extract(ISODOW FROM days.partition_date) = extract(ISODOW FROM earlier.partition_date)
            AND days.partition_date > earlier.partition_date
            AND days.partition_date <= earlier.partition_date + 56
            AND days.kept_to IS NOT DISTINCT FROM earlier.kept_to
    WHERE days.partition_date BETWEEN %(first)s AND %(last)s
    GROUP BY days.partition_date, days.row_count
)

SELECT
    partition_date,
    row_count,
    median_row_count,
    weekdays_before
FROM compared
WHERE
    weekdays_before >= 3
    AND row_count > 0
    AND abs(row_count - median_row_count) > 20
    AND row_count NOT BETWEEN median_row_count / 2 AND median_row_count * 2
ORDER BY partition_date
