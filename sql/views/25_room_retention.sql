-- Who of a room's first session came back: each later session against the first, by pseudonym, as days past
-- RETENTION_DAYS have nothing else. What a lost connection cut in two is one session, as in logical_sessions, and an opening
-- in which nobody but the host was is a test and none. Which session is the first, and the number of another, are told from
-- all that its own room had, so that a filter on session_date decides which rooms are looked at.

CREATE VIEW analytics.room_retention AS
SELECT
    sessions.account_id,
    sessions.room_id,
    sessions.room_name,
    places.session_number,
    sessions.session_id,
    sessions.session_date,
    sessions.started_at,
    present.people_count,
    places.first_session_people_count,
    present.returning_people_count,
    present.returning_people_count::double precision
    / nullif(places.first_session_people_count, 0) AS returning_ratio,
    present.people_count::double precision
    / nullif(places.first_session_people_count, 0) AS size_ratio
FROM analytics.sessions
-- Nothing but the room stands in here, so that it is looked up once a room, with who was in its first session.
CROSS JOIN
    LATERAL (  -- noqa: ST05
        WITH ordered AS NOT MATERIALIZED (
            SELECT
                room_sessions.cue_point_id AS session_id,
                room_sessions.session_start_time AS started_at,
                room_sessions.session_host_user_id AS host_id,
                max(room_sessions.session_end_time) OVER (
                    ORDER BY room_sessions.session_start_time, room_sessions.cue_point_id
                    ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
                ) AS open_until,
                -- Of most it is plain that somebody came: who never was a host of the room, by whatever id or pseudonym.
                exists(
                    SELECT FROM kaltura.attendees
                    WHERE
                        attendees.partner_id = room_sessions.partner_id
                        AND attendees.entry_id = room_sessions.entry_id
                        AND attendees.cue_point_id = room_sessions.cue_point_id
                        AND NOT analytics.is_nobody(attendees.user_id)
                        AND lower(attendees.user_id) <> all(hosts.ids)
                ) AS is_plain
            FROM kaltura.room_sessions
            CROSS JOIN (
                SELECT coalesce(array_agg(DISTINCT lower(named.id)), '{}') AS ids
                FROM (
                    SELECT DISTINCT room_sessions.session_host_user_id AS id
                    FROM kaltura.room_sessions
                    WHERE
                        room_sessions.partner_id = sessions.account_id
                        AND room_sessions.entry_id = sessions.room_id
                        AND NOT analytics.is_nobody(room_sessions.session_host_user_id)
                ) AS hosts
                LEFT JOIN kaltura.people AS own
                    ON hosts.id = own.user_id AND sessions.account_id = own.partner_id
                LEFT JOIN kaltura.people AS spelled
                    ON
                        sessions.account_id = spelled.partner_id
                        AND coalesce(own.pseudonym, hosts.id) = spelled.pseudonym
                CROSS JOIN
                    LATERAL unnest(ARRAY[hosts.id, own.pseudonym, spelled.user_id]) AS named (id)
                WHERE named.id IS NOT NULL
            ) AS hosts
            WHERE
                room_sessions.partner_id = sessions.account_id
                AND room_sessions.entry_id = sessions.room_id
        ),

        tied AS NOT MATERIALIZED (
            SELECT
                ordered.session_id,
                ordered.started_at,
                ordered.host_id,
                ordered.is_plain,
                count(*) FILTER (
                    WHERE
                    CASE
                    -- Of most it is plain that they open the room anew: nothing before them lasted so long.
                        WHEN ordered.open_until >= ordered.started_at - interval '5 minutes'
                            THEN (
                                SELECT openings.is_new
                                FROM analytics.openings
                                WHERE
                                    openings.account_id = sessions.account_id
                                    AND openings.room_id = sessions.room_id
                                    AND openings.session_id = ordered.session_id
                            )
                        ELSE TRUE
                    END
                ) OVER (ORDER BY ordered.started_at, ordered.session_id) AS meeting_number
            FROM ordered
        ),

        meetings AS NOT MATERIALIZED (
            SELECT
                tied.meeting_number,
                array_agg(tied.session_id ORDER BY tied.started_at, tied.session_id) AS session_ids,
                array_agg(lower(tied.host_id)) AS host_ids,
                bool_or(tied.is_plain) AS is_plain
            FROM tied
            GROUP BY tied.meeting_number
        ),

        -- Where it is not plain: whether it was a test, and whether somebody but the host is listed by a name, or nothing is
        -- known. Who could not be named can't be said to come back.
        judged AS NOT MATERIALIZED (
            SELECT
                meetings.meeting_number,
                meetings.session_ids,
                meetings.is_plain OR others.is_host_alone IS NOT TRUE AS is_counted,
                meetings.is_plain OR others.may_be_first AS may_be_first
            FROM meetings
            LEFT JOIN
                LATERAL (
                    SELECT
                        logical_sessions.is_host_alone,
                        logical_sessions.is_host_alone IS NULL
                        OR (
                            NOT logical_sessions.is_host_alone
                            AND EXISTS (
                                SELECT FROM kaltura.attendees
                                WHERE
                                    attendees.partner_id = sessions.account_id
                                    AND attendees.entry_id = sessions.room_id
                                    AND attendees.cue_point_id = any(meetings.session_ids)
                                    AND NOT analytics.is_nobody(attendees.user_id)
                                    AND coalesce(
                                        lower(attendees.user_id) <> all(meetings.host_ids), TRUE
                                    )
                            )
                        ) AS may_be_first
                    FROM analytics.logical_sessions
                    WHERE
                        NOT meetings.is_plain
                        AND logical_sessions.account_id = sessions.account_id
                        AND logical_sessions.room_id = sessions.room_id
                        AND logical_sessions.logical_session_id = meetings.session_ids[1]
                    OFFSET 0  -- noqa: AM09
                ) AS others
                ON TRUE
        ),

        begun AS NOT MATERIALIZED (
            SELECT
                judged.meeting_number,
                judged.session_ids,
                judged.is_counted
                AND bool_or(judged.may_be_first) OVER (ORDER BY judged.meeting_number) AS is_counted
            FROM judged
        ),

        numbered AS NOT MATERIALIZED (
            SELECT
                begun.meeting_number,
                begun.session_ids,
                CASE
                    WHEN begun.is_counted
                        THEN
                            count(*) FILTER (WHERE begun.is_counted) OVER (
                                ORDER BY begun.meeting_number
                            )
                END AS session_number
            FROM begun
        )

        -- What each began with and its number, beside one another; the parts of the few that were cut; and the first.
        SELECT
            array_agg(numbered.session_ids[1] ORDER BY numbered.meeting_number) AS opening_ids,
            array_agg(numbered.session_number ORDER BY numbered.meeting_number) AS session_numbers,
            jsonb_object_agg(numbered.session_ids[1], numbered.session_ids) FILTER (
                WHERE numbered.session_ids[2] IS NOT NULL
            ) AS parts,
            min(numbered.session_ids) FILTER (WHERE numbered.session_number = 1) AS first_ids
        FROM numbered
    ) AS rooms
