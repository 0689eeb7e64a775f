-- Breakout sessions of report 6002, tied to the main session they were part of and to their own row
-- in sessions. Report 6002 may give the breakout's own session id or that of the main session; both
-- are tried, then the times.

CREATE VIEW analytics.breakouts AS
WITH tied_to_own AS (
    SELECT
        breakout_sessions.*,
        coalesce(own_by_id.cue_point_id, own_by_time.cue_point_id) AS own_session_id,
        CASE
            WHEN own_by_id.cue_point_id IS NOT NULL THEN 'id'
            WHEN own_by_time.cue_point_id IS NOT NULL THEN 'time'
        END AS own_session_tied_by,
        -- The first that names one; where none does, any session of the room.
        coalesce(
            CASE
                WHEN NOT analytics.is_nobody(breakout_sessions.parent_entry_id)
                    THEN breakout_sessions.parent_entry_id
            END,
            CASE
                WHEN NOT analytics.is_nobody(own_by_id.parent_entry_id)
                    THEN own_by_id.parent_entry_id
            END,
            CASE
                WHEN NOT analytics.is_nobody(own_by_time.parent_entry_id)
                    THEN own_by_time.parent_entry_id
            END,
            named_by_any.main_room_id
        ) AS main_room_id
    FROM kaltura.breakout_sessions
    LEFT JOIN kaltura.room_sessions AS own_by_id
        ON
            breakout_sessions.partner_id = own_by_id.partner_id
            AND breakout_sessions.breakout_entry_id = own_by_id.entry_id
            AND breakout_sessions.cue_point_id = own_by_id.cue_point_id
    LEFT JOIN LATERAL (
        SELECT
            room_sessions.cue_point_id,
            room_sessions.parent_entry_id
        FROM kaltura.room_sessions
        WHERE
            own_by_id.cue_point_id IS NULL
            AND room_sessions.partner_id = breakout_sessions.partner_id
            AND room_sessions.entry_id = breakout_sessions.breakout_entry_id
            AND room_sessions.session_start_time
            <= coalesce(breakout_sessions.session_end_time, breakout_sessions.session_start_time)
            AND coalesce(
                room_sessions.session_end_time,
                room_sessions.session_start_time + interval '7 days'
            ) >= breakout_sessions.session_start_time
        ORDER BY
            greatest(
                room_sessions.session_start_time - breakout_sessions.session_start_time,
                breakout_sessions.session_start_time - room_sessions.session_start_time
            ),
            room_sessions.cue_point_id
        LIMIT 1
    ) AS own_by_time ON TRUE
    LEFT JOIN LATERAL (
        SELECT max(breakout_rooms.main_room_id) AS main_room_id
        FROM analytics.breakout_rooms
        WHERE
            breakout_rooms.account_id = breakout_sessions.partner_id
            AND breakout_rooms.room_id = breakout_sessions.breakout_entry_id
            AND analytics.is_nobody(breakout_sessions.parent_entry_id) IS NOT FALSE
            AND analytics.is_nobody(own_by_id.parent_entry_id) IS NOT FALSE
            AND analytics.is_nobody(own_by_time.parent_entry_id) IS NOT FALSE
    ) AS named_by_any ON TRUE
)

SELECT
    tied_to_own.partner_id AS account_id,
    tied_to_own.cue_point_id AS reported_session_id,
    tied_to_own.own_session_id AS session_id,
    tied_to_own.own_session_tied_by AS session_tied_by,
    tied_to_own.breakout_entry_id AS room_id,
    tied_to_own.breakout_entry_name AS room_name,
    coalesce(main_by_id.cue_point_id, main_by_time.cue_point_id) AS main_session_id,
    CASE
        WHEN main_by_id.cue_point_id IS NOT NULL THEN 'id'
        WHEN main_by_time.cue_point_id IS NOT NULL THEN 'time'
    END AS main_session_tied_by,
    tied_to_own.main_room_id,
    tied_to_own.parent_entry_name AS main_room_name,
    CASE
        WHEN analytics.is_nobody(tied_to_own.session_initiator) THEN NULL
        WHEN (SELECT analytics.shows_people()) THEN tied_to_own.session_initiator
        ELSE coalesce(
            (
                SELECT people.pseudonym
                FROM kaltura.people
                WHERE
                    people.partner_id = tied_to_own.partner_id
                    AND people.user_id = tied_to_own.session_initiator
            ),
            substring(tied_to_own.session_initiator FROM '^p_[0-9a-f]{32}$')
        )
    END AS opened_by_id,
    tied_to_own.partition_date AS session_date,
    tied_to_own.session_start_time AS started_at,
    tied_to_own.session_end_time AS ended_at,
    extract(EPOCH FROM tied_to_own.duration)::double precision / 60 AS duration_minutes,
    tied_to_own.participant_count AS estimated_people_count,
    audience.people_count,
    audience.total_minutes,
    audience.unidentified_minutes,
    -- Of a figure that it does not know, Kaltura writes 0 as well.
    CASE
        WHEN tied_to_own.engagement_rate > 0 OR tied_to_own.participant_count > 0
            THEN tied_to_own.engagement_rate
    END AS engagement_ratio
FROM tied_to_own
LEFT JOIN analytics.loaded_days
    ON
        tied_to_own.partner_id = loaded_days.account_id
        AND tied_to_own.partition_date = loaded_days.session_date
LEFT JOIN kaltura.room_sessions AS main_by_id
    ON
        tied_to_own.partner_id = main_by_id.partner_id
        AND tied_to_own.main_room_id = main_by_id.entry_id
        AND tied_to_own.cue_point_id = main_by_id.cue_point_id
