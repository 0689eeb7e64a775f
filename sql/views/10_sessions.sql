-- Every session of every room: what report 6000 says of it, and what the attendees of report 6001
-- add up to. The attendees are looked up a session at a time, so that a filter on sessions decides
-- which of them are read, and a query that asks for none of their figures does not read them at
-- all. A host's pseudonym is looked up for those alone who may not see who people are.

CREATE VIEW analytics.sessions AS
SELECT
    known_sessions.partner_id AS account_id,
    known_sessions.cue_point_id AS session_id,
    known_sessions.entry_id AS room_id,
    known_sessions.entry_name AS room_name,
    known_sessions.is_breakout,
    coalesce(
        known_sessions.named_main_room_id,
        (
            SELECT breakout_rooms.main_room_id
            FROM analytics.breakout_rooms
            WHERE
                breakout_rooms.account_id = known_sessions.partner_id
                AND breakout_rooms.room_id = known_sessions.entry_id
        )
    ) AS main_room_id,
    CASE
        WHEN analytics.is_nobody(known_sessions.session_host_user_id) THEN NULL
        WHEN (SELECT analytics.shows_people()) THEN known_sessions.session_host_user_id
        ELSE coalesce(
            hosts.pseudonym,
            substring(known_sessions.session_host_user_id FROM '^p_[0-9a-f]{32}$')
        )
    END AS host_id,
    known_sessions.partition_date AS session_date,
    known_sessions.session_start_time AS started_at,
    known_sessions.session_end_time AS ended_at,
    extract(
        EPOCH FROM known_sessions.session_end_time - known_sessions.session_start_time
    )::double precision / 60 AS duration_minutes,
    (
        known_sessions.session_end_time IS NULL
        AND known_sessions.session_known_until_at < known_sessions.followed_until_at
    ) AS is_running,
    (
        least(known_sessions.session_known_until_at, known_sessions.attendance_known_until_at)
        < coalesce(known_sessions.session_end_time, known_sessions.followed_until_at)
        OR known_sessions.attendance_known_until_at IS NULL
    ) AS is_provisional,
    known_sessions.session_known_until_at,
    known_sessions.attendance_known_until_at,
    known_sessions.meeting_view_period_unique_users AS estimated_people_count,
    audience.attendance_count,
    audience.people_count,
    audience.guest_count,
    audience.total_minutes,
    audience.unidentified_minutes,
    audience.median_minutes,
    audience.longest_minutes,
    -- Of a figure that it does not know, Kaltura writes 0 as well.
    CASE
        WHEN
            known_sessions.meeting_engaged_play_time_ratio > 0
            OR known_sessions.meeting_view_period_unique_users > 0
            THEN known_sessions.meeting_engaged_play_time_ratio
    END AS engagement_ratio,
    audience.weighted_engagement_ratio,
    audience.rated_minutes
