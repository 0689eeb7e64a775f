-- Columns that Kaltura sent and this version does not know. Their values are kept in `extra`.
WITH extras AS (
    SELECT
        partition_date,
        extra
    FROM kaltura.room_sessions
    WHERE
        %(report_id)s = 6000
        AND partner_id = %(partner_id)s
        AND partition_date BETWEEN %(first)s AND %(last)s
        AND extra IS NOT NULL
    UNION ALL
    SELECT
        partition_date,
        extra
    FROM kaltura.attendees
    WHERE
        %(report_id)s = 6001
        AND partner_id = %(partner_id)s
        AND partition_date BETWEEN %(first)s AND %(last)s
        AND extra IS NOT NULL
    UNION ALL
    SELECT
        partition_date,
        extra
    FROM kaltura.breakout_sessions
    WHERE
        %(report_id)s = 6002
        AND partner_id = %(partner_id)s
        AND partition_date BETWEEN %(first)s AND %(last)s
        AND extra IS NOT NULL
)

SELECT
    extras.partition_date,
    names.column_name,
    count(*) AS row_count
FROM extras
CROSS JOIN LATERAL jsonb_object_keys(extras.extra) AS names (column_name)
GROUP BY extras.partition_date, names.column_name
ORDER BY extras.partition_date, names.column_name
