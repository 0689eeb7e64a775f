-- The timetable against what was held. A plan is held by the session of its room that overlaps it longest. One that
-- overlaps another plan of the room longer holds this one too only where it covers half of it: the lecture before that ran
-- over by minutes does not, one lecture of two hours does. A session that overlaps no plan of its room was held without one.

CREATE VIEW analytics.planned_sessions AS
WITH plans AS NOT MATERIALIZED (
    SELECT
        timetable.account_id,
        timetable.course_id,
        timetable.room_id,
        timetable.planned_start_at,
        timetable.planned_end_at,
        (
            timetable.planned_start_at AT TIME ZONE coalesce(calendars.timezone, 'UTC')
        )::date AS planned_date,
        -- What starts at the very end is not in it.
        (
            (timetable.planned_end_at - interval '1 microsecond')
            AT TIME ZONE coalesce(calendars.timezone, 'UTC')
        )::date AS last_planned_date
    FROM university.timetable
    LEFT JOIN kaltura.calendars ON timetable.account_id = calendars.partner_id
),

held AS NOT MATERIALIZED (
    SELECT
        plans.account_id,
        plans.course_id,
        plans.room_id,
        plans.planned_date,
        plans.last_planned_date,
        plans.planned_start_at,
        plans.planned_end_at,
        openings.logical_session_id,
        openings.started_at,
        openings.ended_at,
        openings.is_provisional
    FROM plans
    LEFT JOIN LATERAL (
        SELECT
            logical_sessions.logical_session_id,
            logical_sessions.started_at,
            logical_sessions.ended_at,
            logical_sessions.is_provisional
        FROM analytics.logical_sessions
        WHERE
            logical_sessions.account_id = plans.account_id
            AND logical_sessions.room_id = plans.room_id
            AND NOT logical_sessions.is_breakout
            -- What began more than a week before is not looked at.
            AND logical_sessions.session_date >= plans.planned_date - 7
            AND logical_sessions.started_at < plans.planned_end_at
            -- Of an end that is not known it is known that it did not come before the start.
            AND coalesce(logical_sessions.ended_at, 'infinity') > plans.planned_start_at
            -- One that began half a day before is not taken to have lasted until then.
            AND (
                logical_sessions.ended_at IS NOT NULL
                OR logical_sessions.started_at > plans.planned_start_at - interval '12 hours'
            )
            AND (
                -- What is asked first is asked of the session alone: the other plans are looked up for the few that are left.
                logical_sessions.ended_at IS NULL
                OR least(logical_sessions.ended_at, plans.planned_end_at)
                - greatest(logical_sessions.started_at, plans.planned_start_at)
                >= (plans.planned_end_at - plans.planned_start_at) / 2
                OR NOT EXISTS (
                    SELECT FROM university.timetable AS others
                    WHERE
                        others.account_id = plans.account_id
                        AND others.room_id = plans.room_id
                        AND others.planned_start_at < logical_sessions.ended_at
                        AND others.planned_end_at > logical_sessions.started_at
                        AND least(logical_sessions.ended_at, others.planned_end_at)
                        - greatest(logical_sessions.started_at, others.planned_start_at)
                        > least(logical_sessions.ended_at, plans.planned_end_at)
                        - greatest(logical_sessions.started_at, plans.planned_start_at)
                )
            )
        -- least() leaves NULL out: of an end that is not known, how long it overlaps is not either.
        ORDER BY
            CASE
                WHEN logical_sessions.ended_at IS NOT NULL
                    THEN
                        least(logical_sessions.ended_at, plans.planned_end_at)
                        - greatest(logical_sessions.started_at, plans.planned_start_at)
            END DESC NULLS LAST,
            logical_sessions.started_at ASC,
            logical_sessions.logical_session_id ASC
        LIMIT 1
    ) AS openings ON TRUE
),

without_a_plan AS (
    SELECT
        course_meetings.account_id,
        course_meetings.course_id,
        course_meetings.room_id,
        course_meetings.session_id,
        course_meetings.session_date,
        course_meetings.started_at,
        course_meetings.ended_at,
        course_meetings.is_provisional
    FROM analytics.course_meetings
    -- The first and the last day that is planned of a course are looked up in its own plans.
    INNER JOIN
        LATERAL (
            SELECT
                min(plans.planned_date) AS first_date,
                max(plans.planned_date) AS last_date
            FROM plans
            WHERE
                plans.account_id = course_meetings.account_id
                AND plans.course_id = course_meetings.course_id
        ) AS spans
        ON
            course_meetings.session_date >= spans.first_date
            AND course_meetings.session_date <= spans.last_date
    WHERE
        course_meetings.is_host_alone IS NOT TRUE
        AND NOT EXISTS (
            SELECT FROM university.timetable AS planned
            WHERE
                planned.account_id = course_meetings.account_id
                AND planned.room_id = course_meetings.room_id
                AND planned.planned_end_at > course_meetings.started_at
                AND planned.planned_start_at
                < coalesce(
                    course_meetings.ended_at, course_meetings.started_at + interval '12 hours'
                )
        )
),

