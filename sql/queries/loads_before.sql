-- What a load of one report and day goes by: the number that it gets itself, its transaction, a later pull of the whole
-- day, or of the same ids (kept_to), that is in already, loads that were restricted to some people, and what the last load that knew the table left.
WITH of_day AS (
    SELECT
        id,
        pull,
        filters,
        content,
        row_versions
    FROM kaltura.loads
    WHERE
        partner_id = %(partner_id)s
        AND report_id = %(report_id)s
        AND partition_date = %(day)s
),

left_there AS (
    SELECT
        content,
        row_versions
    FROM of_day
    WHERE content IS NOT NULL
    ORDER BY id DESC
    LIMIT 1
)

SELECT
    nextval(pg_get_serial_sequence('kaltura.loads', 'id')) AS load_id,
    pg_current_xact_id()::xid::text::bigint AS transaction_id,
    (
        SELECT max(pull)
        FROM of_day
        WHERE
            pull > %(pull)s
            AND (filters IS NULL OR filters - %(people_filter)s = %(kept_to)s::jsonb)
    ) AS newer_pull,
    (
        SELECT coalesce(array_agg(id), '{}')
        FROM of_day
        WHERE filters -> %(people_filter)s IS NOT NULL
    ) AS partial_loads,
    (SELECT content FROM left_there) AS content,
    (SELECT row_versions FROM left_there) AS row_versions