-- No WITH: a view that begins with one is computed apart, whole, wherever another looks up a session in it.
FROM (
    SELECT
        room_sessions.*,
        CASE
            WHEN NOT analytics.is_nobody(room_sessions.parent_entry_id)
                THEN room_sessions.parent_entry_id
        END AS named_main_room_id,
        exists(
            SELECT FROM analytics.breakout_rooms
            WHERE
                breakout_rooms.account_id = room_sessions.partner_id
                AND breakout_rooms.room_id = room_sessions.entry_id
        ) AS is_breakout,
        -- A later pull that changed nothing leaves the row's window as it was.
        greatest(
            room_sessions.window_end, loaded.session_pulled_at
        ) AS session_known_until_at,
        loaded.attendance_pulled_at AS attendance_known_until_at,
        -- A session without an end is followed for seven days; after that its end stays unknown.
        room_sessions.session_start_time + interval '7 days' AS followed_until_at
    FROM kaltura.room_sessions
    -- Looked up a day at a time; an aggregate, so that it is known to be one row, and left out where not asked for.
    LEFT JOIN LATERAL (
        SELECT
            max(loaded_days.session_pulled_at) AS session_pulled_at,
            max(loaded_days.attendance_pulled_at) AS attendance_pulled_at
        FROM analytics.loaded_days
        WHERE
            loaded_days.account_id = room_sessions.partner_id
            AND loaded_days.session_date = room_sessions.partition_date
    ) AS loaded ON TRUE
) AS known_sessions
-- Looked up a session at a time: a join may go by the order of the ids, and give the rows in it.
LEFT JOIN LATERAL (
    SELECT max(people.pseudonym) AS pseudonym
    FROM kaltura.people
    WHERE
        people.partner_id = known_sessions.partner_id
        AND people.user_id = known_sessions.session_host_user_id
        AND NOT (SELECT analytics.shows_people())
) AS hosts ON TRUE
LEFT JOIN LATERAL (
    SELECT
        count(*) AS attendance_count,
        count(*) FILTER (WHERE NOT analytics.is_nobody(attendees.user_id)) AS people_count,
        count(*) FILTER (
            WHERE attendees.user_type = 'Guest' AND NOT analytics.is_nobody(attendees.user_id)
        ) AS guest_count,
        -- NULL where attendees are listed without a time; 0 only where nobody is listed.
        CASE WHEN count(*) = 0 THEN 0 ELSE sum(attendees.meeting_view_time) END AS total_minutes,
        CASE
            WHEN count(*) FILTER (WHERE analytics.is_nobody(attendees.user_id)) = 0 THEN 0
            ELSE
                sum(attendees.meeting_view_time) FILTER (
                    WHERE analytics.is_nobody(attendees.user_id)
                )
        END AS unidentified_minutes,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY attendees.meeting_view_time) FILTER (
            WHERE NOT analytics.is_nobody(attendees.user_id)
        ) AS median_minutes,
        max(attendees.meeting_view_time) FILTER (
            WHERE NOT analytics.is_nobody(attendees.user_id)
        ) AS longest_minutes,
        sum(attendees.meeting_view_time * attendees.meeting_engaged_play_time_ratio)
        / nullif(
            sum(attendees.meeting_view_time) FILTER (
                WHERE attendees.meeting_engaged_play_time_ratio IS NOT NULL
            ),
            0
        ) AS weighted_engagement_ratio,
        nullif(
            sum(attendees.meeting_view_time) FILTER (
                WHERE attendees.meeting_engaged_play_time_ratio IS NOT NULL
            ),
            0
        ) AS rated_minutes
    FROM kaltura.attendees
    WHERE
        attendees.partner_id = known_sessions.partner_id
        AND attendees.entry_id = known_sessions.entry_id
        AND attendees.cue_point_id = known_sessions.cue_point_id
    -- Without attendees loaded, no row: their figures are unknown, and not 0.
    HAVING known_sessions.attendance_known_until_at IS NOT NULL
) AS audience ON TRUE;

