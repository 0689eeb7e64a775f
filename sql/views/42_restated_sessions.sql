-- What a later pull changed in a session's figures, and in those of its attendees. kaltura.changes
-- keeps the rows that were updated or removed. Attendees that were added are known by having been loaded
-- after their session, in the transaction of the load that brought them; sessions, by an earlier whole load of their day
-- that could have had them.

CREATE VIEW analytics.restated_sessions AS
WITH session_changes AS (
    SELECT
        loads.partner_id,
        loads.partition_date,
        loads.pulled_at,
        changes.key ->> 'entry_id' AS entry_id,
        changes.key ->> 'cue_point_id' AS cue_point_id,
        (changes.before ->> 'session_end_time')::timestamptz AS ended_before_at,
        (changes.after ->> 'session_end_time')::timestamptz AS ended_after_at,
        (changes.before ->> 'meeting_view_period_unique_users')::bigint AS people_before,
        (changes.after ->> 'meeting_view_period_unique_users')::bigint AS people_after,
        (changes.before ->> 'meeting_engaged_play_time_ratio')::double precision AS ratio_before,
        (changes.after ->> 'meeting_engaged_play_time_ratio')::double precision AS ratio_after,
        changes.load_id
    FROM kaltura.changes
    INNER JOIN kaltura.loads ON changes.load_id = loads.id
    WHERE changes.table_name = 'room_sessions' AND changes.change = 'update'
),

attendance_changes AS (
    SELECT
        loads.partner_id,
        loads.partition_date,
        loads.pulled_at,
        changes.key ->> 'entry_id' AS entry_id,
        changes.key ->> 'cue_point_id' AS cue_point_id,
        changes.change,
        (changes.before ->> 'meeting_view_time')::double precision AS minutes_before,
        (changes.after ->> 'meeting_view_time')::double precision AS minutes_after,
        (changes.before ->> 'meeting_engaged_play_time_ratio')::double precision AS ratio_before,
        (changes.after ->> 'meeting_engaged_play_time_ratio')::double precision AS ratio_after,
        changes.load_id
    FROM kaltura.changes
    INNER JOIN kaltura.loads ON changes.load_id = loads.id
    WHERE changes.table_name = 'attendees'
),

-- A session that had begun when its room was last asked for, and was not listed then. What brings it first of a day that
-- is not loaded yet is no restatement.
session_additions AS NOT MATERIALIZED (
    SELECT
        room_sessions.partner_id,
        room_sessions.partition_date,
        loads.pulled_at,
        room_sessions.entry_id,
        room_sessions.cue_point_id,
        room_sessions.first_loaded_at,
        loads.id AS load_id
    FROM kaltura.room_sessions
    INNER JOIN kaltura.loads
        ON
            room_sessions.partner_id = loads.partner_id
            AND room_sessions.partition_date = loads.partition_date
            AND room_sessions.first_loaded_at = loads.loaded_at
            AND loads.report_id = 6000
    WHERE
        EXISTS (
            SELECT FROM kaltura.loads AS earlier
            WHERE
                earlier.partner_id = room_sessions.partner_id
                AND earlier.report_id = 6000
                AND earlier.partition_date = room_sessions.partition_date
                AND earlier.is_whole
                -- A day that redate made of several loads has the time of one and the pull of another.
                AND earlier.redated_from IS NULL
                AND earlier.loaded_at < room_sessions.first_loaded_at
                AND earlier.pulled_at > room_sessions.session_start_time
                AND (
                    earlier.filters IS NULL
                    OR (
                        jsonb_exists(earlier.filters -> 'entry_ids', room_sessions.entry_id)
                        AND NOT jsonb_exists(earlier.filters, 'virtual_event_ids')
                    )
                )
        )
),

-- What the first whole load of a day brings is no restatement, however late it comes.
first_attendance_loads AS (
    SELECT
        partner_id,
        partition_date,
        min(loaded_at) AS loaded_at
    FROM kaltura.loads
    WHERE report_id = 6001 AND is_whole
    GROUP BY partner_id, partition_date
),

