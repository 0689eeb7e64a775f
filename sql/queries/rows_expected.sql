-- What speaks against an empty report, by day: rows that the warehouse holds of the day, and those that the day's weekday
-- had at the median of the 8 weeks before it (where there are 3 such days or more), and of the 8 weeks before and after
-- it. Nothing does where the day's newest load was empty: that was believed, or accepted, and stays so. Loads are those that
-- were restricted to just the same ids. Which of the warehouse's rows are of these ids only such a load can tell: what the day
-- holds is then what the newest of them brought.
WITH newest AS (
    SELECT DISTINCT ON (partition_date)
        partition_date,
        rows_received,
        inserted + updated + unchanged + rows_superseded AS row_count
    FROM kaltura.loads
    WHERE
        partner_id = %(partner_id)s
        AND report_id = %(report_id)s
        AND filters - 'user_ids' IS NOT DISTINCT FROM %(kept_to)s::jsonb
        AND partition_date BETWEEN %(first)s::date - 56 AND %(last)s::date + 56
    ORDER BY partition_date ASC, pull DESC, id DESC
),

held AS (
    SELECT partition_date FROM kaltura.room_sessions
    WHERE
        %(report_id)s = 6000
        AND partner_id = %(partner_id)s
        AND partition_date BETWEEN %(first)s::date AND %(last)s::date
    UNION ALL
    SELECT partition_date FROM kaltura.attendees
    WHERE
        %(report_id)s = 6001
        AND partner_id = %(partner_id)s
        AND partition_date BETWEEN %(first)s::date AND %(last)s::date
    UNION ALL
    SELECT partition_date FROM kaltura.breakout_sessions
    WHERE
        %(report_id)s = 6002
        AND partner_id = %(partner_id)s
        AND partition_date BETWEEN %(first)s::date AND %(last)s::date
),

days AS (
    SELECT
        %(first)s::date + day_number AS partition_date,
        %(kept_to)s::jsonb IS NOT NULL AS is_restricted
    FROM generate_series(0, %(last)s::date - %(first)s::date) AS numbers (day_number)
)

SELECT
    days.partition_date,
    CASE
        WHEN days.is_restricted THEN coalesce(newest.row_count, 0)
        ELSE (
            SELECT count(*) FROM held
            WHERE held.partition_date = days.partition_date
        )
    END AS held_row_count,
    weeks.median_before,
    weeks.median_around
FROM days
LEFT JOIN newest ON days.partition_date = newest.partition_date
CROSS JOIN
    LATERAL (
        SELECT
            CASE
                WHEN
                    count(*) FILTER (WHERE other.partition_date < days.partition_date)
                    >= 3
                    THEN
                        percentile_cont(0.5) WITHIN GROUP (ORDER BY other.row_count)
                        FILTER (WHERE other.partition_date < days.partition_date)
            END AS median_before,
            percentile_cont(0.5) WITHIN GROUP (ORDER BY other.row_count)
                AS median_around
        FROM newest AS other
        WHERE
            extract(ISODOW FROM other.partition_date)
            = extract(ISODOW FROM days.partition_date)
            AND other.partition_date <> days.partition_date
            AND other.partition_date BETWEEN days.partition_date - 56
            AND days.partition_date + 56
    ) AS weeks
WHERE newest.rows_received IS DISTINCT FROM 0
ORDER BY days.partition_date
