"""What each chart has to show, asked of the tables in other words than the views': by chart, a query whose columns are in
the order of the chart's own. Of courses, it is the register that is counted.
"""

_TABLES = """
WITH nobody (id) AS (VALUES (''), ('0'), ('Unknown'), ('Error')),
breakout AS (
    SELECT entry_id FROM kaltura.room_sessions
    WHERE parent_entry_id IS NOT NULL AND parent_entry_id NOT IN (SELECT id FROM nobody)
    UNION SELECT breakout_entry_id FROM kaltura.breakout_sessions
),
a AS (
    SELECT entry_id, cue_point_id, user_id, user_type, meeting_view_time AS minutes, partition_date AS day,
        user_id NOT IN (SELECT id FROM nobody) AS is_person,
        CASE WHEN meeting_view_time > 0 THEN meeting_engaged_play_time_ratio END AS ratio,
        coalesce((SELECT pseudonym FROM kaltura.people WHERE people.user_id = attendees.user_id), user_id) AS pseudonym
    FROM kaltura.attendees WHERE entry_id NOT IN (SELECT entry_id FROM breakout)
),
s AS (
    SELECT entry_id, cue_point_id, entry_name AS room, partition_date AS day, session_start_time AS began,
        session_end_time AS ended, meeting_view_period_unique_users AS estimate,
        CASE WHEN (
            SELECT is_provisional FROM analytics.sessions
            WHERE room_id = entry_id AND session_id = cue_point_id
        ) THEN 'provisional' ELSE 'final' END AS state,
        (SELECT pseudonym FROM kaltura.people WHERE user_id = session_host_user_id) AS host
    FROM kaltura.room_sessions WHERE entry_id NOT IN (SELECT entry_id FROM breakout)
),
sa AS (
    SELECT s.room, s.state, s.host, s.day, s.entry_id, s.cue_point_id, a.user_id, a.minutes, a.ratio, a.is_person, a.pseudonym
    FROM s INNER JOIN a USING (entry_id, cue_point_id)
),
c AS (
    SELECT course_presence.*,
        coalesce(
            (SELECT pseudonym FROM kaltura.people WHERE user_id = person_id), substring(person_id FROM '^p_[0-9a-f]{32}$')
        ) AS shown
    FROM analytics.course_presence
),
held AS (SELECT * FROM analytics.course_sessions)
"""
_WEEK = "date_trunc('week', {day}::timestamp)::date"
WEEK = _WEEK.format(day="day")
OVER = "WHERE day < date_trunc('week', now())::date"
WEEK_STATE = """CASE WHEN {state} = 'provisional' THEN 'provisional'
    WHEN {day} + 7 - extract(isodow FROM {day})::integer < current_date THEN 'final' ELSE 'running week' END"""
_SESSIONS_WEEK = WEEK_STATE.format(state="state", day="day")
ENGAGED = "sum(minutes * ratio) / sum(minutes) FILTER (WHERE ratio IS NOT NULL)"
OF_SESSIONS = f"(SELECT {ENGAGED} FROM sa AS one WHERE {{where}})"
UNTIL = "(SELECT max(day) FROM told AS t WHERE NOT EXISTS (SELECT FROM told WHERE day <= t.day AND NOT ({holds})))"
STUDENT = "is_enrolled AND role = 'student'"
HOSTED = "host IS NOT NULL"
NEWEST_NAME = "(array_agg(s.room ORDER BY s.began DESC NULLS LAST))[1]"
ACCOUNT = "(SELECT min(partner_id) FROM kaltura.loads)"
_SESSIONS = """
SELECT began::timestamp, room, entry_id, {columns}extract(epoch FROM ended - began) / 60,
    (SELECT count(*) FROM sa WHERE sa.entry_id = s.entry_id AND sa.cue_point_id = s.cue_point_id AND is_person), estimate,
    (SELECT sum(minutes * ratio) / nullif(sum(minutes) FILTER (WHERE ratio IS NOT NULL), 0) FROM sa
     WHERE sa.entry_id = s.entry_id AND sa.cue_point_id = s.cue_point_id), state
FROM s WHERE {where}"""