-- Those that came after their session, and those that came with one that was added. Each by itself, so that a filter on
-- the day begins with its loads.
attendance_additions AS (
    SELECT
        attendees.partner_id,
        attendees.partition_date,
        loads.pulled_at,
        attendees.entry_id,
        attendees.cue_point_id,
        attendees.meeting_view_time AS minutes,
        loads.id AS load_id
    FROM kaltura.attendees
    INNER JOIN kaltura.room_sessions
        ON
            attendees.partner_id = room_sessions.partner_id
            AND attendees.entry_id = room_sessions.entry_id
            AND attendees.cue_point_id = room_sessions.cue_point_id
            AND attendees.first_loaded_at > room_sessions.first_loaded_at
    INNER JOIN kaltura.loads
        ON
            attendees.partner_id = loads.partner_id
            AND attendees.partition_date = loads.partition_date
            AND attendees.first_loaded_at = loads.loaded_at
            AND loads.report_id = 6001
    INNER JOIN first_attendance_loads
        ON
            attendees.partner_id = first_attendance_loads.partner_id
            AND attendees.partition_date = first_attendance_loads.partition_date
            AND attendees.first_loaded_at > first_attendance_loads.loaded_at
    UNION ALL
    SELECT
        session_additions.partner_id,
        session_additions.partition_date,
        arrivals.pulled_at,
        session_additions.entry_id,
        session_additions.cue_point_id,
        arrivals.minutes,
        arrivals.load_id
    FROM session_additions
    -- OFFSET: sessions that were added are few, and are found first.
    CROSS JOIN
        LATERAL (
            SELECT
                loads.id AS load_id,
                loads.pulled_at,
                attendees.meeting_view_time AS minutes
            FROM kaltura.attendees
            INNER JOIN kaltura.loads
                ON
                    attendees.partner_id = loads.partner_id
                    AND attendees.partition_date = loads.partition_date
                    AND attendees.first_loaded_at = loads.loaded_at
                    AND loads.report_id = 6001
            WHERE
                attendees.partner_id = session_additions.partner_id
                AND attendees.entry_id = session_additions.entry_id
                AND attendees.cue_point_id = session_additions.cue_point_id
                AND attendees.partition_date = session_additions.partition_date
                AND attendees.first_loaded_at = session_additions.first_loaded_at
                AND EXISTS (
                    SELECT FROM kaltura.loads AS earlier
                    WHERE
                        earlier.partner_id = attendees.partner_id
                        AND earlier.report_id = 6001
                        AND earlier.partition_date = attendees.partition_date
                        AND earlier.is_whole
                        AND earlier.loaded_at < attendees.first_loaded_at
                )
            OFFSET 0  -- noqa: AM09
        ) AS arrivals
),

