-- The register: who should have been in each session of each course, and who was. What a host's lost
-- connection cut in two is one session here (logical_sessions), and what somebody saw of each part adds up.
-- A filter on the course, or on the day, decides which are read.

CREATE VIEW analytics.course_presence AS
WITH listed AS NOT MATERIALIZED (
    SELECT
        enrolments.account_id,
        enrolments.course_id,
        lower(enrolments.person_email) AS email,
        coalesce(enrolments.person_id, lower(enrolments.person_email)) AS person,
        enrolments.role,
        enrolments.from_date,
        enrolments.to_date
    FROM university.enrolments
),

-- The sessions of each course, as in course_meetings, without whose they are: that is not asked here, and took longest to
-- plan. OFFSET: what a session was is looked up once for each, and not for each of its people.
meetings AS NOT MATERIALIZED (
    SELECT
        courses.account_id,
        courses.course_id,
        courses.attendance_threshold,
        room_sessions.entry_id AS room_id,
        room_sessions.cue_point_id AS session_id,
        room_sessions.partition_date AS session_date,
        room_sessions.session_start_time AS started_at,
        logical_sessions.session_ids,
        logical_sessions.open_minutes,
        logical_sessions.is_attendance_loaded,
        logical_sessions.is_provisional
    FROM university.courses
    INNER JOIN university.course_rooms
        ON
            courses.account_id = course_rooms.account_id
            AND courses.course_id = course_rooms.course_id
    INNER JOIN kaltura.room_sessions
        ON
            course_rooms.account_id = room_sessions.partner_id
            AND course_rooms.room_id = room_sessions.entry_id
            AND room_sessions.partition_date >= coalesce(courses.starts_on, '-infinity')
            AND room_sessions.partition_date <= coalesce(courses.ends_on, 'infinity')
    CROSS JOIN
        LATERAL (
            SELECT
                logical_sessions.is_breakout,
                logical_sessions.is_host_alone,
                logical_sessions.session_ids,
                -- Of one that was cut, a part without an end leaves the length of the whole unknown.
                CASE
                    WHEN logical_sessions.ended_at IS NOT NULL THEN logical_sessions.open_minutes
                END AS open_minutes,
                logical_sessions.is_attendance_loaded,
                logical_sessions.is_provisional
            FROM analytics.logical_sessions
            WHERE
                logical_sessions.account_id = room_sessions.partner_id
                AND logical_sessions.room_id = room_sessions.entry_id
                AND logical_sessions.logical_session_id = room_sessions.cue_point_id
            OFFSET 0  -- noqa: AM09
        ) AS logical_sessions
    -- Where nobody came but the host, nobody was expected: a test, or a room opened the evening before.
    WHERE NOT logical_sessions.is_breakout AND logical_sessions.is_host_alone IS NOT TRUE
),

