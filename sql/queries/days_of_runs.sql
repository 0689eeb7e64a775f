-- The account's days of which these runs together have loaded all these reports, with the last of the runs that did. All
-- of the runs have the same root, by which there is an index.
SELECT
    partition_date,
    (array_agg(run_id ORDER BY id DESC))[1] AS run_id
FROM kaltura.loads
WHERE
    root_run_id = %(root_run_id)s
    AND run_id = any(%(run_ids)s)
    AND partner_id = %(partner_id)s
    AND report_id = any(%(report_ids)s)
    AND NOT coalesce(filters ? 'started', FALSE)
GROUP BY partition_date
HAVING count(DISTINCT report_id) = cardinality(%(report_ids)s);
