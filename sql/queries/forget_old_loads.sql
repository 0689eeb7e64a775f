-- Takes out an account's records of old pulls that brought nothing new. Each day and report keeps its first whole load, the newest by
-- every order that is asked for, those that wrote a row, and those that lines of kaltura.rejects came with. A day with
-- loads that were restricted to other ids than others keeps all: of which load a row is known there is told by the row alone.
WITH ranked AS (
    SELECT
        id,
        partner_id,
        report_id,
        partition_date,
        loaded_at,
        inserted + updated + removed AS rows_written,
        row_number() OVER (day_of_report ORDER BY loaded_at, id) AS nth_load,
        row_number() OVER (day_of_report ORDER BY pull DESC, id DESC) AS nth_newest_pull,
        row_number() OVER (day_of_report ORDER BY id DESC) AS nth_newest_load,
        row_number() OVER (day_of_report ORDER BY pulled_at DESC, id DESC) AS nth_newest_time,
        row_number() OVER (day_of_report ORDER BY content IS NULL, id DESC) AS nth_newest_content,
        min(coalesce((filters - 'user_ids')::text, '')) OVER day_of_report
        <> max(coalesce((filters - 'user_ids')::text, '')) OVER day_of_report AS has_partial_loads
    FROM kaltura.loads
    WHERE partner_id = %(partner_id)s
    WINDOW day_of_report AS (PARTITION BY partner_id, report_id, partition_date)
)

DELETE FROM kaltura.loads AS old USING ranked
WHERE
    old.id = ranked.id
    AND ranked.loaded_at < %(before)s
    AND ranked.rows_written = 0
    AND NOT ranked.has_partial_loads
    AND least(
        ranked.nth_load,
        ranked.nth_newest_pull,
        ranked.nth_newest_load,
        ranked.nth_newest_time,
        ranked.nth_newest_content
    ) > 1
    AND NOT EXISTS (
        SELECT FROM kaltura.rejects AS rejects
        WHERE rejects.load_id = old.id
    )
    AND NOT EXISTS (
        SELECT FROM kaltura.changes AS changes
        WHERE changes.load_id = old.id
    )
