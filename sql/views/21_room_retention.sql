-- Who of a room's first session came back: each later session against the first, by pseudonym, as days past
-- RETENTION_DAYS have nothing else. An opening in which nobody but the host was, before anybody came, is a test and no
-- first session. Which session is the first, and the number of another, are looked up in its own room, so that a filter
-- on session_date decides which are looked at.

CREATE VIEW analytics.room_retention AS
WITH numbered_sessions AS (
    SELECT
        sessions.account_id,
        sessions.room_id,
        sessions.room_name,
        sessions.session_id,
        sessions.session_date,
        sessions.started_at,
        sessions.attendance_known_until_at,
        numbers.session_number,
        first_sessions.user_ids,
        first_sessions.pseudonyms,
        CASE WHEN numbers.session_number IS NOT NULL THEN first_sessions.people_count END
            AS first_session_people_count
    FROM analytics.sessions
    -- The openings of a room are looked at in their order, and no further than to the one that counts. Nothing but the
    -- room stands in here, so that it is looked up once a room, with who was there.
    LEFT JOIN LATERAL (  -- noqa: ST05
        SELECT
            openings.cue_point_id AS session_id,
            openings.session_start_time AS started_at,
            present.people_count,
            present.user_ids,
            present.pseudonyms
        FROM (
            SELECT
                room_sessions.cue_point_id,
                room_sessions.session_start_time,
                room_sessions.session_host_user_id,
                (
                    SELECT count(*) > 0
                    FROM kaltura.loads
                    WHERE
                        loads.partner_id = room_sessions.partner_id
                        AND loads.partition_date = room_sessions.partition_date
                        AND loads.report_id = 6001
                        AND loads.is_whole
                ) AS is_attendance_loaded
            FROM kaltura.room_sessions
            WHERE
                room_sessions.partner_id = sessions.account_id
                AND room_sessions.entry_id = sessions.room_id
            ORDER BY room_sessions.session_start_time, room_sessions.cue_point_id
        ) AS openings
        LEFT JOIN LATERAL (
            SELECT
                count(*) AS people_count,
                array_agg(attendees.user_id) AS user_ids,
                array_agg(coalesce(people.pseudonym, attendees.user_id)) AS pseudonyms
            FROM kaltura.attendees
            LEFT JOIN kaltura.people
                ON
                    attendees.partner_id = people.partner_id
                    AND attendees.user_id = people.user_id
            WHERE
                attendees.partner_id = sessions.account_id
                AND attendees.entry_id = sessions.room_id
                AND attendees.cue_point_id = openings.cue_point_id
                AND NOT analytics.is_nobody(attendees.user_id)
            HAVING openings.is_attendance_loaded
        ) AS present ON TRUE
        WHERE
            NOT openings.is_attendance_loaded
            OR EXISTS (
                SELECT FROM kaltura.attendees
                WHERE
                    attendees.partner_id = sessions.account_id
                    AND attendees.entry_id = sessions.room_id
                    AND attendees.cue_point_id = openings.cue_point_id
                    AND NOT analytics.is_nobody(attendees.user_id)
                    AND lower(attendees.user_id)
                    IS DISTINCT FROM lower(openings.session_host_user_id)
            )
        ORDER BY openings.session_start_time, openings.cue_point_id
        LIMIT 1
    ) AS first_sessions ON TRUE
    LEFT JOIN LATERAL (
        SELECT nullif(count(*), 0) AS session_number
        FROM kaltura.room_sessions
        WHERE
            room_sessions.partner_id = sessions.account_id
            AND room_sessions.entry_id = sessions.room_id
            AND (room_sessions.session_start_time, room_sessions.cue_point_id)
            >= (first_sessions.started_at, first_sessions.session_id)
            AND (room_sessions.session_start_time, room_sessions.cue_point_id)
            <= (sessions.started_at, sessions.session_id)
    ) AS numbers ON TRUE
    WHERE NOT sessions.is_breakout
)

