-- One room's sessions with a short gap between them, stitched: what a host's lost connection cut in
-- two. Which sessions belong together does not depend on the days asked for, so a filter on
-- session_date applies after the stitching, and before any attendee is read.

CREATE VIEW analytics.logical_sessions AS
WITH hosted AS (
    SELECT
        sessions.*,
        -- In mode none a host has another pseudonym in each session: who it was is not known then.
        CASE
            WHEN
                NOT EXISTS (
                    SELECT FROM kaltura.privacy
                    WHERE privacy.mode = 'none'
                )
                THEN sessions.host_id
        END AS known_host
    FROM analytics.sessions
),

-- Rows up to the next known host share a number: within it, the first is the host who is known last.
host_runs AS (
    SELECT
        hosted.*,
        count(hosted.known_host) OVER in_order AS host_run,
        max(hosted.ended_at) OVER earlier AS open_until_at
    FROM hosted
    WINDOW
        in_order AS (
            PARTITION BY hosted.account_id, hosted.room_id
            ORDER BY hosted.started_at, hosted.session_id
        ),
        earlier AS (
            PARTITION BY hosted.account_id, hosted.room_id
            ORDER BY hosted.started_at, hosted.session_id
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        )
),

last_hosts AS (
    SELECT
        host_runs.*,
        first_value(host_runs.known_host) OVER (
            PARTITION BY host_runs.account_id, host_runs.room_id, host_runs.host_run
            ORDER BY host_runs.started_at, host_runs.session_id
        ) AS last_host
    FROM host_runs
),

gaps AS (
    SELECT
        last_hosts.*,
        -- Not stitched to what came before: nothing did, or only ends that are unknown or more than
        -- five minutes ago, or another host's.
        coalesce(last_hosts.started_at > last_hosts.open_until_at + interval '5 minutes', TRUE)
        OR coalesce(
            last_hosts.known_host <> lag(last_hosts.last_host) OVER (
                PARTITION BY last_hosts.account_id, last_hosts.room_id
                ORDER BY last_hosts.started_at, last_hosts.session_id
            ),
            FALSE
        ) AS starts_anew
    FROM last_hosts
),

numbered AS (
    SELECT
        gaps.*,
        count(*) FILTER (WHERE gaps.starts_anew) OVER (
            PARTITION BY gaps.account_id, gaps.room_id
            ORDER BY gaps.started_at, gaps.session_id
        ) AS group_number
    FROM gaps
),

-- What a part adds to the time that the room was open: not what an earlier part covers already.
parts AS (
    SELECT
        numbered.*,
        greatest(
            numbered.ended_at - greatest(
                numbered.started_at,
                max(numbered.ended_at) OVER (
                    PARTITION BY numbered.account_id, numbered.room_id, numbered.group_number
                    ORDER BY numbered.started_at, numbered.session_id
                    ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
                )
            ),
            CASE WHEN numbered.ended_at IS NOT NULL THEN interval '0' END
        ) AS open_time
    FROM numbered
),

stitched AS (
    SELECT
        account_id,
        room_id,
        group_number,
        (array_agg(session_id ORDER BY started_at, session_id))[1] AS logical_session_id,
        array_agg(session_id ORDER BY started_at, session_id) AS session_ids,
        (array_agg(room_name ORDER BY started_at DESC, session_id DESC))[1] AS room_name,
        (
            array_agg(host_id ORDER BY started_at, session_id) FILTER (WHERE host_id IS NOT NULL)
        )[1] AS host_id,
        min(session_date) AS session_date,
        min(started_at) AS started_at,
        CASE WHEN count(*) = count(ended_at) THEN max(ended_at) END AS ended_at,
        extract(EPOCH FROM sum(open_time))::double precision / 60 AS open_minutes,
        count(*) AS part_count,
        bool_or(is_breakout) AS is_breakout,
        bool_or(is_running) AS is_running,
        bool_or(is_provisional) AS is_provisional,
        bool_and(attendance_known_until_at IS NOT NULL) AS is_attendance_loaded
    FROM parts
    GROUP BY account_id, room_id, group_number
)

SELECT
    stitched.account_id,
    stitched.logical_session_id,
    stitched.room_id,
    stitched.room_name,
    stitched.is_breakout,
    stitched.host_id,
    stitched.session_date,
    stitched.started_at,
    stitched.ended_at,
    extract(
        EPOCH FROM stitched.ended_at - stitched.started_at
    )::double precision / 60 AS duration_minutes,
    stitched.open_minutes,
    stitched.part_count,
    stitched.session_ids,
    stitched.is_running,
    stitched.is_attendance_loaded,
    stitched.is_provisional,
    audience.people_count,
    audience.total_minutes,
    audience.unidentified_minutes,
    audience.weighted_engagement_ratio