came AS (
    SELECT
        meetings.account_id,
        meetings.course_id,
        meetings.attendance_threshold,
        meetings.room_id,
        meetings.session_id,
        meetings.session_date,
        meetings.started_at,
        meetings.open_minutes,
        meetings.is_attendance_loaded,
        meetings.is_provisional,
        -- Whom the list names by the id that the reports have, by another spelling of it or its pseudonym, or by e-mail: by a
        -- line that holds on the day, and by any other where none does. Who is on it twice may be named differently by each
        -- line, as retention makes a pseudonym of the one that is old. Most are named by the id, which the key finds:
        -- without it, the whole list of the course is read for each of them.
        coalesce(
            (
                SELECT min(listed.person)
                FROM listed
                WHERE
                    listed.account_id = meetings.account_id
                    AND listed.course_id = meetings.course_id
                    AND listed.person = attendees.user_id
                    AND meetings.session_date >= coalesce(listed.from_date, '-infinity')
                    AND meetings.session_date <= coalesce(listed.to_date, 'infinity')
            ),
            (
                SELECT named.person
                FROM (
                    SELECT
                        CASE WHEN listed.person = attendees.user_id THEN 1 ELSE 2 END AS way,
                        listed.person,
                        listed.from_date,
                        listed.to_date
                    FROM listed
                    WHERE
                        listed.account_id = meetings.account_id
                        AND listed.course_id = meetings.course_id
                        AND listed.person = any(
                            array(
                                SELECT unnest(ARRAY[people.user_id, people.pseudonym])
                                FROM kaltura.people
                                WHERE
                                    people.partner_id = meetings.account_id
                                    AND people.pseudonym = coalesce(
                                        (
                                            SELECT own.pseudonym
                                            FROM kaltura.people AS own
                                            WHERE
                                                own.partner_id = meetings.account_id
                                                AND own.user_id = attendees.user_id
                                        ),
                                        attendees.user_id
                                    )
                            )
                            || attendees.user_id
                        )
                    UNION ALL
                    SELECT
                        3 AS way,
                        listed.person,
                        listed.from_date,
                        listed.to_date
                    FROM listed
                    WHERE
                        listed.account_id = meetings.account_id
                        AND listed.course_id = meetings.course_id
                        AND listed.email = lower(attendees.user_email)
                    -- By a pseudonym that is kept of an e-mail, where the names of the day have gone. Of an id nobody asks.
                    UNION ALL
                    SELECT
                        4 AS way,
                        listed.person,
                        listed.from_date,
                        listed.to_date
                    FROM listed
                    WHERE
                        starts_with(attendees.user_id, 'p_')
                        AND listed.account_id = meetings.account_id
                        AND listed.course_id = meetings.course_id
                        AND listed.email = any(
                            array(
                                SELECT listed_pseudonyms.listed_as
                                FROM kaltura.listed_pseudonyms
                                WHERE
                                    listed_pseudonyms.partner_id = meetings.account_id
                                    AND listed_pseudonyms.pseudonym = attendees.user_id
                            )
                        )
                    UNION ALL
                    SELECT
                        5 AS way,
                        listed.person,
                        listed.from_date,
                        listed.to_date
                    FROM listed
                    WHERE
                        starts_with(attendees.user_id, 'p_')
                        AND listed.account_id = meetings.account_id
                        AND listed.course_id = meetings.course_id
                        AND listed.person = any(
                            array(
                                SELECT listed_pseudonyms.listed_as
                                FROM kaltura.listed_pseudonyms
                                WHERE
                                    listed_pseudonyms.partner_id = meetings.account_id
                                    AND listed_pseudonyms.pseudonym = attendees.user_id
                            )
                        )
                ) AS named
                ORDER BY
                    meetings.session_date >= coalesce(named.from_date, '-infinity')
                    AND meetings.session_date <= coalesce(named.to_date, 'infinity') DESC,
                    named.way ASC,
                    named.from_date DESC NULLS LAST,
                    named.person ASC
                LIMIT 1
            ),
            attendees.user_id
        ) AS person,
        NULL::text AS role,
        TRUE AS has_come,
        attendees.meeting_view_time AS minutes
    FROM meetings
    CROSS JOIN LATERAL unnest(meetings.session_ids) AS parts (part_id)
    INNER JOIN kaltura.attendees
        ON
            meetings.account_id = attendees.partner_id
            AND meetings.room_id = attendees.entry_id
            AND parts.part_id = attendees.cue_point_id
    WHERE meetings.is_attendance_loaded AND NOT analytics.is_nobody(attendees.user_id)
),

expected AS (
    SELECT
        meetings.account_id,
        meetings.course_id,
        meetings.attendance_threshold,
        meetings.room_id,
        meetings.session_id,
        meetings.session_date,
        meetings.started_at,
        meetings.open_minutes,
        meetings.is_attendance_loaded,
        meetings.is_provisional,
        enrolled.person,
        enrolled.role,
        FALSE AS has_come,
        NULL::double precision AS minutes
    FROM meetings
    CROSS JOIN
        LATERAL (
            -- Of several enrolments that hold on the day, that which began last.
            SELECT DISTINCT ON (listed.person)
                listed.person,
                listed.role
            FROM listed
            WHERE
                listed.account_id = meetings.account_id
                AND listed.course_id = meetings.course_id
                AND meetings.session_date >= coalesce(listed.from_date, '-infinity')
                AND meetings.session_date <= coalesce(listed.to_date, 'infinity')
            ORDER BY listed.person ASC, listed.from_date DESC NULLS LAST, listed.role ASC
            OFFSET 0  -- noqa: AM09
        ) AS enrolled
),

marks AS (
    SELECT * FROM expected
    UNION ALL
    SELECT * FROM came
),

-- What tells most rows apart comes first: they are sorted by it.
register AS NOT MATERIALIZED (
    SELECT
        person,
        session_id,
        room_id,
        course_id,
        account_id,
        session_date,
        max(attendance_threshold) AS attendance_threshold,
        max(started_at) AS started_at,
        max(open_minutes) AS open_minutes,
        bool_and(is_attendance_loaded) AS is_attendance_loaded,
        bool_or(is_provisional) AS is_provisional,
        max(role) AS role,
        bool_or(has_come) AS has_come,
        bool_or(has_come AND minutes IS NULL) AS is_partly_unknown,
        -- Of who came by two ids, 0 by the one and an unknown time by the other are not 0.
        CASE
            WHEN sum(minutes) > 0 OR bool_or(has_come AND minutes IS NULL) IS NOT TRUE
                THEN sum(minutes)
        END AS minutes
    FROM marks
    GROUP BY person, session_id, room_id, course_id, account_id, session_date
),

