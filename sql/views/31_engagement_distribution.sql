-- How engaged people were: a day's attendances in ten bands. Counts and minutes of days add up.

CREATE VIEW analytics.engagement_distribution AS
WITH rated_attendance AS (
    SELECT
        attendees.partner_id AS account_id,
        attendees.partition_date AS session_date,
        attendees.meeting_view_time AS attended_minutes,
        -- A ratio of exactly 1 belongs to the last band.
        least(floor(attendees.meeting_engaged_play_time_ratio * 10)::integer, 9) AS tenth
    FROM kaltura.attendees
    WHERE
        -- Each in a coalesce, so that it is looked up in a hash: as a condition of its own it is a join, for which Postgres
        -- may take a merge by the account alone, 43 s for a year of a million attendees.
        coalesce(
            (attendees.partner_id, attendees.partition_date) IN (
                SELECT
                    loaded_days.account_id,
                    loaded_days.session_date
                FROM analytics.loaded_days
                WHERE
                    loaded_days.session_pulled_at IS NOT NULL
                    AND loaded_days.attendance_pulled_at IS NOT NULL
            ),
            FALSE
        )
        AND coalesce(
            NOT EXISTS (
                SELECT FROM analytics.breakout_rooms
                WHERE
                    breakout_rooms.account_id = attendees.partner_id
                    AND breakout_rooms.room_id = attendees.entry_id
            ),
            FALSE
        )
        AND NOT analytics.is_nobody(attendees.user_id)
        AND attendees.meeting_view_time > 0
        AND attendees.meeting_engaged_play_time_ratio IS NOT NULL
)

SELECT
    account_id,
    session_date,
    tenth + 1 AS band_number,
    tenth / 10.0::double precision AS band_from_ratio,
    (tenth + 1) / 10.0::double precision AS band_to_ratio,
    count(*) AS attendance_count,
    sum(attended_minutes) AS attended_minutes
FROM rated_attendance
GROUP BY account_id, session_date, tenth;

COMMENT ON VIEW analytics.engagement_distribution IS
'One row for each day and band of engagement in which somebody falls '
'(account_id, session_date, band_number). Main sessions and '
'identified people with minutes to judge by; a day of which sessions or attendees are not loaded '
'(calendar) has no row. Add up attendance_count over days for a longer time.';
COMMENT ON COLUMN analytics.engagement_distribution.account_id IS
'The Kaltura account (partner id).';
COMMENT ON COLUMN analytics.engagement_distribution.session_date IS
'The local day on which the session started.';
COMMENT ON COLUMN analytics.engagement_distribution.band_number IS
'The band, 1 (least engaged) to 10. A band that nobody falls in has no row.';
COMMENT ON COLUMN analytics.engagement_distribution.band_from_ratio IS
'The least engagement of the band, itself included.';
COMMENT ON COLUMN analytics.engagement_distribution.band_to_ratio IS
'The engagement at which the next band begins; the last band includes 1.';
COMMENT ON COLUMN analytics.engagement_distribution.attendance_count IS
'Attendances (a person in a session) in the band.';
COMMENT ON COLUMN analytics.engagement_distribution.attended_minutes IS
'Their time in the sessions, in minutes.';
