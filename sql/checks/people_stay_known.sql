-- Days on which people whom the table knows came without an id, as nobody, when they were last pulled: their rows stay.
-- A pull that is restricted otherwise than the installation's settings says nothing of whom it leaves out: it changes no verdict.
WITH newest AS (
    SELECT DISTINCT ON (partition_date)
        partition_date,
        people_kept
    FROM kaltura.loads
    WHERE
        partner_id = %(partner_id)s
        AND report_id = %(report_id)s
        AND is_whole
        AND partition_date BETWEEN %(first)s AND %(last)s
    ORDER BY partition_date ASC, pull DESC, id DESC
)

SELECT
    partition_date,
    people_kept AS people_became_unknown
FROM newest
WHERE people_kept > 0
ORDER BY partition_date
