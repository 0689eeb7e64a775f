-- Figures that can't be: ratios outside of 0 to 1, minutes, counts and durations below 0 or without end.
SELECT
    partition_date,
    entry_id,
    cue_point_id,
    meeting_engaged_play_time_ratio AS ratio,
    meeting_view_period_unique_users::double precision AS figure
FROM kaltura.room_sessions
WHERE
    %(report_id)s = 6000
    AND partner_id = %(partner_id)s
    AND partition_date BETWEEN %(first)s AND %(last)s
    AND (
        meeting_engaged_play_time_ratio NOT BETWEEN 0 AND 1
        OR meeting_view_period_unique_users < 0
    )
UNION ALL
SELECT
    partition_date,
    entry_id,
    cue_point_id,
    meeting_engaged_play_time_ratio AS ratio,
    meeting_view_time AS figure
FROM kaltura.attendees
WHERE
    %(report_id)s = 6001
    AND partner_id = %(partner_id)s
    AND partition_date BETWEEN %(first)s AND %(last)s
    AND (
        meeting_engaged_play_time_ratio NOT BETWEEN 0 AND 1
        OR meeting_view_time < 0
        OR meeting_view_time >= 'infinity'
    )
UNION ALL
SELECT
    partition_date,
    breakout_entry_id AS entry_id,
    cue_point_id,
    engagement_rate AS ratio,
    least(participant_count, extract(EPOCH FROM duration))::double precision AS figure
FROM kaltura.breakout_sessions
WHERE
    %(report_id)s = 6002
    AND partner_id = %(partner_id)s
    AND partition_date BETWEEN %(first)s AND %(last)s
    AND (
        engagement_rate NOT BETWEEN 0 AND 1
        OR participant_count < 0
        OR duration < interval '0'
    )