both_kinds AS (
    SELECT
        held.account_id,
        held.course_id,
        held.room_id,
        held.planned_date AS session_date,
        held.planned_start_at,
        held.planned_end_at,
        CASE
            -- Of a session without an end that began before, it is not known whether it lasted until the plan.
            WHEN held.ended_at IS NULL AND held.started_at < held.planned_start_at THEN NULL
            WHEN held.logical_session_id IS NOT NULL THEN 'held'
            WHEN loaded.is_over THEN 'not held'
        END AS outcome,
        held.logical_session_id AS session_id,
        held.started_at,
        held.ended_at,
        coalesce(held.is_provisional, NOT loaded.is_over) AS is_provisional
    FROM held
    LEFT JOIN LATERAL (
        -- Whether sessions of all days of the plan were pulled after its end, by pulls that had this room among them: days
        -- are whole without the rooms that the settings do not keep to. Which rooms are of an event no report says.
        SELECT
            count(DISTINCT loads.partition_date)
            = held.last_planned_date - held.planned_date + 1 AS is_over
        FROM kaltura.loads
        WHERE
            loads.partner_id = held.account_id
            AND loads.report_id = 6000
            AND loads.partition_date >= held.planned_date
            AND loads.partition_date <= held.last_planned_date
            AND loads.is_whole
            AND loads.pulled_at >= held.planned_end_at
            AND (
                loads.filters IS NULL
                OR (
                    jsonb_exists(loads.filters -> 'entry_ids', held.room_id)
                    AND NOT jsonb_exists(loads.filters, 'virtual_event_ids')
                )
            )
    ) AS loaded ON TRUE
    UNION ALL
    SELECT
        account_id,
        course_id,
        room_id,
        session_date,
        NULL AS planned_start_at,
        NULL AS planned_end_at,
        'held without a plan' AS outcome,
        session_id,
        started_at,
        ended_at,
        is_provisional
    FROM without_a_plan
)

SELECT
    both_kinds.account_id,
    both_kinds.course_id,
    courses.course_name,
    courses.department,
    courses.term,
    both_kinds.room_id,
    both_kinds.session_date,
    both_kinds.planned_start_at,
    both_kinds.planned_end_at,
    both_kinds.outcome,
    both_kinds.session_id,
    both_kinds.started_at,
    both_kinds.ended_at,
    extract(
        EPOCH FROM both_kinds.started_at - both_kinds.planned_start_at
    )::double precision / 60 AS late_minutes,
    both_kinds.is_provisional
FROM both_kinds
INNER JOIN university.courses
    ON
        both_kinds.account_id = courses.account_id
        AND both_kinds.course_id = courses.course_id;

COMMENT ON VIEW analytics.planned_sessions IS
'One row for each planned session of a course (account_id, course_id, room_id, planned_start_at), '
'and one for each session that was held without a plan between the course''s first planned day and '
'its last (session_id), but for those with nobody but their host (is_host_alone in '
'course_sessions), which are tests. Empty without a timetable.';
COMMENT ON COLUMN analytics.planned_sessions.account_id IS 'The Kaltura account (partner id).';
COMMENT ON COLUMN analytics.planned_sessions.course_id IS 'The course, as in university.courses.';
COMMENT ON COLUMN analytics.planned_sessions.course_name IS 'What the course is called.';
COMMENT ON COLUMN analytics.planned_sessions.department IS
'The department that holds the course; NULL where the list names none.';
COMMENT ON COLUMN analytics.planned_sessions.term IS
'The term, as the list names it; NULL where it names none.';
COMMENT ON COLUMN analytics.planned_sessions.room_id IS 'The room: the id of its Kaltura entry.';
COMMENT ON COLUMN analytics.planned_sessions.session_date IS
'The local day on which the plan starts; of the session where there was no plan.';
COMMENT ON COLUMN analytics.planned_sessions.planned_start_at IS
'When it was to start; NULL where there was no plan.';
COMMENT ON COLUMN analytics.planned_sessions.planned_end_at IS
'When it was to end; NULL where there was no plan.';
COMMENT ON COLUMN analytics.planned_sessions.outcome IS
'held, not held, or held without a plan; NULL where it is not known: sessions of a day that the '
'plan is on are not loaded, or were last pulled before the planned end, or by pulls that did not '
'ask for the room (KALTURA_ENTRY_IDS has others, or KALTURA_VIRTUAL_EVENT_IDS is set), or a '
'session of the room began in the 12 hours before the plan and its end is not known. Any overlap '
'is held, also a minute of a host alone (is_host_alone in course_sessions).';
COMMENT ON COLUMN analytics.planned_sessions.session_id IS
'The session of that room which overlaps the plan longest; where none does, one that may, as its '
'end is not known; else NULL. It is in course_sessions too, unless it is outside the course''s '
'term or course_rooms does not have the room for the course. One that overlaps another plan of the '
'room longer holds this one as well only where it covers half of it, as one lecture in the place '
'of two does, and not the one before that ran over.';
COMMENT ON COLUMN analytics.planned_sessions.started_at IS
'When the session started; NULL where there is none.';
COMMENT ON COLUMN analytics.planned_sessions.ended_at IS
'When it ended; NULL while it runs or where the end is not known.';
COMMENT ON COLUMN analytics.planned_sessions.late_minutes IS
'How long after the planned start the session started, in minutes; below 0 where it was open '
'before. NULL where either is.';
COMMENT ON COLUMN analytics.planned_sessions.is_provisional IS
'Whether the outcome or the times may still change.';