LEFT JOIN LATERAL (
    SELECT
        CASE
            WHEN rooms.first_ids[2] IS NULL THEN count(*)
            ELSE count(DISTINCT coalesce(people.pseudonym, attendees.user_id))
        END AS people_count,
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
        AND attendees.cue_point_id = any(rooms.first_ids)
        AND NOT analytics.is_nobody(attendees.user_id)
    HAVING
        (
            SELECT bool_and(parts.attendance_known_until_at IS NOT NULL)
            FROM analytics.sessions AS parts
            WHERE
                parts.account_id = sessions.account_id
                AND parts.room_id = sessions.room_id
                AND parts.session_id = any(rooms.first_ids)
        )
) AS first_present ON TRUE
CROSS JOIN
    LATERAL (
        SELECT
            rooms.session_numbers[opening.place] AS session_number,
            CASE
                WHEN
                    rooms.session_numbers[opening.place] IS NOT NULL
                    THEN first_present.people_count
            END
                AS first_session_people_count,
            CASE
                WHEN jsonb_exists(rooms.parts, sessions.session_id)
                    THEN array(SELECT jsonb_array_elements_text(rooms.parts -> sessions.session_id))
                ELSE ARRAY[sessions.session_id]
            END AS session_ids
        FROM (SELECT array_position(rooms.opening_ids, sessions.session_id) AS place) AS opening
        WHERE opening.place IS NOT NULL
        OFFSET 0  -- noqa: AM09
    ) AS places
