-- Breakout use of the week and the twelve before it: weeks without a breakout have no row. People are the identified ones,
-- as everywhere in the report. Days of which breakouts or sessions are not loaded are left out, as the report says of them.
SELECT
    session_date - (extract(ISODOW FROM session_date)::integer - 1) AS week_date,
    count(*) AS breakout_count,
    count(DISTINCT row(main_room_id, main_session_id)) FILTER (
        WHERE main_session_id IS NOT NULL
    ) AS main_session_count,
    count(*) FILTER (WHERE main_session_id IS NULL) AS untied_breakout_count,
    percentile_cont(0.5) WITHIN GROUP (
        ORDER BY people_count
    ) AS median_people_count,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY duration_minutes) AS median_minutes
FROM analytics.breakouts
WHERE
    account_id = %(account_id)s
    AND session_date BETWEEN %(week_date)s::date - 84 AND %(week_date)s::date + 6
    -- In a coalesce, so that days are looked up in a hash: as a condition of its own it is a join.
    AND coalesce(
        session_date IN (
            SELECT loaded_days.session_date
            FROM analytics.loaded_days
            WHERE
                loaded_days.account_id = %(account_id)s
                AND loaded_days.session_pulled_at IS NOT NULL
                AND loaded_days.breakout_pulled_at IS NOT NULL
        ),
        FALSE
    )
GROUP BY session_date - (extract(ISODOW FROM session_date)::integer - 1)
ORDER BY week_date
