-- Of each account in a warehouse that keeps names, the day up to which they have been taken out: the one after the last
-- of which somebody is a pseudonym. Nothing else stores one there.
SELECT
    partner_id,
    max(partition_date) + 1 AS until
FROM kaltura.attendees
WHERE
    user_id ~ %(pseudonym)s
    AND (SELECT privacy.mode FROM kaltura.privacy) = 'full'
GROUP BY partner_id
