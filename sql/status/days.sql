-- Days that an account's reports were all loaded of, whole, and whether a day was over everywhere when that was.
SELECT
    partition_date,
    min(pulled_at)
    < partition_date::timestamp AT TIME ZONE 'UTC' + interval '36 hours' AS is_provisional
FROM (
    SELECT
        partition_date,
        report_id,
        max(pulled_at) AS pulled_at
    FROM kaltura.loads
    WHERE partner_id = %(partner_id)s AND filters IS NULL
    GROUP BY partition_date, report_id
) AS newest
GROUP BY partition_date
HAVING count(*) = %(reports)s
ORDER BY partition_date