def _pulled(report: int) -> str:
    return f"SELECT max(pulled_at::timestamp) FROM kaltura.loads WHERE report_id = {report}"


_DAYS = """
days AS (
    SELECT day::date AS day,
        (SELECT count(DISTINCT report_id) FROM kaltura.loads WHERE partition_date = day::date AND report_id < 6002) = 2 AS loaded,
        day::date NOT IN (SELECT unnest(provisional_dates) FROM analytics.data_freshness) AS settled
    FROM generate_series(
        (SELECT min(partition_date) FROM kaltura.loads), (SELECT max(partition_date) FROM kaltura.loads), interval '1 day') AS day
), told AS (
    SELECT day, loaded, CASE WHEN NOT loaded THEN 'missing' WHEN settled THEN 'final' ELSE 'provisional' END AS state FROM days
)
"""

QUERIES = {
    # --- At a glance
    "How far the data are known": f"""
        SELECT {ACCOUNT}, {UNTIL.format(holds="loaded")}, {UNTIL.format(holds="state = 'final'")},
            count(*) FILTER (WHERE NOT loaded), count(*) FILTER (WHERE state = 'provisional') FROM told""",
    "Sessions of the week": f"SELECT {WEEK}, count(*) FROM s {OVER} GROUP BY 1",
    "People of the week": f"SELECT {WEEK}, count(DISTINCT user_id) FROM a {OVER} AND is_person GROUP BY 1",
    "Hours of the week": f"SELECT {WEEK}, sum(minutes) / 60 FROM sa {OVER} GROUP BY 1",
    "Engagement of the week": f"""
        SELECT week, {OF_SESSIONS.format(where=f"{_WEEK.format(day='one.day')} = week")}
        FROM (SELECT DISTINCT {WEEK} AS week FROM s {OVER}) AS weeks""",
    "Sessions week by week": f"SELECT {WEEK}, {_SESSIONS_WEEK}, count(*) FROM s GROUP BY 1, 2",
    "Hours week by week": f"""
        SELECT {WEEK}, {_SESSIONS_WEEK}, sum(minutes) / 60
        FROM s LEFT JOIN sa USING (entry_id, cue_point_id, state, day) GROUP BY 1, 2""",
    "The week's hours": """
        SELECT to_char(hour, 'HH24'), to_char(hour, 'ID Dy'),
            sum(extract(epoch FROM least(until, hour + interval '1 hour') - greatest(began, hour))) / 3600
        FROM (
            SELECT began, coalesce(ended, began + interval '1 minute' * (
                SELECT max(minutes) FROM sa WHERE sa.entry_id = s.entry_id AND sa.cue_point_id = s.cue_point_id AND is_person
            ), began) AS until FROM s
        ) AS open, generate_series(date_trunc('hour', began), until, interval '1 hour') AS hour
        WHERE until > hour OR until = began GROUP BY 1, 2""",
    "Engagement bands": """
        SELECT to_char(band / 10.0, 'FM0.0') || ' to ' || to_char((band + 1) / 10.0, 'FM0.0'), count(*)
        FROM (SELECT least(floor(ratio * 10), 9) AS band FROM a WHERE is_person AND minutes > 0 AND ratio IS NOT NULL) AS rated
        GROUP BY band""",
    "Busiest rooms": f"""
        SELECT entry_id, {ACCOUNT}, {NEWEST_NAME}, sum(sa.minutes) / 60, count(DISTINCT cue_point_id),
            {OF_SESSIONS.format(where="one.entry_id = s.entry_id")},
            count(DISTINCT cue_point_id) FILTER (WHERE s.state = 'provisional')
        FROM s LEFT JOIN sa USING (entry_id, cue_point_id) GROUP BY s.entry_id""",
    # --- One course
    "Sessions held": "SELECT count(*) FROM (SELECT DISTINCT course_id, room_id, session_id FROM held) AS h",
    "Attendance": f"SELECT avg(is_attended::integer) FROM c WHERE {STUDENT}",
    "Attendances without enrolment": "SELECT count(*) FROM c WHERE NOT is_enrolled",
    "Sessions that may still change": "SELECT count(*) FROM held WHERE is_provisional",
    "Attended and absent by week": f"""
        SELECT {_WEEK.format(day="session_date")}, count(*) FILTER (WHERE {STUDENT} AND is_attended),
            count(*) FILTER (WHERE {STUDENT} AND NOT is_attended)
        FROM c WHERE NOT is_provisional GROUP BY 1""",
    "Planned and held": f"""
        SELECT {_WEEK.format(day="session_date")}, coalesce(outcome, 'not known yet'), count(*)
        FROM analytics.planned_sessions GROUP BY 1, 2""",
    "Attendance by person": """
        SELECT shown, role, count(*) FILTER (WHERE is_enrolled),
            count(*) FILTER (WHERE is_enrolled AND is_attended), count(*) FILTER (WHERE is_enrolled AND NOT is_attended),
            avg(is_attended::integer) FILTER (WHERE is_enrolled)
        FROM c WHERE is_enrolled GROUP BY course_id, person_id, shown, role""",
    "Absences": f"""
        SELECT session_date, shown, attended_minutes > 0, attended_minutes,
            CASE WHEN is_provisional THEN 'provisional' ELSE 'final' END
        FROM c WHERE {STUDENT} AND NOT is_attended""",
    "Sessions of the course": f"""
        SELECT courses.course_name, c.started_at::timestamp, count(*) FILTER (WHERE {STUDENT}),
            count(*) FILTER (WHERE {STUDENT} AND is_attended), count(*) FILTER (WHERE {STUDENT} AND NOT is_attended),
            count(*) FILTER (WHERE NOT is_enrolled)
        FROM c INNER JOIN university.courses USING (account_id, course_id)
        GROUP BY courses.course_name, c.room_id, c.session_id, c.started_at""",
    # --- One room, one host
    "Room: sessions": "SELECT count(*) FROM s",
    "Room: hours": "SELECT sum(minutes) / 60 FROM sa",
    "Room: engagement": f"SELECT {OF_SESSIONS.format(where='TRUE')}",
    "Room: provisional": "SELECT count(*) FROM s WHERE state = 'provisional'",
    "Room: who was there": f"""
        SELECT pseudonym, {ACCOUNT}, sum(minutes) / 60, count(DISTINCT cue_point_id), max(day)
        FROM a WHERE is_person GROUP BY 1""",
    "Room: its sessions": _SESSIONS.format(columns="", where="TRUE"),
    "Host: sessions": f"SELECT count(*) FROM s WHERE {HOSTED}",
    "Host: hours": f"SELECT sum(minutes) / 60 FROM sa WHERE {HOSTED}",
    "Host: engagement": f"SELECT {OF_SESSIONS.format(where=HOSTED)}",
    "Host: provisional": f"SELECT count(*) FROM s WHERE state = 'provisional' AND {HOSTED}",
    "Hosts and their rooms": f"""
        SELECT s.host, entry_id, {ACCOUNT}, {NEWEST_NAME}, count(DISTINCT cue_point_id), sum(sa.minutes) / 60,
            {OF_SESSIONS.format(where="one.entry_id = s.entry_id AND one.host = s.host")}
        FROM s LEFT JOIN sa USING (entry_id, cue_point_id) WHERE s.{HOSTED} GROUP BY s.host, s.entry_id""",
    "Host: their sessions": _SESSIONS.format(columns="host, ", where=HOSTED),
    # --- Who was there
    "People": "SELECT count(DISTINCT user_id) FROM a WHERE is_person",
    "Guests": "SELECT count(DISTINCT user_id) FROM a WHERE is_person AND user_type = 'Guest'",
    "Hours of attendance": "SELECT sum(minutes) / 60 FROM sa",
    "Unidentified share": "SELECT sum(minutes) FILTER (WHERE NOT is_person) / sum(minutes) FROM sa",
    "People week by week": f"""
        SELECT week, CASE WHEN week = date_trunc('week', now())::date THEN 'running week'
            WHEN (SELECT count(*) FROM told WHERE state = 'final' AND day >= week AND day < week + 7) < 7 THEN 'provisional'
            ELSE 'final' END, people
        FROM (SELECT {WEEK} AS week, count(DISTINCT user_id) AS people FROM a WHERE is_person GROUP BY 1) AS weeks""",
    "People and their time": f"""
        SELECT pseudonym, {ACCOUNT}, NULL, sum(minutes) / 60, count(DISTINCT cue_point_id), {ENGAGED}, max(day)
        FROM a WHERE is_person GROUP BY pseudonym""",
    "Rooms and who was there": f"""
        SELECT entry_id, {ACCOUNT}, {NEWEST_NAME}, count(DISTINCT user_id) FILTER (WHERE is_person), count(DISTINCT cue_point_id),
            sum(minutes) / 60
        FROM a LEFT JOIN s USING (entry_id, cue_point_id) GROUP BY entry_id""",
    # --- Is it complete?
    "Sessions pulled": _pulled(6000),
    "Attendees pulled": _pulled(6001),
    "Breakouts pulled": _pulled(6002),
    "Missing days": "SELECT count(*) FROM told WHERE NOT loaded",
    "Provisional days": "SELECT count(*) FROM told WHERE state = 'provisional'",
    "Days by what is known": f"SELECT {WEEK}, state, count(*) FROM told GROUP BY 1, 2",
    "Kaltura's estimate against the rows": f"""
        SELECT {WEEK}, sum(estimate), sum((
            SELECT count(*) FROM sa WHERE sa.entry_id = s.entry_id AND sa.cue_point_id = s.cue_point_id))
            FILTER (WHERE estimate IS NOT NULL)
        FROM s WHERE state = 'final' GROUP BY 1""",
    "Rows that could not be used": "SELECT report_id, is_repaired, reason, count(*) FROM kaltura.rejects GROUP BY 1, 2, 3",
    "Restated sessions": """
        SELECT DISTINCT partition_date, key ->> 'cue_point_id' FROM kaltura.changes
        INNER JOIN kaltura.loads ON loads.id = changes.load_id
        WHERE table_name IN ('room_sessions', 'attendees')
        UNION SELECT partition_date, cue_point_id FROM kaltura.room_sessions
        WHERE first_loaded_at > (
            SELECT min(loaded_at) FROM kaltura.loads
            WHERE report_id = 6000 AND loads.partition_date = room_sessions.partition_date)""",
    "Days that are not final": "SELECT day, state, loaded, loaded, loaded FROM told WHERE state <> 'final'",
}
for _of, _where in (("Room", "TRUE"), ("Host", HOSTED)):
    QUERIES[f"{_of}: hours week by week"] = (
        f"SELECT {WEEK}, {_SESSIONS_WEEK}, sum(minutes) / 60 FROM s LEFT JOIN sa USING (entry_id, cue_point_id, state, day, host)"
        f" WHERE {_where} GROUP BY 1, 2"
    )

# Of these, the columns of the chart that the query above counts anew; of all others, each.
SOME_COLUMNS = {
    "Attendance by person": (
        "person_id", "role", "session_count", "attended_session_count", "absence_count", "attendance_ratio",
    ),
    "Sessions of the course": (
        "course_name", "started_local", "student_count", "attended_count", "absent_count", "not_enrolled_count",
    ),
}  # fmt: skip


def query(chart: str) -> str:
    return f"{_TABLES.rstrip()}, {_DAYS}{QUERIES[chart]}"
