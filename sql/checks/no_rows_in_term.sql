-- Days on which the report was empty although the same weekday had rows in at least 3 of the 4 weeks before it.
-- That is what makes a day one in term: nobody has to enter the university's calendar.
-- A pull of other ids than the installation keeps to says nothing of a day.
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
        AND partition_date BETWEEN %(first)s::date - 28 AND %(last)s
    ORDER BY partition_date ASC, pull DESC, id DESC
)

SELECT
    days.partition_date,
    count(*) FILTER (WHERE earlier.row_count > 0) AS weeks_with_rows,
    max(earlier.row_count) AS most_rows
FROM newest AS days
INNER JOIN newest AS earlier
    ON
        extract(ISODOW FROM days.partition_date) = extract(ISODOW FROM earlier.partition_date)
        AND days.partition_date > earlier.partition_date
        AND days.partition_date <= earlier.partition_date + 28
        AND days.kept_to IS NOT DISTINCT FROM earlier.kept_to
WHERE days.partition_date BETWEEN %(first)s AND %(last)s AND days.row_count = 0
GROUP BY days.partition_date
HAVING count(*) FILTER (WHERE earlier.row_count > 0) >= 3
ORDER BY days.partition_date
