-- Days go on being loaded, and nothing happened on them: how many loaded days in a row, up to the run's last one, are
-- without any row. More than 3 is longer than a long weekend, more than 7 is an error unless it is a vacation.
WITH loaded AS (
    SELECT DISTINCT partition_date
    FROM kaltura.loads
    WHERE
        partner_id = %(partner_id)s
        AND report_id = %(report_id)s
        AND partition_date BETWEEN %(last)s::date - 56 AND %(last)s
),

newest AS MATERIALIZED (
    SELECT max(partition_date) AS newest_event_day
    FROM (
        SELECT partition_date
        FROM kaltura.room_sessions
        WHERE
            %(report_id)s = 6000
            AND partner_id = %(partner_id)s
            AND partition_date BETWEEN %(last)s::date - 56 AND %(last)s
        UNION ALL
        SELECT partition_date
        FROM kaltura.attendees
        WHERE
            %(report_id)s = 6001
            AND partner_id = %(partner_id)s
            AND partition_date BETWEEN %(last)s::date - 56 AND %(last)s
    ) AS events
)

SELECT
    max(loaded.partition_date) AS partition_date,
    newest.newest_event_day,
    count(*) AS loaded_days_since,
    count(*) > 7 AS is_error
FROM loaded
CROSS JOIN newest
WHERE newest.newest_event_day IS NULL OR loaded.partition_date > newest.newest_event_day
GROUP BY newest.newest_event_day
HAVING count(*) > 3