COMMENT ON VIEW analytics.sessions IS
'One row for each session of each room (account_id, room_id, session_id), main rooms and breakout '
'rooms both: keep to NOT is_breakout to count meetings.';
COMMENT ON COLUMN analytics.sessions.account_id IS
'The Kaltura account (partner id). Ids of rooms and sessions are unique within an account only.';
COMMENT ON COLUMN analytics.sessions.session_id IS
'The session: an id that Kaltura gives each opening of a room. Unique together with account_id '
'and room_id.';
COMMENT ON COLUMN analytics.sessions.room_id IS 'The room: the id of its Kaltura entry.';
COMMENT ON COLUMN analytics.sessions.room_name IS
'The room''s name when last pulled: a room renamed later keeps its old name on sessions that '
'were not pulled again.';
COMMENT ON COLUMN analytics.sessions.is_breakout IS
'Whether this is a breakout room''s session: report 6000 names a main room for its room, or report '
'6002 lists it. People in it usually count in the main session as well.';
COMMENT ON COLUMN analytics.sessions.main_room_id IS
'The main room of a breakout room; NULL for a main room. The main session is in breakouts.';
COMMENT ON COLUMN analytics.sessions.host_id IS
'The user id of the host, or the pseudonym where you may not see who people are or PII_MODE keeps '
'no ids; NULL where Kaltura does not know. Personal data.';
COMMENT ON COLUMN analytics.sessions.session_date IS
'The local day on which the session started, in the time zone that the warehouse is set to. A '
'session that runs past midnight belongs wholly to this day.';
COMMENT ON COLUMN analytics.sessions.started_at IS 'When the session started.';
COMMENT ON COLUMN analytics.sessions.ended_at IS
'When the session ended; NULL while it runs or where the end is not known.';
COMMENT ON COLUMN analytics.sessions.duration_minutes IS
'From start to end, in minutes; NULL where ended_at is.';
COMMENT ON COLUMN analytics.sessions.is_running IS
'Whether the session was running when last pulled (session_known_until_at), not this minute. A '
'session without an end counts as running for seven days at most.';
COMMENT ON COLUMN analytics.sessions.is_provisional IS
'Whether the figures may still grow: the session or its attendees are not yet known to its end, or '
'to seven days past its start where it has none, or attendees are not loaded. Kaltura may deliver '
'events late even after that.';
COMMENT ON COLUMN analytics.sessions.session_known_until_at IS
'Events up to this time are in the figures of report 6000: the end, estimated_people_count and '
'engagement_ratio.';
COMMENT ON COLUMN analytics.sessions.attendance_known_until_at IS
'Events up to this time are in the figures of attendees (report 6001): from attendance_count to '
'longest_minutes, and weighted_engagement_ratio. NULL, as these figures are, where attendees of '
'the day are not loaded.';
COMMENT ON COLUMN analytics.sessions.estimated_people_count IS
'How many people attended, by Kaltura''s estimate (HyperLogLog): need not equal people_count, '
'and does not add up over sessions. NULL where it gives none.';
COMMENT ON COLUMN analytics.sessions.attendance_count IS
'Rows of attendance: each identified person, and one for each kind of unidentified people. NULL '
'where attendees are not loaded.';
COMMENT ON COLUMN analytics.sessions.people_count IS
'Identified people who attended: ids, so a person with two counts twice. 0 where no attendees are '
'listed, NULL where they are not loaded. Does not add up over sessions: the same people come '
'again.';
COMMENT ON COLUMN analytics.sessions.guest_count IS
'How many of people_count are guests; NULL where attendees are not loaded.';
COMMENT ON COLUMN analytics.sessions.total_minutes IS
'Time that all attendees spent in the session, unidentified ones included, in minutes; 0 where '
'no attendees are listed, NULL where they are not loaded or no time is given for any of them.';
COMMENT ON COLUMN analytics.sessions.unidentified_minutes IS
'How much of total_minutes is of people that Kaltura could not name, in minutes; NULL where that '
'is, and where such people are listed and no time is given for any.';
COMMENT ON COLUMN analytics.sessions.median_minutes IS
'Half of the identified people stayed at least this long, in minutes; NULL where none is listed.';
COMMENT ON COLUMN analytics.sessions.longest_minutes IS
'The longest time that one identified person stayed, in minutes; NULL where none is listed.';
COMMENT ON COLUMN analytics.sessions.engagement_ratio IS
'Share of all viewing time with an engaged viewer, 0 to 1, as report 6000 gives it; NULL where it '
'gives 0 and no people.';
COMMENT ON COLUMN analytics.sessions.weighted_engagement_ratio IS
'The attendees'' engagement weighted by their minutes, 0 to 1; NULL where there are no minutes '
'to weigh by. Over several sessions, weigh it by rated_minutes.';
COMMENT ON COLUMN analytics.sessions.rated_minutes IS
'How much of total_minutes is of attendees whose engagement is known, in minutes: what '
'weighted_engagement_ratio is of. NULL where that is.';
