"""What is shown of one course, by the university's own lists, and of one room and one host."""

from pipelines.dashboards.board import Board, Placed, Row, Select, Tab, whole
from pipelines.dashboards.charts import DAY, Bars, Number, Table
from pipelines.dashboards.known import A_ROOM, ACCOUNT, KNOWN, MAIN, ROOM, WEEK

_COURSE_NUMBERS = (
    ("Sessions held", "Sessions of the course's rooms on the days chosen, of those of its term.", "sessions"),
    ("Attendance", "Attendances as a share of them and absences, of enrolled students.", "attendance_share"),
    (
        "Attendances without enrolment",
        "Identified people in a session who were not on the list that day: once for each session that they came to.",
        "not_enrolled",
    ),
    ("Sessions that may still change", "Sessions whose figures may still grow.", "provisional"),
)
COURSE = Tab(
    "",
    "Choose a course: *Department* and *Term* narrow the choice. It needs the university's own lists (docs/lists.md): without"
    " enrolments nobody is absent, without a timetable nothing is planned. Who stayed for less than the course asks for is"
    " absent.",
    (
        Row(
            18,
            tuple(
                Placed(Number(name, words, "course_sessions", (metric,), time="session_date"), 3)
                for name, words, metric in _COURSE_NUMBERS
            ),
        ),
        Row(
            50,
            (
                Placed(
                    Bars(
                        "Attended and absent by week",
                        "Enrolled students of each session, by week. Provisional sessions are left out.",
                        "course_sessions",
                        ("attended", "absent"),
                        time="session_date",
                        where=("NOT is_provisional",),
                        x=DAY,
                        every=WEEK,
                    ),
                    6,
                ),
                Placed(
                    Bars(
                        "Planned and held",
                        "Planned sessions by week: held, not held, held without a plan, or not known yet.",
                        "planned_sessions",
                        ("sessions",),
                        ("result",),
                        time="session_date",
                        x=DAY,
                        every=WEEK,
                    ),
                    6,
                ),
            ),
        ),
        whole(
            60,
            Table(
                "Attendance by person",
                "Everybody on the course's list, also who never came, over the whole term.",
                "course_attendance",
                (),
                (
                    "person_id",
                    "role",
                    "session_count",
                    "attended_session_count",
                    "absence_count",
                    "attendance_ratio",
                    "last_seen_date",
                    "is_at_risk",
                    "state",
                ),
                where=("is_enrolled",),
                order=(("absence_count", False), ("person_id", True)),
                limit=500,
            ),
        ),
        whole(
            60,
            Table(
                "Absences",
                "Who was enrolled and did not come, or not for long enough, the newest session first.",
                "absences",
                (),
                ("session_date", "person_id", "is_partly_attended", "attended_minutes", "state"),
                time="session_date",
                order=(("session_date", False), ("person_id", True)),
                limit=500,
            ),
        ),
        whole(
            60,
            Table(
                "Sessions of the course",
                "Each session, the newest first.",
                "course_sessions",
                (),
                (
                    "course_name",
                    "started_local",
                    "room_name",
                    "open_minutes",
                    "student_count",
                    "attended_count",
                    "absent_count",
                    "not_enrolled_count",
                    "state",
                ),
                time="session_date",
                order=(("started_local", False),),
                limit=500,
            ),
        ),
    ),
)


def _figures(of: str) -> tuple[Placed, ...]:
    told = (
        ("sessions", "Main sessions.", "sessions"),
        ("hours", "Time that all attendees spent in them.", "hours"),
        ("engagement", "Share of that time that was spent engaged, weighed by minutes.", "engagement"),
        ("provisional", "How many of the sessions may still grow.", "provisional"),
    )
    where = {"Room": (), "Host": ("host_id IS NOT NULL",)}[of]
    return tuple(
        Placed(Number(f"{of}: {name}", words, "sessions", (metric,), time="session_date", where=where), 3)
        for name, words, metric in told
    )


def _sessions(of: str, *columns: str) -> Table:
    where = {"Room": (), "Host": ("host_id IS NOT NULL",)}[of]
    return Table(
        f"{of}: its sessions" if of == "Room" else f"{of}: their sessions",
        "Each main session, the newest first.",
        "sessions",
        (),
        (
            "started_local",
            *columns,
            "duration_minutes",
            "people_count",
            "estimated_people_count",
            "weighted_engagement_ratio",
            "state",
        ),
        time="session_date",
        where=(MAIN, *where),
        order=(("started_local", False), ("room_name", True)),
        limit=500,
    )


def _by_week(of: str) -> Bars:
    where = {"Room": (), "Host": ("host_id IS NOT NULL",)}[of]
    return Bars(
        f"{of}: hours week by week",
        "Attendees' hours in main sessions by week; those of sessions that may still grow apart.",
        "sessions",
        ("hours",),
        ("week_state",),
        time="session_date",
        where=(MAIN, *where),
        x=DAY,
        every=WEEK,
    )


ONE_ROOM = Tab(
    "One room",
    "Choose a room under *Room*, and under *Room id* where several have its name; without one, all rooms are shown together.",
    (
        Row(18, _figures("Room")),
        Row(
            50,
            (
                Placed(_by_week("Room"), 6),
                Placed(
                    Table(
                        "Room: who was there",
                        "People in the room's main sessions. A pseudonym, but for those who may see who people are.",
                        "attendance",
                        ("hours", "sessions", "last_seen"),
                        ("person_id", "account_id"),
                        time="session_date",
                        where=("is_identified", MAIN),
                        order=(("hours", False),),
                        limit=200,
                    ),
                    6,
                ),
            ),
        ),
        whole(60, _sessions("Room", "room_name", "room_id")),
    ),
)
ONE_HOST = Tab(
    "One host",
    "Choose a host under *Host*: an id, or its pseudonym where you may not see who people are. Without one, all hosts are"
    " shown together. Sessions of which Kaltura knows no host are left out.",
    (
        Row(18, _figures("Host")),
        whole(50, _by_week("Host")),
        whole(
            56,
            Table(
                "Hosts and their rooms",
                "Which host taught in which room, for how long.",
                "sessions",
                ("newest_room_name", "sessions", "hours", "engagement"),
                ("host_id", *A_ROOM),
                time="session_date",
                where=(MAIN, "host_id IS NOT NULL"),
                order=(("hours", False),),
                limit=200,
            ),
        ),
        whole(60, _sessions("Host", "room_name", "room_id", "host_id")),
    ),
)

COURSES = Board(
    "One course",
    "kaltura-one-course",
    "A course's sessions, attendance by person, absences, and what was planned and held.",
    KNOWN,
    (COURSE,),
    (
        ACCOUNT,
        Select("Department", "courses", "department"),
        Select("Term", "courses", "term"),
        Select(
            "Course",
            "courses",
            "course_id",
            "One course, by its id in the university's list.",
            is_one=True,
            within=("Department", "Term"),
        ),
    ),
)

ROOMS = Board(
    "One room, one host",
    "kaltura-one-room",
    "A room's sessions and people; a host's sessions and rooms.",
    KNOWN,
    (ONE_ROOM, ONE_HOST),
    (ACCOUNT, *ROOM, Select("Host", "sessions", "host_id")),
)