SELECT
    numbered_sessions.account_id,
    numbered_sessions.room_id,
    numbered_sessions.room_name,
    numbered_sessions.session_number,
    numbered_sessions.session_id,
    numbered_sessions.session_date,
    numbered_sessions.started_at,
    present.people_count,
    numbered_sessions.first_session_people_count,
    present.returning_people_count,
    present.returning_people_count::double precision
    / nullif(numbered_sessions.first_session_people_count, 0) AS returning_ratio,
    present.people_count::double precision
    / nullif(numbered_sessions.first_session_people_count, 0) AS size_ratio
FROM numbered_sessions
LEFT JOIN LATERAL (
    SELECT
        count(*) AS people_count,
        -- In mode none everybody has another pseudonym in each session: who came back is not known.
        CASE
            WHEN
                numbered_sessions.first_session_people_count IS NOT NULL
                AND NOT EXISTS (
                    SELECT FROM kaltura.privacy
                    WHERE privacy.mode = 'none'
                )
                THEN
                    -- Only of whom the first session does not have as they stand here is the pseudonym looked up.
                    count(
                        DISTINCT CASE
                            WHEN attendees.user_id = any(numbered_sessions.user_ids)
                                THEN
                                    numbered_sessions.pseudonyms[
                                        array_position(
                                            numbered_sessions.user_ids, attendees.user_id
                                        )
                                    ]
                            WHEN attendees.user_id = any(numbered_sessions.pseudonyms)
                                THEN attendees.user_id
                            ELSE (
                                SELECT people.pseudonym
                                FROM kaltura.people
                                WHERE
                                    people.partner_id = attendees.partner_id
                                    AND people.user_id = attendees.user_id
                                    AND people.pseudonym = any(numbered_sessions.pseudonyms)
                            )
                        END
                    )
        END AS returning_people_count
    FROM kaltura.attendees
    WHERE
        attendees.partner_id = numbered_sessions.account_id
        AND attendees.entry_id = numbered_sessions.room_id
        AND attendees.cue_point_id = numbered_sessions.session_id
        AND NOT analytics.is_nobody(attendees.user_id)
    HAVING numbered_sessions.attendance_known_until_at IS NOT NULL
) AS present ON TRUE;

COMMENT ON VIEW analytics.room_retention IS
'One row for each session of a main room (account_id, room_id, session_id), numbered from the '
'first that somebody came to, with how many of that one''s people came back. A person is an '
'id; who has one on newer days and its pseudonym on older ones (RETENTION_DAYS) is one.';
COMMENT ON COLUMN analytics.room_retention.account_id IS 'The Kaltura account (partner id).';
COMMENT ON COLUMN analytics.room_retention.room_id IS 'The room: the id of its Kaltura entry.';
COMMENT ON COLUMN analytics.room_retention.room_name IS 'The room''s name at this session.';
COMMENT ON COLUMN analytics.room_retention.session_number IS
'Which session of the room this is, by start: 1 is the first that was loaded and that somebody but '
'the host is listed for, or of which attendees are not loaded, whatever days are asked for. NULL '
'for the openings before it, which are tests, as are all figures of the first session there.';
COMMENT ON COLUMN analytics.room_retention.session_id IS 'The session, as in sessions.';
COMMENT ON COLUMN analytics.room_retention.session_date IS
'The local day on which the session started.';
COMMENT ON COLUMN analytics.room_retention.started_at IS 'When the session started.';
COMMENT ON COLUMN analytics.room_retention.people_count IS
'Identified people in this session; NULL where its attendees are not loaded.';
COMMENT ON COLUMN analytics.room_retention.first_session_people_count IS
'Identified people in the room''s first session, the host too; NULL where its attendees are not '
'loaded, and where session_number is.';
COMMENT ON COLUMN analytics.room_retention.returning_people_count IS
'How many of the first session''s people are in this one; for the first, all of them. '
'NULL where attendees of either are not loaded, where session_number is, and in PII_MODE none, '
'where nobody can be followed from one session to the next.';
COMMENT ON COLUMN analytics.room_retention.returning_ratio IS
'returning_people_count as a share of first_session_people_count, 0 to 1; NULL as for '
'returning_people_count.';
COMMENT ON COLUMN analytics.room_retention.size_ratio IS
'people_count as a multiple of first_session_people_count, newcomers included; NULL where '
'attendees of either are not loaded, and where session_number is.';
