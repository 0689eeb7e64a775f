-- Columns that Kaltura sent and this version does not know, by the newest pull of each day that brought rows of it.
WITH newest AS (
    SELECT DISTINCT ON (partition_date)
        partition_date,
        pulled_at,
        unknown_columns
    FROM kaltura.loads
    WHERE
        report_id = %(report_id)s
        AND partner_id = %(partner_id)s
        AND partition_date BETWEEN %(first)s AND %(last)s
        AND unknown_columns IS NOT NULL
    ORDER BY partition_date ASC, pull DESC, id DESC
)

SELECT
    newest.partition_date,
    names.column_name,
    newest.pulled_at
FROM newest
CROSS JOIN LATERAL unnest(newest.unknown_columns) AS names (column_name)
ORDER BY newest.partition_date, names.column_name