presence AS NOT MATERIALIZED (
    SELECT
        account_id,
        course_id,
        room_id,
        session_id,
        session_date,
        started_at,
        person,
        role,
        role IS NOT NULL AS is_enrolled,
        CASE
            WHEN NOT is_attendance_loaded THEN NULL
            WHEN NOT has_come THEN 0
            ELSE minutes
        END AS attended_minutes,
        -- Who came for a time that is not known did come.
        CASE WHEN is_attendance_loaded THEN has_come AND coalesce(minutes <> 0, TRUE) END
            AS is_present,
        CASE
            WHEN NOT is_attendance_loaded THEN NULL
            WHEN NOT has_come THEN 0
            WHEN minutes = 0 AND NOT is_partly_unknown THEN 0  -- of a session of whatever length
            WHEN minutes >= nullif(open_minutes, 0) THEN 1
            WHEN NOT is_partly_unknown THEN minutes / nullif(open_minutes, 0)
        END AS attended_ratio,
        CASE
            WHEN NOT is_attendance_loaded THEN NULL
            WHEN NOT has_come THEN FALSE
            WHEN attendance_threshold = 0 THEN coalesce(minutes <> 0, TRUE)  -- as is_present
            -- Of who came for a time that is not known, what is known may be enough.
            WHEN minutes >= attendance_threshold * nullif(open_minutes, 0) THEN TRUE
            WHEN NOT is_partly_unknown AND (minutes = 0 OR nullif(open_minutes, 0) IS NOT NULL)
                THEN FALSE
        END AS is_attended,
        is_provisional
    FROM register
)

-- A list is in the order of a class: where ids are not shown, pseudonyms alone decide on the order.
SELECT
    account_id,
    course_id,
    room_id,
    session_id,
    session_date,
    started_at,
    person AS person_id,
    role,
    is_enrolled,
    is_present,
    attended_minutes,
    attended_ratio,
    is_attended,
    is_provisional
FROM presence
WHERE analytics.shows_people_when_planned() AND (SELECT analytics.shows_people())
UNION ALL
(
    SELECT
        presence.account_id,
        presence.course_id,
        presence.room_id,
        presence.session_id,
        presence.session_date,
        presence.started_at,
        coalesce(
            people.pseudonym, substring(presence.person FROM '^p_[0-9a-f]{32}$')
        ) AS person_id,
        presence.role,
        presence.is_enrolled,
        presence.is_present,
        presence.attended_minutes,
        presence.attended_ratio,
        presence.is_attended,
        presence.is_provisional
    FROM presence
    LEFT JOIN kaltura.people
        ON
            presence.account_id = people.partner_id
            AND presence.person = people.user_id
    WHERE NOT (analytics.shows_people_when_planned() AND (SELECT analytics.shows_people()))
    ORDER BY person_id
);

COMMENT ON VIEW analytics.course_presence IS
'The register of each course: one row for each of its sessions and each person who was enrolled on '
'that day, or came (account_id, course_id, room_id, session_id, person_id). A person is one line '
'of the university''s list, or an id of Kaltura''s for who is on none. A session with nobody but '
'its host (is_host_alone in course_sessions) has none: nobody is expected at it. In a room that '
'several courses list each session is one of each course. Empty without lists.';
COMMENT ON COLUMN analytics.course_presence.account_id IS 'The Kaltura account (partner id).';
COMMENT ON COLUMN analytics.course_presence.course_id IS 'The course, as in university.courses.';
COMMENT ON COLUMN analytics.course_presence.room_id IS 'The room: the id of its Kaltura entry.';
COMMENT ON COLUMN analytics.course_presence.session_id IS
'The session, as in course_sessions: the first of those stitched (logical_sessions).';
COMMENT ON COLUMN analytics.course_presence.session_date IS
'The local day on which the session started.';
COMMENT ON COLUMN analytics.course_presence.started_at IS 'When the session started.';
COMMENT ON COLUMN analytics.course_presence.person_id IS
'The person as the list has them: the user id, or the e-mail where it has no id; of who is on no '
'list, the user id. The pseudonym where you may not see who people are or PII_MODE keeps no ids; '
'NULL where there is none. Personal data.';
COMMENT ON COLUMN analytics.course_presence.role IS
'student, teacher, assistant or observer: as on that day, and of several enrolments that hold on '
'it as the one that began last. NULL for who was not enrolled then.';
COMMENT ON COLUMN analytics.course_presence.is_enrolled IS
'Whether the person was enrolled on that day: false for a guest, who came all the same.';
COMMENT ON COLUMN analytics.course_presence.is_present IS
'Whether they came, for however long, also where no time is given; false for those who did '
'not, or were listed with 0 minutes, NULL where attendees of the session are not loaded.';
COMMENT ON COLUMN analytics.course_presence.attended_minutes IS
'Time in the session, in minutes, whichever ids and e-mails of theirs they came by; 0 for who did '
'not come, NULL where attendees of the session are not loaded, or the person came and Kaltura gave '
'no time.';
COMMENT ON COLUMN analytics.course_presence.attended_ratio IS
'Share of the time that the room was open, 0 to 1, cut at 1; NULL where attendees are not loaded, '
'or the person came and for how long, or the session''s length, is not known.';
COMMENT ON COLUMN analytics.course_presence.is_attended IS
'Whether they were there for the course''s attendance_threshold at least; false for who did '
'not come, NULL as for attended_ratio.';
COMMENT ON COLUMN analytics.course_presence.is_provisional IS
'Whether the figures may still grow, as in sessions.';
