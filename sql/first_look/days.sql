-- What a run did, a row for each day and report.
SELECT
    partner_id,
    partition_date,
    report_id,
    inserted,
    updated,
    unchanged,
    rows_superseded,
    removed,
    people_kept,
    rows_received,
    rows_other_days,
    rows_rejected,
    rows_repaired
FROM kaltura.loads
WHERE run_id = %(run_id)s
ORDER BY partition_date, report_id
