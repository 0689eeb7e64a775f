-- That parts of loads tell of all of a day: its rows are there, and were already.
INSERT INTO kaltura.loads (
    partner_id, report_id, partition_date, filters, is_whole, window_start, window_end, pull,
    pulled_at, loaded_at, requests, rows_received, rows_merged, rows_rejected, rows_repaired,
    rows_other_days, inserted, updated, unchanged, removed, people_kept, redated_from
) VALUES (
    %(partner_id)s, %(report_id)s, %(day)s, %(filters)s, %(filters)s::jsonb IS NULL,
    %(window_start)s, %(window_end)s, %(pull)s, %(pulled_at)s, %(loaded_at)s, 0,
    %(rows)s::integer + %(rejected)s::integer, 0, %(rejected)s,
    %(repaired)s, 0, 0, 0, %(rows)s, 0, %(people_kept)s, %(timezone)s
)
