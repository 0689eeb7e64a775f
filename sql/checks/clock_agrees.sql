-- Days that were pulled by a machine whose clock and Kaltura's were more than a minute apart. What was loaded stands, as
-- it goes by Kaltura's clock; a difference of more than ten minutes stops a run before it loads anything.
WITH newest AS (
    SELECT DISTINCT ON (partition_date)
        partition_date,
        clock_ahead_seconds,
        run_id
    FROM kaltura.loads
    WHERE
        partner_id = %(partner_id)s
        AND report_id = %(report_id)s
        AND partition_date BETWEEN %(first)s AND %(last)s
    ORDER BY partition_date ASC, pull DESC, id DESC
)

SELECT
    partition_date,
    round(clock_ahead_seconds::numeric) AS clock_ahead_seconds,
    run_id
FROM newest
WHERE abs(clock_ahead_seconds) > 60
ORDER BY partition_date
