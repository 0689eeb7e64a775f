-- The main rooms with the most time spent in them on those days of the week that are loaded.
WITH loaded AS (
    SELECT
        session_date,
        attendance_pulled_at
    FROM analytics.loaded_days
    WHERE
        account_id = %(account_id)s
        AND session_date BETWEEN %(week_date)s::date AND %(week_date)s::date + 6
        AND session_pulled_at IS NOT NULL
),

audiences AS (
    SELECT
        attendance.room_id,
        -- By pseudonym, as days past RETENTION_DAYS have nothing else.
        count(
            DISTINCT coalesce(
                (
                    SELECT people.pseudonym
                    FROM kaltura.people
                    WHERE
                        people.partner_id = attendance.account_id
                        AND people.user_id = attendance.person_id
                ),
                attendance.person_id
            )
        ) FILTER (WHERE attendance.is_identified) AS people_count,
        sum(attendance.engaged_minutes)
        / nullif(
            sum(attendance.attended_minutes) FILTER (
                WHERE attendance.engaged_minutes IS NOT NULL
            ),
            0
        ) AS weighted_engagement_ratio
    FROM analytics.attendance
    INNER JOIN loaded ON attendance.session_date = loaded.session_date
    WHERE
        loaded.attendance_pulled_at IS NOT NULL
        AND attendance.account_id = %(account_id)s
        AND attendance.session_date BETWEEN %(week_date)s::date AND %(week_date)s::date + 6
    GROUP BY attendance.room_id
)

SELECT
    coalesce(
        (array_agg(sessions.room_name ORDER BY sessions.started_at DESC))[1], sessions.room_id
    ) AS room_name,
    count(*) AS session_count,
    -- NULL, as the minutes are, where no session of the room has its attendees loaded.
    CASE
        WHEN count(sessions.attendance_count) > 0 THEN coalesce(max(audiences.people_count), 0)
    END AS people_count,
    -- 0 is where nothing is unknown: of a session whose people have no time, none is known.
    CASE
        WHEN
            sum(sessions.total_minutes) > 0
            OR NOT bool_or(sessions.attendance_count > 0 AND sessions.total_minutes IS NULL)
            THEN sum(sessions.total_minutes)
    END AS total_minutes,
    max(audiences.weighted_engagement_ratio) AS weighted_engagement_ratio
FROM analytics.sessions
LEFT JOIN audiences ON sessions.room_id = audiences.room_id
WHERE
    sessions.account_id = %(account_id)s
    -- In a coalesce, so that days are looked up in a hash: as a condition of its own it is a join.
    AND coalesce(sessions.session_date IN (SELECT loaded.session_date FROM loaded), FALSE)
    AND sessions.session_date BETWEEN %(week_date)s::date AND %(week_date)s::date + 6
    AND NOT sessions.is_breakout
GROUP BY sessions.room_id
ORDER BY total_minutes DESC NULLS LAST, sessions.room_id ASC
LIMIT 10
