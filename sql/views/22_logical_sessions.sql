-- One room's sessions with a short gap between them, stitched: what a host's lost connection cut in
-- two. Each begins with a session that opens the room anew (openings) and ends before the next such one, so that
-- a filter on its day, or on its room, decides what is read. Whose it is, is known before the rest: so does one on its host.

CREATE VIEW analytics.logical_sessions AS
SELECT
    openings.account_id,
    openings.session_id AS logical_session_id,
    openings.room_id,
    stitched.room_name,
    stitched.is_breakout,
    openings.host_id,
    openings.session_date,
    openings.started_at,
    stitched.ended_at,
    extract(
        EPOCH FROM stitched.ended_at - openings.started_at
    )::double precision / 60 AS duration_minutes,
    stitched.open_minutes,
    stitched.part_count,
    stitched.session_ids,
    stitched.is_running,
    stitched.is_attendance_loaded,
    stitched.is_provisional,
    -- Not in audience, which looks at all of them: most often the first or the second is somebody else.
    CASE
        WHEN stitched.is_attendance_loaded
            THEN NOT EXISTS (
                SELECT FROM kaltura.attendees
                WHERE
                    attendees.partner_id = openings.account_id
                    AND attendees.entry_id = openings.room_id
                    AND attendees.cue_point_id = any(stitched.session_ids)
                    AND (
                        analytics.is_nobody(attendees.user_id)
                        OR NOT EXISTS (
                            SELECT FROM kaltura.room_sessions AS parts
                            WHERE
                                parts.partner_id = openings.account_id
                                AND parts.entry_id = openings.room_id
                                AND parts.cue_point_id = any(stitched.session_ids)
                                AND (
                                    lower(parts.session_host_user_id) = lower(attendees.user_id)
                                    -- By pseudonym, as days past RETENTION_DAYS have nothing else.
                                    OR coalesce(
                                        (
                                            SELECT people.pseudonym
                                            FROM kaltura.people
                                            WHERE
                                                people.partner_id = openings.account_id
                                                AND people.user_id = parts.session_host_user_id
                                        ),
                                        parts.session_host_user_id
                                    ) = coalesce(
                                        (
                                            SELECT people.pseudonym
                                            FROM kaltura.people
                                            WHERE
                                                people.partner_id = openings.account_id
                                                AND people.user_id = attendees.user_id
                                        ),
                                        attendees.user_id
                                    )
                                )
                        )
                    )
            )
    END AS is_host_alone,
    audience.people_count,
    audience.total_minutes,
    audience.unidentified_minutes,
    audience.weighted_engagement_ratio
FROM (
    -- Whoever sees people finds a host's sessions by an index.
    SELECT
        room_sessions.partner_id AS account_id,
        room_sessions.entry_id AS room_id,
        room_sessions.cue_point_id AS session_id,
        room_sessions.partition_date AS session_date,
        room_sessions.session_start_time AS started_at,
        room_sessions.session_host_user_id AS host_id
    FROM kaltura.room_sessions
    WHERE
        analytics.shows_people_when_planned()
        AND (SELECT analytics.shows_people())
        AND NOT analytics.is_nobody(room_sessions.session_host_user_id)
    UNION ALL
    -- A host who is not known in the first part may be in a later one.
    SELECT
        sessions.account_id,
        sessions.room_id,
        sessions.session_id,
        sessions.session_date,
        sessions.started_at,
        coalesce(
            sessions.host_id,
            (
                SELECT
                    CASE
                        WHEN
                            NOT EXISTS (
                                SELECT FROM analytics.openings
                                WHERE
                                    openings.account_id = sessions.account_id
                                    AND openings.room_id = sessions.room_id
                                    AND (openings.started_at, openings.session_id)
                                    > (sessions.started_at, sessions.session_id)
                                    AND (openings.started_at, openings.session_id)
                                    <= (later.started_at, later.session_id)
                                    AND openings.is_new
                            )
                            THEN later.host_id
                    END
                FROM analytics.sessions AS later
                WHERE
                    later.account_id = sessions.account_id
                    AND later.room_id = sessions.room_id
                    AND (later.started_at, later.session_id)
                    > (sessions.started_at, sessions.session_id)
                    AND later.host_id IS NOT NULL
                ORDER BY later.started_at, later.session_id
                LIMIT 1
            )
        ) AS host_id
    FROM analytics.sessions
    WHERE
        NOT (analytics.shows_people_when_planned() AND (SELECT analytics.shows_people()))
        OR sessions.host_id IS NULL
) AS openings
-- OFFSET: what takes longest to tell is asked of the sessions that other filters leave.
INNER JOIN
    LATERAL (
        SELECT opened.is_new
        FROM analytics.openings AS opened
        WHERE
            opened.account_id = openings.account_id
            AND opened.room_id = openings.room_id
            AND opened.session_id = openings.session_id
        OFFSET 0  -- noqa: AM09
    ) AS opened
    ON opened.is_new
