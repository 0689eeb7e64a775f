-- Of each account in a warehouse that keeps names, the day up to which they have been taken out: the one after the last
-- of which somebody is a pseudonym, or before that the first of which somebody is not. Somebody who was erased is a
-- pseudonym on days that keep names, too. An account whose first day has names is left out: none have been.
WITH days AS (
    SELECT
        partner_id,
        partition_date,
        bool_or(user_id ~ %(pseudonym)s) AS has_pseudonyms,
        bool_or(user_id !~ %(pseudonym)s AND NOT user_id = any(%(nobody)s)) AS has_ids
    FROM kaltura.attendees
    WHERE (SELECT privacy.mode FROM kaltura.privacy) = 'full'
    GROUP BY partner_id, partition_date
)

SELECT
    partner_id,
    least(
        max(partition_date) FILTER (WHERE has_pseudonyms) + 1,
        min(partition_date) FILTER (WHERE has_ids)
    ) AS until
FROM days
GROUP BY partner_id
HAVING
    bool_or(has_pseudonyms)
    AND min(partition_date) FILTER (WHERE has_ids) IS DISTINCT FROM min(partition_date)
