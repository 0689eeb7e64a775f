-- How many of a room's first people come back: sessions of the week and the twelve before it, by
-- which session of their room they are. Unknown are those where attendees, theirs or the first session's, are not loaded,
-- and all in mode none, where nobody can be followed.
SELECT
    steps.first_number,
    steps.last_number,
    count(retention.returning_ratio) AS session_count,
    count(retention.session_id) FILTER (
        WHERE retention.returning_people_count IS NULL
    ) AS unknown_session_count,
    exists(
        SELECT FROM kaltura.privacy
        WHERE privacy.mode = 'none'
    ) AS is_nobody_followed,
    count(DISTINCT retention.room_id) FILTER (
        WHERE retention.returning_ratio IS NOT NULL
    ) AS room_count,
    percentile_cont(0.25) WITHIN GROUP (ORDER BY retention.returning_ratio) AS lower_ratio,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY retention.returning_ratio) AS median_ratio,
    percentile_cont(0.75) WITHIN GROUP (ORDER BY retention.returning_ratio) AS upper_ratio
FROM (
    VALUES (2, 3), (4, 6), (7, 12), (13, 24), (25, 48), (49, NULL)
) AS steps (first_number, last_number)
LEFT JOIN analytics.room_retention AS retention
    ON
        retention.account_id = %(account_id)s
        AND retention.session_date BETWEEN %(week_date)s::date - 84 AND %(week_date)s::date + 6
        AND steps.first_number <= retention.session_number
        AND retention.session_number <= coalesce(steps.last_number, retention.session_number)
GROUP BY steps.first_number, steps.last_number
ORDER BY steps.first_number