FROM stitched
LEFT JOIN LATERAL (
    SELECT
        count(DISTINCT attendees.user_id) FILTER (
            WHERE NOT analytics.is_nobody(attendees.user_id)
        ) AS people_count,
        coalesce(sum(attendees.meeting_view_time), 0) AS total_minutes,
        coalesce(
            sum(attendees.meeting_view_time) FILTER (
                WHERE analytics.is_nobody(attendees.user_id)
            ),
            0
        ) AS unidentified_minutes,
        sum(attendees.meeting_view_time * attendees.meeting_engaged_play_time_ratio)
        / nullif(
            sum(attendees.meeting_view_time) FILTER (
                WHERE attendees.meeting_engaged_play_time_ratio IS NOT NULL
            ),
            0
        ) AS weighted_engagement_ratio
    FROM kaltura.attendees
    WHERE
        attendees.partner_id = stitched.account_id
        AND attendees.entry_id = stitched.room_id
        AND attendees.cue_point_id = any(stitched.session_ids)
    HAVING stitched.is_attendance_loaded
) AS audience ON TRUE;

COMMENT ON VIEW analytics.logical_sessions IS
'One row for each run of sessions of one room with no gap above five minutes and no change of a '
'known host (account_id, room_id, logical_session_id): a host who dropped out and came back held '
'one meeting, not two. A person is an id: who has two counts twice.';
COMMENT ON COLUMN analytics.logical_sessions.account_id IS 'The Kaltura account (partner id).';
COMMENT ON COLUMN analytics.logical_sessions.logical_session_id IS
'The id of the first of the sessions stitched.';
COMMENT ON COLUMN analytics.logical_sessions.room_id IS 'The room: the id of its Kaltura entry.';
COMMENT ON COLUMN analytics.logical_sessions.room_name IS
'The room''s name at the last of the sessions.';
COMMENT ON COLUMN analytics.logical_sessions.is_breakout IS
'Whether this is a breakout room''s: keep to NOT is_breakout to count meetings.';
COMMENT ON COLUMN analytics.logical_sessions.host_id IS
'The user id of the first host who is known, or the pseudonym where you may not see who people '
'are; NULL where Kaltura does not know. Personal data.';
COMMENT ON COLUMN analytics.logical_sessions.session_date IS
'The local day on which the first of the sessions started.';
COMMENT ON COLUMN analytics.logical_sessions.started_at IS
'When the first of the sessions started.';
COMMENT ON COLUMN analytics.logical_sessions.ended_at IS
'When the last of the sessions ended; NULL where one of the ends is not known.';
COMMENT ON COLUMN analytics.logical_sessions.duration_minutes IS
'From first start to last end, gaps included, in minutes; NULL where ended_at is.';
COMMENT ON COLUMN analytics.logical_sessions.open_minutes IS
'How long the room was open, gaps left out and overlaps counted once, in minutes; sessions '
'without a known end do not '
'count, and NULL where all are such.';
COMMENT ON COLUMN analytics.logical_sessions.part_count IS
'How many sessions were stitched; 1 for one that was not interrupted.';
COMMENT ON COLUMN analytics.logical_sessions.session_ids IS
'The sessions stitched, by start, as in sessions.';
COMMENT ON COLUMN analytics.logical_sessions.is_running IS
'Whether one of the sessions was running when last pulled.';
COMMENT ON COLUMN analytics.logical_sessions.is_attendance_loaded IS
'Whether attendees of all of the sessions are loaded.';
COMMENT ON COLUMN analytics.logical_sessions.is_provisional IS
'Whether the figures of one of the sessions may still grow.';
COMMENT ON COLUMN analytics.logical_sessions.people_count IS
'Identified people in any of the sessions, each counted once; NULL where attendees of one of them '
'are not loaded.';
COMMENT ON COLUMN analytics.logical_sessions.total_minutes IS
'Time that all attendees spent in the sessions, in minutes; 0 where no attendees are listed, '
'NULL where attendees of one of them are not loaded.';
COMMENT ON COLUMN analytics.logical_sessions.unidentified_minutes IS
'How much of total_minutes is of people whom Kaltura could not name, in minutes; NULL where that '
'is.';
COMMENT ON COLUMN analytics.logical_sessions.weighted_engagement_ratio IS
'The attendees'' engagement weighted by their minutes, 0 to 1; NULL where there are no minutes '
'to weigh by.';
