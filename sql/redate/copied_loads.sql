-- The parts of loads that lie on another day than the largest: who pulled and when, without figures, which count once. But
-- people whom the pull did not name any more may be of any part, and each of its days is told so.
INSERT INTO kaltura.loads (
    id, partner_id, report_id, partition_date, window_start, window_end, filters, is_whole, pull,
    pulled_at, loaded_at, clock_ahead_seconds, requests, rows_received, rows_merged, rows_rejected,
    rows_repaired, rows_other_days, rows_superseded, inserted, updated, unchanged, removed,
    people_kept, kaltura_session, unknown_columns, redated_from
)
SELECT
    parts.id,
    loads.partner_id,
    loads.report_id,
    loads.partition_date,
    loads.window_start,
    loads.window_end,
    loads.filters,
    loads.is_whole,
    loads.pull,
    loads.pulled_at,
    loads.loaded_at,
    loads.clock_ahead_seconds,
    0 AS requests,
    0 AS rows_received,
    0 AS rows_merged,
    0 AS rows_rejected,
    0 AS rows_repaired,
    0 AS rows_other_days,
    0 AS rows_superseded,
    0 AS inserted,
    0 AS updated,
    0 AS unchanged,
    0 AS removed,
    loads.people_kept,
    loads.kaltura_session,
    loads.unknown_columns,
    %(timezone)s AS redated_from
FROM kaltura.loads
INNER JOIN pg_temp.redate_parts AS parts ON loads.id = parts.load_id
WHERE parts.id <> parts.load_id
