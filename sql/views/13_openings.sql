-- Which sessions open their room anew, and which go on with what came before: a short gap, or none, under the same host.
-- Each is decided by looking back in its own room, so that a filter on days or rooms decides which are looked at.

CREATE VIEW analytics.openings AS
SELECT
    partner_id AS account_id,
    entry_id AS room_id,
    cue_point_id AS session_id,
    partition_date AS session_date,
    session_start_time AS started_at,
    CASE
        -- Not within five minutes of the end of anything before it. Sessions of more than twelve hours are few, and have
        -- an index of their own: others need no looking for further back.
        WHEN
            NOT EXISTS (
                SELECT FROM kaltura.room_sessions AS earlier
                WHERE
                    earlier.partner_id = room_sessions.partner_id
                    AND earlier.entry_id = room_sessions.entry_id
                    AND (earlier.session_start_time, earlier.cue_point_id)
                    < (room_sessions.session_start_time, room_sessions.cue_point_id)
                    AND earlier.session_start_time
                    >= room_sessions.session_start_time - interval '12 hours 5 minutes'
                    AND earlier.session_end_time
                    >= room_sessions.session_start_time - interval '5 minutes'
            )
            AND NOT EXISTS (
                SELECT FROM kaltura.room_sessions AS earlier
                WHERE
                    earlier.session_end_time - earlier.session_start_time > interval '12 hours'
                    AND earlier.partner_id = room_sessions.partner_id
                    AND earlier.entry_id = room_sessions.entry_id
                    AND (earlier.session_start_time, earlier.cue_point_id)
                    < (room_sessions.session_start_time, room_sessions.cue_point_id)
                    AND earlier.session_end_time
                    >= room_sessions.session_start_time - interval '5 minutes'
            )
            THEN TRUE
        WHEN
            analytics.is_nobody(session_host_user_id) IS NOT FALSE
            -- In mode none a host has another pseudonym in each session: who it was is not known then.
            OR EXISTS (
                SELECT FROM kaltura.privacy
                WHERE privacy.mode = 'none'
            )
            THEN FALSE
        -- Another host than the last known one of what it goes on with: one from before a gap is of another meeting.
        -- By pseudonym, as days past RETENTION_DAYS have nothing else.
        ELSE coalesce(
            coalesce(
                (
                    SELECT people.pseudonym
                    FROM kaltura.people
                    WHERE
                        people.partner_id = room_sessions.partner_id
                        AND people.user_id = room_sessions.session_host_user_id
                ),
                session_host_user_id
            ) <> (
                SELECT
                    CASE
                        WHEN
                            NOT EXISTS (
                                SELECT FROM kaltura.room_sessions AS later
                                WHERE
                                    later.partner_id = earlier.partner_id
                                    AND later.entry_id = earlier.entry_id
                                    AND (later.session_start_time, later.cue_point_id)
                                    > (earlier.session_start_time, earlier.cue_point_id)
                                    AND (later.session_start_time, later.cue_point_id)
                                    < (room_sessions.session_start_time, room_sessions.cue_point_id)
                                    AND NOT EXISTS (
                                        SELECT FROM kaltura.room_sessions AS previous
                                        WHERE
                                            previous.partner_id = later.partner_id
                                            AND previous.entry_id = later.entry_id
                                            AND (previous.session_start_time, previous.cue_point_id)
                                            < (
                                                later.session_start_time,
                                                later.cue_point_id
                                            )
                                            AND previous.session_end_time
                                            >= later.session_start_time - interval '5 minutes'
                                    )
                            )
                            THEN coalesce(
                                (
                                    SELECT people.pseudonym
                                    FROM kaltura.people
                                    WHERE
                                        people.partner_id = earlier.partner_id
                                        AND people.user_id = earlier.session_host_user_id
                                ),
                                earlier.session_host_user_id
                            )
                    END
                FROM kaltura.room_sessions AS earlier
                WHERE
                    earlier.partner_id = room_sessions.partner_id
                    AND earlier.entry_id = room_sessions.entry_id
                    AND (earlier.session_start_time, earlier.cue_point_id)
                    < (room_sessions.session_start_time, room_sessions.cue_point_id)
                    AND NOT analytics.is_nobody(earlier.session_host_user_id)
                ORDER BY earlier.session_start_time DESC, earlier.cue_point_id DESC
                LIMIT 1
            ),
            FALSE
        )
    END AS is_new
FROM kaltura.room_sessions;

COMMENT ON VIEW analytics.openings IS
'One row for each session of each room (account_id, room_id, session_id): whether it opens the '
'room anew, or goes on with what came before, as logical_sessions has it.';
COMMENT ON COLUMN analytics.openings.account_id IS 'The Kaltura account (partner id).';
COMMENT ON COLUMN analytics.openings.room_id IS 'The room: the id of its Kaltura entry.';
COMMENT ON COLUMN analytics.openings.session_id IS 'The session, as in sessions.';
COMMENT ON COLUMN analytics.openings.session_date IS
'The local day on which the session started.';
COMMENT ON COLUMN analytics.openings.started_at IS 'When the session started.';
COMMENT ON COLUMN analytics.openings.is_new IS
'FALSE where the session started within five minutes of the end of an earlier one of its room, or '
'before it, and not under another host than the last one known since such a start (PII_MODE=none: '
'under whichever host).';
