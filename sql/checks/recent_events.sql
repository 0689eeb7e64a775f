-- Days go on being loaded, and nothing happens on them: how many loaded days of a term in a row, up to the newest that is
-- loaded, are without any row. Not up to the run's last one: who pulls some days of a silence again ends none. More than 3 is longer than a long weekend, more than 7 is an error unless it is a vacation. What
-- it finds is of the first silent day, so that it stays one finding for as long as the silence lasts.
-- Without TERM_DATES the dates of the university's courses say when there is a vacation: between them. What lies before the
-- first of them and after the last one may well be a term whose courses are not loaded; and so may be what lies after the
-- last of TERM_DATES, which somebody has to write on.
WITH of_courses AS (
    SELECT
        min(starts_on) AS begins,
        max(ends_on) AS ends,
        range_agg(daterange(starts_on, ends_on, '[]')) AS days
    FROM university.courses
    WHERE account_id = %(partner_id)s AND starts_on IS NOT NULL AND ends_on IS NOT NULL
),

terms AS (
    SELECT
        coalesce(
            %(terms)s::datemultirange
            + datemultirange(daterange(upper(%(terms)s::datemultirange), NULL)),
            days + datemultirange(daterange(NULL, begins), daterange(ends, NULL)),
            '{(,)}'
        ) AS days
    FROM of_courses
),

until AS (
    SELECT greatest(%(last)s::date, max(partition_date)) AS last_date
    FROM kaltura.loads
    WHERE partner_id = %(partner_id)s AND report_id = %(report_id)s AND is_whole
),

newest AS (
    SELECT DISTINCT ON (partition_date)
        partition_date,
        inserted + updated + unchanged + rows_superseded AS row_count
    FROM kaltura.loads
    WHERE
        partner_id = %(partner_id)s
        AND report_id = %(report_id)s
        AND is_whole
        AND partition_date >= (SELECT until.last_date - 366 FROM until)
    ORDER BY partition_date ASC, pull DESC, id DESC
),

events AS (
    SELECT
        partition_date,
        max(partition_date) FILTER (WHERE row_count > 0) OVER () AS newest_event_day
    FROM newest
)

SELECT
    min(events.partition_date) AS partition_date,
    events.newest_event_day,
    count(*) AS loaded_days_since,
    CASE
        WHEN until.last_date >= upper(%(terms)s::datemultirange)
            THEN upper(%(terms)s::datemultirange) - 1
    END AS term_dates_ended_on,
    count(*) > 7 AS is_error
FROM events
CROSS JOIN terms
CROSS JOIN until
WHERE
    (events.newest_event_day IS NULL OR events.partition_date > events.newest_event_day)
    AND terms.days @> events.partition_date
    AND terms.days @> until.last_date
GROUP BY events.newest_event_day, until.last_date
HAVING count(*) > 3