-- The four in one shape. A change of nothing but a name is none of figures, and left out.
restatements AS (
    SELECT
        partner_id,
        partition_date,
        pulled_at,
        entry_id,
        cue_point_id,
        load_id AS session_load_id,
        NULL::bigint AS attendance_load_id,
        FALSE AS is_addition,
        ended_before_at,
        ended_after_at,
        people_before,
        people_after,
        ratio_before,
        ratio_after,
        0 AS added,
        0 AS changed,
        0 AS removed,
        NULL::double precision AS minutes_change
    FROM session_changes
    WHERE
        (ended_before_at, people_before, ratio_before)
        IS DISTINCT FROM (ended_after_at, people_after, ratio_after)
    UNION ALL
    SELECT
        partner_id,
        partition_date,
        pulled_at,
        entry_id,
        cue_point_id,
        NULL AS session_load_id,
        load_id AS attendance_load_id,
        FALSE AS is_addition,
        NULL AS ended_before_at,
        NULL AS ended_after_at,
        NULL AS people_before,
        NULL AS people_after,
        NULL AS ratio_before,
        NULL AS ratio_after,
        0 AS added,
        (change = 'update')::integer AS changed,
        (change = 'remove')::integer AS removed,
        -- From or to a time that is not given, it is not known by how much.
        CASE
            WHEN change = 'remove' THEN -minutes_before
            WHEN coalesce(minutes_before, minutes_after) IS NULL THEN 0
            ELSE minutes_after - minutes_before
        END AS minutes_change
    FROM attendance_changes
    WHERE
        change = 'remove'
        OR (minutes_before, ratio_before) IS DISTINCT FROM (minutes_after, ratio_after)
    UNION ALL
    SELECT
        partner_id,
        partition_date,
        pulled_at,
        entry_id,
        cue_point_id,
        NULL AS session_load_id,
        load_id AS attendance_load_id,
        FALSE AS is_addition,
        NULL AS ended_before_at,
        NULL AS ended_after_at,
        NULL AS people_before,
        NULL AS people_after,
        NULL AS ratio_before,
        NULL AS ratio_after,
        1 AS added,
        0 AS changed,
        0 AS removed,
        minutes AS minutes_change
    FROM attendance_additions
    UNION ALL
    SELECT
        partner_id,
        partition_date,
        pulled_at,
        entry_id,
        cue_point_id,
        load_id AS session_load_id,
        NULL AS attendance_load_id,
        TRUE AS is_addition,
        NULL AS ended_before_at,
        NULL AS ended_after_at,
        NULL AS people_before,
        NULL AS people_after,
        NULL AS ratio_before,
        NULL AS ratio_after,
        0 AS added,
        0 AS changed,
        0 AS removed,
        NULL AS minutes_change
    FROM session_additions
),


-- One pull brings sessions and attendees in two loads: they are one restatement.
by_pull AS (
    SELECT
        partner_id,
        partition_date,
        pulled_at,
        entry_id,
        cue_point_id,
        max(session_load_id) AS session_load_id,
        max(attendance_load_id) AS attendance_load_id,
        bool_or(is_addition) AS is_addition,
        max(ended_before_at) AS ended_before_at,
        max(ended_after_at) AS ended_after_at,
        max(people_before) AS people_before,
        max(people_after) AS people_after,
        max(ratio_before) AS ratio_before,
        max(ratio_after) AS ratio_after,
        sum(added) AS added,
        sum(changed) AS changed,
        sum(removed) AS removed,
        CASE
            WHEN sum(added + changed + removed) = 0 THEN 0
            ELSE sum(minutes_change)
        END AS minutes_change
    FROM restatements
    GROUP BY partner_id, partition_date, pulled_at, entry_id, cue_point_id
)

SELECT
    by_pull.partner_id AS account_id,
    by_pull.cue_point_id AS session_id,
    by_pull.entry_id AS room_id,
    room_sessions.entry_name AS room_name,
    exists(
        SELECT FROM analytics.breakout_rooms
        WHERE
            breakout_rooms.account_id = by_pull.partner_id
            AND breakout_rooms.room_id = by_pull.entry_id
    ) AS is_breakout,
    by_pull.partition_date AS session_date,
    by_pull.pulled_at,
    by_pull.session_load_id,
    by_pull.attendance_load_id,
    extract(
        EPOCH FROM by_pull.pulled_at - room_sessions.session_end_time
    )::double precision / 60 AS after_end_minutes,
    (
        by_pull.session_load_id IS NOT NULL
        AND by_pull.ended_before_at IS NULL
        AND by_pull.ended_after_at IS NOT NULL
    ) AS is_completion,
    by_pull.is_addition,
    by_pull.ended_before_at,
    by_pull.ended_after_at,
    by_pull.people_before AS estimated_people_before_count,
    by_pull.people_after AS estimated_people_after_count,
    by_pull.ratio_before AS engagement_before_ratio,
    by_pull.ratio_after AS engagement_after_ratio,
    by_pull.added AS added_attendance_count,
    by_pull.changed AS changed_attendance_count,
    by_pull.removed AS removed_attendance_count,
    by_pull.minutes_change AS changed_minutes
