-- Whether days of the account that retention should have been at hold names. Of the 100 days before, as years of rows without
-- names would all be read; and none of the last two, which a retention that runs every night may not have been at yet.
SELECT EXISTS(
    SELECT FROM kaltura.attendees
    WHERE
        partner_id = %(partner_id)s
        AND partition_date BETWEEN %(first_kept)s::date - 102 AND %(first_kept)s::date - 3
        AND (user_name IS NOT NULL OR user_email IS NOT NULL)
);