LEFT JOIN LATERAL (
    SELECT
        CASE
            WHEN places.session_ids[2] IS NULL THEN count(*)
            -- By pseudonym where there are several parts: those of days past RETENTION_DAYS have nothing else.
            ELSE
                count(
                    DISTINCT CASE
                        WHEN places.session_ids[2] IS NOT NULL
                            THEN
                                coalesce(
                                    (
                                        SELECT people.pseudonym
                                        FROM kaltura.people
                                        WHERE
                                            people.partner_id = attendees.partner_id
                                            AND people.user_id = attendees.user_id
                                    ),
                                    attendees.user_id
                                )
                    END
                )
        END AS people_count,
        -- In mode none everybody has another pseudonym in each session: who came back is not known.
        CASE
            WHEN
                places.first_session_people_count IS NOT NULL
                AND NOT EXISTS (
                    SELECT FROM kaltura.privacy
                    WHERE privacy.mode = 'none'
                )
                THEN
                    -- The pseudonym is looked up only of people whom the first session does not have under the same id.
                    count(
                        DISTINCT CASE
                            WHEN attendees.user_id = any(first_present.user_ids)
                                THEN
                                    first_present.pseudonyms[
                                        array_position(
                                            first_present.user_ids, attendees.user_id
                                        )
                                    ]
                            WHEN attendees.user_id = any(first_present.pseudonyms)
                                THEN attendees.user_id
                            ELSE (
                                SELECT people.pseudonym
                                FROM kaltura.people
                                WHERE
                                    people.partner_id = attendees.partner_id
                                    AND people.user_id = attendees.user_id
                                    AND people.pseudonym = any(first_present.pseudonyms)
                            )
                        END
                    )
        END AS returning_people_count
    FROM kaltura.attendees
    WHERE
        attendees.partner_id = sessions.account_id
        AND attendees.entry_id = sessions.room_id
        AND attendees.cue_point_id = any(places.session_ids)
        AND NOT analytics.is_nobody(attendees.user_id)
    HAVING
        CASE
            WHEN places.session_ids[2] IS NULL THEN sessions.attendance_known_until_at IS NOT NULL
            ELSE (
                SELECT bool_and(parts.attendance_known_until_at IS NOT NULL)
                FROM analytics.sessions AS parts
                WHERE
                    parts.account_id = sessions.account_id
                    AND parts.room_id = sessions.room_id
                    AND parts.session_id = any(places.session_ids)
            )
        END
) AS present ON TRUE
WHERE NOT sessions.is_breakout;

COMMENT ON VIEW analytics.room_retention IS
'One row for each session of a main room (account_id, room_id, session_id), numbered from the '
'first that somebody came to, with how many of that one''s people came back. Sessions with five '
'minutes between them at most are one, as in logical_sessions. A person is an '
'id; who has one on newer days and its pseudonym on older ones (RETENTION_DAYS) is one.';
COMMENT ON COLUMN analytics.room_retention.account_id IS 'The Kaltura account (partner id).';
COMMENT ON COLUMN analytics.room_retention.room_id IS 'The room: the id of its Kaltura entry.';
COMMENT ON COLUMN analytics.room_retention.room_name IS
'The room''s name at the first of the sessions stitched.';
COMMENT ON COLUMN analytics.room_retention.session_number IS
'Which session of the room this is, by start: 1 is the first that was loaded and that somebody but '
'the host is listed for by name, or of which attendees are not loaded, whatever days are asked '
'for. NULL for the sessions before it, and for those with nobody but their host (is_host_alone in '
'logical_sessions), which are tests: they are not numbered, and compared with nothing.';
COMMENT ON COLUMN analytics.room_retention.session_id IS
'The session: the id of the first of those stitched.';
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