FROM by_pull
LEFT JOIN kaltura.room_sessions
    ON
        by_pull.partner_id = room_sessions.partner_id
        AND by_pull.entry_id = room_sessions.entry_id
        AND by_pull.cue_point_id = room_sessions.cue_point_id;

COMMENT ON VIEW analytics.restated_sessions IS
'One row for each session and later pull that changed its figures or those of its attendees, or '
'brought it of a day that had been whole without it (account_id, room_id, session_id, pulled_at). '
'A change of names alone is left out; so are breakouts as report 6002 gives them.';
COMMENT ON COLUMN analytics.restated_sessions.account_id IS 'The Kaltura account (partner id).';
COMMENT ON COLUMN analytics.restated_sessions.session_id IS 'The session, as in sessions.';
COMMENT ON COLUMN analytics.restated_sessions.room_id IS 'The room: the id of its Kaltura entry.';
COMMENT ON COLUMN analytics.restated_sessions.room_name IS
'The room''s name when last pulled; NULL where report 6000 does not list the session.';
COMMENT ON COLUMN analytics.restated_sessions.is_breakout IS
'Whether the room is a breakout room: whose people and minutes are in the main session as well.';
COMMENT ON COLUMN analytics.restated_sessions.session_date IS
'The local day on which the session started.';
COMMENT ON COLUMN analytics.restated_sessions.pulled_at IS
'When the pull that brought the change began.';
COMMENT ON COLUMN analytics.restated_sessions.session_load_id IS
'The load (kaltura.loads.id) that changed or added the session; NULL where only attendees changed.';
COMMENT ON COLUMN analytics.restated_sessions.attendance_load_id IS
'The load (kaltura.loads.id) that changed attendees; NULL where only the session changed.';
COMMENT ON COLUMN analytics.restated_sessions.after_end_minutes IS
'How long after the session''s end, as now known, the pull began, in minutes; NULL where the end '
'is not known.';
COMMENT ON COLUMN analytics.restated_sessions.is_completion IS
'Whether the session had no end before and has one now: a session that was running when first '
'pulled, completed as expected.';
COMMENT ON COLUMN analytics.restated_sessions.is_addition IS
'Whether the pull brought the session itself: it had begun when its day was pulled whole before, '
'and was not listed then. Its people are those added. Not known of a day that redate has moved, '
'until it is pulled whole again.';
COMMENT ON COLUMN analytics.restated_sessions.ended_before_at IS
'End of the session before the change; NULL where there was none, or the session itself did not '
'change, or was added.';
COMMENT ON COLUMN analytics.restated_sessions.ended_after_at IS
'End of the session after the change; NULL as for ended_before_at.';
COMMENT ON COLUMN analytics.restated_sessions.estimated_people_before_count IS
'Kaltura''s estimate of people before the change; NULL where the session itself did not change, '
'or was added.';
COMMENT ON COLUMN analytics.restated_sessions.estimated_people_after_count IS
'Kaltura''s estimate of people after the change; NULL where the session itself did not change, '
'or was added.';
COMMENT ON COLUMN analytics.restated_sessions.engagement_before_ratio IS
'The session''s engagement before the change, 0 to 1; NULL where the session itself did not '
'change, or was added.';
COMMENT ON COLUMN analytics.restated_sessions.engagement_after_ratio IS
'The session''s engagement after the change, 0 to 1; NULL where the session itself did not '
'change, or was added.';
COMMENT ON COLUMN analytics.restated_sessions.added_attendance_count IS
'Attendees that the pull added. One that a still later pull removed again is not counted.';
COMMENT ON COLUMN analytics.restated_sessions.changed_attendance_count IS
'Attendees whose minutes or engagement the pull changed.';
COMMENT ON COLUMN analytics.restated_sessions.removed_attendance_count IS
'Attendees that the pull removed: an unidentified person who has been identified since, say.';
COMMENT ON COLUMN analytics.restated_sessions.changed_minutes IS
'By how much the attendees'' minutes changed in all; below 0 where they became fewer. For an '
'attendee added and changed again later, today''s minutes count as added. NULL where attendees '
'changed, and of none a time is given before and after.';
