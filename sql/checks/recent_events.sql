-- Days go on being loaded, and nothing happens on them: how many loaded days of a term in a row, up to the run's last
-- one, are without any row. More than 3 is longer than a long weekend, more than 7 is an error unless it is a vacation. What
-- it finds is of the first silent day, so that it stays one finding for as long as the silence lasts.
WITH newest AS (
    SELECT DISTINCT ON (partition_date)
        partition_date,
        inserted + updated + unchanged + rows_superseded AS row_count
    FROM kaltura.loads
    WHERE
        partner_id = %(partner_id)s
        AND report_id = %(report_id)s
        AND filters IS NULL
        AND partition_date BETWEEN %(last)s::date - 366 AND %(last)s
    ORDER BY partition_date ASC, pull DESC, id DESC
),

events AS (
    SELECT
        partition_date,
        max(partition_date) FILTER (WHERE row_count > 0) OVER () AS newest_event_day
    FROM newest
)

SELECT
    min(partition_date) AS partition_date,
    newest_event_day,
    count(*) AS loaded_days_since,
    count(*) > 7 AS is_error
FROM events
WHERE
    (newest_event_day IS NULL OR partition_date > newest_event_day)
    AND %(terms)s::datemultirange @> partition_date
GROUP BY newest_event_day
HAVING count(*) > 3 AND %(terms)s::datemultirange @> %(last)s::date