LEFT JOIN LATERAL (
    SELECT
        later.started_at,
        later.session_id
    FROM analytics.openings AS later
    WHERE
        later.account_id = openings.account_id
        AND later.room_id = openings.room_id
        AND (later.started_at, later.session_id) > (openings.started_at, openings.session_id)
        AND later.is_new
    ORDER BY later.started_at, later.session_id
    LIMIT 1
) AS following ON TRUE
CROSS JOIN
    LATERAL (  -- noqa: ST05
        SELECT
            array_agg(parts.session_id ORDER BY parts.started_at, parts.session_id) AS session_ids,
            (array_agg(parts.room_name ORDER BY parts.started_at DESC, parts.session_id DESC))[1]
                AS room_name,
            CASE WHEN count(*) = count(parts.ended_at) THEN max(parts.ended_at) END AS ended_at,
            extract(EPOCH FROM sum(parts.open_time))::double precision / 60 AS open_minutes,
            count(*) AS part_count,
            bool_or(parts.is_breakout) AS is_breakout,
            bool_or(parts.is_running) AS is_running,
            bool_or(parts.is_provisional) AS is_provisional,
            bool_and(parts.attendance_known_until_at IS NOT NULL) AS is_attendance_loaded
        FROM (
            SELECT
                sessions.*,
                -- What a part adds to the time that the room was open: not what an earlier part covers already.
                greatest(
                    sessions.ended_at - greatest(
                        sessions.started_at,
                        max(sessions.ended_at) OVER (
                            ORDER BY sessions.started_at, sessions.session_id
                            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
                        )
                    ),
                    CASE WHEN sessions.ended_at IS NOT NULL THEN interval '0' END
                ) AS open_time
            FROM analytics.sessions
            WHERE
                sessions.account_id = openings.account_id
                AND sessions.room_id = openings.room_id
                AND (sessions.started_at, sessions.session_id)
                >= (openings.started_at, openings.session_id)
                AND (sessions.started_at, sessions.session_id)
                < (coalesce(following.started_at, 'infinity'), coalesce(following.session_id, ''))
        ) AS parts
    ) AS stitched
LEFT JOIN LATERAL (
    SELECT
        -- By pseudonym where there are several parts: those of days past RETENTION_DAYS have nothing else.
        count(
            DISTINCT CASE
                WHEN stitched.part_count = 1 THEN attendees.user_id
                ELSE coalesce(
                    (
                        SELECT people.pseudonym
                        FROM kaltura.people
                        WHERE
                            people.partner_id = openings.account_id
                            AND people.user_id = attendees.user_id
                    ),
                    attendees.user_id
                )
            END
        ) FILTER (WHERE NOT analytics.is_nobody(attendees.user_id)) AS people_count,
        -- NULL where attendees are listed without a time; 0 only where nobody is listed.
        CASE WHEN count(*) = 0 THEN 0 ELSE sum(attendees.meeting_view_time) END AS total_minutes,
        CASE
            WHEN count(*) FILTER (WHERE analytics.is_nobody(attendees.user_id)) = 0 THEN 0
            ELSE
                sum(attendees.meeting_view_time) FILTER (
                    WHERE analytics.is_nobody(attendees.user_id)
                )
        END AS unidentified_minutes,
        sum(attendees.meeting_view_time * attendees.meeting_engaged_play_time_ratio)
        / nullif(
            sum(attendees.meeting_view_time) FILTER (
                WHERE attendees.meeting_engaged_play_time_ratio IS NOT NULL
            ),
            0
        ) AS weighted_engagement_ratio
    FROM kaltura.attendees
    WHERE
        attendees.partner_id = openings.account_id
        AND attendees.entry_id = openings.room_id
        AND attendees.cue_point_id = any(stitched.session_ids)
    HAVING stitched.is_attendance_loaded
) AS audience ON TRUE;

COMMENT ON VIEW analytics.logical_sessions IS
'One row for each run of sessions of one room with no gap above five minutes and no change of a '
'known host (account_id, room_id, logical_session_id): a host who dropped out and came back held '
'one meeting, not two. With PII_MODE=none it is not known who hosts, and meetings of two hosts '
'with no longer gap are one. A person is a user id: somebody with two ids counts twice, and '
'somebody who was erased once a session.';
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
COMMENT ON COLUMN analytics.logical_sessions.is_host_alone IS
'Whether nobody is listed but the host, or not even they, and nobody unidentified: a test, or a '
'room left open. NULL where attendees of one of the sessions are not loaded.';
COMMENT ON COLUMN analytics.logical_sessions.people_count IS
'Identified people in any of the sessions, each counted once (PII_MODE=none: once a session); NULL '
'where attendees of one of them are not loaded.';
COMMENT ON COLUMN analytics.logical_sessions.total_minutes IS
'Time that all attendees spent in the sessions, in minutes; 0 where no attendees are listed, '
'NULL where attendees of one of them are not loaded, or no time is given for any of those listed.';
COMMENT ON COLUMN analytics.logical_sessions.unidentified_minutes IS
'How much of total_minutes is of people that Kaltura could not name, in minutes; NULL where that '
'is, and where such people are listed and no time is given for any.';
COMMENT ON COLUMN analytics.logical_sessions.weighted_engagement_ratio IS
'The attendees'' engagement weighted by their minutes, 0 to 1; NULL where there are no minutes '
'to weigh by.';
