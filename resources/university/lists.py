"""The university's own lists: what each file is called, which columns it has, and what its rows are known by.

A list is a file of `UNIVERSITY_DIR` and a table of schema `university`, under one name. What is in a column is described
once, here: the check of a file, the statements and the UI's column schema are derived from it.
"""

from dataclasses import dataclass

from resources.table import Column, Kind

ACCOUNT = "account_id"
PERSON_ID, PERSON_EMAIL = "person_id", "person_email"
ROLE = "role"
ROLES = ("student", "teacher", "assistant", "observer")
DEFAULTS = {ROLE: "student", "attendance_threshold": "0.5"}
"""What an empty field of a column stands for, where it is not nothing."""


@dataclass(frozen=True)
class UniversityList:
    """One list. `account_id` leads its table and key, and may be left out of the file.

    `in_order`: two columns of which the second is not before the first, and only equal to it where they are days.
    """

    name: str
    description: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    in_order: tuple[str, str] | None = None
    names_people: bool = False

    @property
    def file_name(self) -> str:
        return f"{self.name}.csv"

    @property
    def column_names(self) -> list[str]:
        return [column.name for column in self.columns]

    @property
    def has_times(self) -> bool:
        """Whether what it says depends on the time zone that local times are read in."""
        return any(column.kind is Kind.TIME for column in self.columns)

    @property
    def required_columns(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns if not column.optional)


_COURSE = Column("course_id", Kind.TEXT, "The course, by the university's own id.", nullable=False)
_ROOM = Column("room_id", Kind.TEXT, "The room: the id of its Kaltura entry.", nullable=False)

COURSES = UniversityList(
    name="courses",
    description="One row for each course, as often as it is held: its department and term, and the days that count.",
    columns=(
        _COURSE,
        Column("course_name", Kind.TEXT, "What the course is called.", optional=True),
        Column("department", Kind.TEXT, "The department, school or faculty that holds it.", optional=True),
        Column("term", Kind.TEXT, "The term, by the university's own name for it.", optional=True),
        Column("starts_on", Kind.DATE, "The first local day whose sessions count.", optional=True),
        Column("ends_on", Kind.DATE, "The last local day whose sessions count.", optional=True),
        Column(
            "attendance_threshold",
            Kind.RATIO,
            "For what share of a session somebody has to be there to have attended it.",
            optional=True,
        ),
    ),
    key=("course_id",),
    in_order=("starts_on", "ends_on"),
)
COURSE_ROOMS = UniversityList(
    name="course_rooms",
    description="One row for each course and main room that it is held in.",
    columns=(_COURSE, _ROOM),
    key=("course_id", "room_id"),
)
ENROLMENTS = UniversityList(
    name="enrolments",
    description="One row for each person in each course, by their user id at Kaltura or, in PII_MODE=full, their e-mail.",
    columns=(
        _COURSE,
        Column(PERSON_ID, Kind.TEXT, "The person's user id at Kaltura.", person=True, optional=True),
        Column(PERSON_EMAIL, Kind.TEXT, "The e-mail by which Kaltura knows the person.", personal=True, optional=True),
        Column(ROLE, Kind.TEXT, f"{', '.join(ROLES[:-1])} or {ROLES[-1]}.", optional=True),
        Column("from_date", Kind.DATE, "The first local day of the enrolment.", optional=True),
        Column("to_date", Kind.DATE, "The last local day of the enrolment.", optional=True),
    ),
    key=("course_id", PERSON_ID, PERSON_EMAIL, "from_date"),
    in_order=("from_date", "to_date"),
    names_people=True,
)
TIMETABLE = UniversityList(
    name="timetable",
    description="One row for each session that was planned: a course in a room at a time.",
    columns=(
        _COURSE,
        _ROOM,
        Column("planned_start_at", Kind.TIME, "When the session was to start.", nullable=False),
        Column("planned_end_at", Kind.TIME, "When it was to end.", nullable=False),
    ),
    key=("course_id", "room_id", "planned_start_at"),
    in_order=("planned_start_at", "planned_end_at"),
)

LISTS = (COURSES, COURSE_ROOMS, ENROLMENTS, TIMETABLE)
"""In the order in which they are loaded: what names a course comes after the courses."""