LEFT JOIN LATERAL (
    SELECT room_sessions.cue_point_id
    FROM kaltura.room_sessions
    WHERE
        main_by_id.cue_point_id IS NULL
        AND room_sessions.partner_id = tied_to_own.partner_id
        AND room_sessions.entry_id = tied_to_own.main_room_id
        AND room_sessions.session_start_time <= tied_to_own.session_start_time
        AND coalesce(
            room_sessions.session_end_time,
            room_sessions.session_start_time + interval '7 days'
        ) >= tied_to_own.session_start_time
    ORDER BY room_sessions.session_start_time DESC, room_sessions.cue_point_id ASC
    LIMIT 1
) AS main_by_time ON TRUE
LEFT JOIN LATERAL (
    SELECT
        count(*) FILTER (WHERE NOT analytics.is_nobody(attendees.user_id)) AS people_count,
        -- NULL where attendees are listed without a time; 0 only where nobody is listed.
        CASE WHEN count(*) = 0 THEN 0 ELSE sum(attendees.meeting_view_time) END AS total_minutes,
        CASE
            WHEN count(*) FILTER (WHERE analytics.is_nobody(attendees.user_id)) = 0 THEN 0
            ELSE
                sum(attendees.meeting_view_time) FILTER (
                    WHERE analytics.is_nobody(attendees.user_id)
                )
        END AS unidentified_minutes
    FROM kaltura.attendees
    WHERE
        attendees.partner_id = tied_to_own.partner_id
        AND attendees.entry_id = tied_to_own.breakout_entry_id
        AND attendees.cue_point_id
        = coalesce(tied_to_own.own_session_id, tied_to_own.cue_point_id)
    -- Without attendees loaded, no row: their figures are unknown, and not 0. So they are where the breakout's own session is
    -- not known and nobody is listed under the reported id, which may be that of the main session.
    HAVING
        loaded_days.attendance_pulled_at IS NOT NULL
        AND (tied_to_own.own_session_id IS NOT NULL OR count(*) > 0)
) AS audience ON TRUE;

COMMENT ON VIEW analytics.breakouts IS
'One row for each session of each breakout room that report 6002 lists (account_id, room_id, '
'reported_session_id), tied to its main session. Report 6000 lists most of them too: they are in '
'sessions under session_id. '
'A person is a user id: somebody with two ids counts twice.';
COMMENT ON COLUMN analytics.breakouts.account_id IS 'The Kaltura account (partner id).';
COMMENT ON COLUMN analytics.breakouts.reported_session_id IS
'The session id that report 6002 gives: the breakout''s own or that of the main session. Unique '
'together with account_id and room_id.';
COMMENT ON COLUMN analytics.breakouts.session_id IS
'The breakout''s own session, as in sessions; NULL where report 6000 does not list it.';
COMMENT ON COLUMN analytics.breakouts.session_tied_by IS
'How session_id was found: by the reported id, or as the session of this breakout room that '
'overlaps in time (id, time); NULL where none was.';
COMMENT ON COLUMN analytics.breakouts.room_id IS 'The breakout room: the id of its Kaltura entry.';
COMMENT ON COLUMN analytics.breakouts.room_name IS 'The breakout room''s name when last pulled.';
COMMENT ON COLUMN analytics.breakouts.main_session_id IS
'The main session that the breakout was part of; NULL where none is known.';
COMMENT ON COLUMN analytics.breakouts.main_session_tied_by IS
'How main_session_id was found: by the reported id, or as the newest session of the main room '
'that was open when the breakout started (id, time); NULL where none was.';
COMMENT ON COLUMN analytics.breakouts.main_room_id IS
'The main room; NULL where no report names it.';
COMMENT ON COLUMN analytics.breakouts.main_room_name IS 'The main room''s name when last pulled.';
COMMENT ON COLUMN analytics.breakouts.opened_by_id IS
'Who opened the breakout session, as Kaltura has it: first and last name where it knows one, else '
'the user id. Where you may not see who people are, the pseudonym of such an id, and NULL for a '
'name; NULL also where Kaltura does not know. Not to be joined with person_id. Personal data.';
COMMENT ON COLUMN analytics.breakouts.session_date IS
'The local day on which the breakout session started.';
COMMENT ON COLUMN analytics.breakouts.started_at IS 'When the breakout session started.';
COMMENT ON COLUMN analytics.breakouts.ended_at IS
'When it ended; NULL while it runs or where the end is not known.';
COMMENT ON COLUMN analytics.breakouts.duration_minutes IS
'From start to end, in minutes; NULL where ended_at is.';
COMMENT ON COLUMN analytics.breakouts.estimated_people_count IS
'How many people took part, by Kaltura''s estimate.';
COMMENT ON COLUMN analytics.breakouts.people_count IS
'Identified people who took part; 0 where no attendees are listed. NULL where they are not loaded, '
'or not found, as session_id is not known.';
COMMENT ON COLUMN analytics.breakouts.total_minutes IS
'Time that all attendees spent in the breakout, in minutes. Usually part of the main session''s '
'minutes: not to be added to them. NULL as people_count is, or where no time is given for any of '
'the attendees.';
COMMENT ON COLUMN analytics.breakouts.unidentified_minutes IS
'How much of total_minutes is of people that Kaltura could not name, in minutes; NULL also where '
'such people are listed and no time is given for any.';
COMMENT ON COLUMN analytics.breakouts.engagement_ratio IS
'Share of all viewing time with an engaged viewer, 0 to 1, as report 6002 gives it; NULL where it '
'gives 0 and no people.';
