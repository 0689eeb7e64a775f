"""The lists that the invented university keeps of itself, as CSV: its courses, their rooms, who is enrolled, the timetable.

They are as imperfect as real ones: some students never come, guests come who are not enrolled, a few sessions were
planned and not held, and a few held without a plan.
"""

import csv
import io
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta

import numpy as np

from simulator.people import SUBJECTS, Kind, Room
from simulator.university import University
from simulator.world import UNKNOWN, Session

# As many as there are subjects, in their order.
_DEPARTMENTS = (
    "Life Sciences", "Mathematics", "Humanities", "Physical Sciences", "Economics", "Engineering", "Humanities",
    "Humanities", "Engineering", "Life Sciences", "Economics", "Physical Sciences", "Life Sciences", "Engineering",
    "Humanities", "Engineering", "Physical Sciences", "Economics", "Engineering", "Humanities",
)  # fmt: skip
_NEVER_COME = 3  # students of each course
_WITHOUT_A_PLAN = 0.04  # of the sessions
_NOT_HELD_PROBABILITY = 0.03  # a planned session more, for each course and day of the week's first five
_PLANNED_AHEAD = timedelta(days=7)

Row = tuple[object, ...]


def lists(university: University, first: date, last: date) -> dict[str, str]:
    """What each file holds, by the list's name, for the terms of these days. Sessions are planned a week ahead."""
    rooms = [(number, room) for number, room in enumerate(university.rooms) if room.kind is not Kind.OFFICE_HOUR]
    terms = sorted({_term(day) for day in _days(first, last + _PLANNED_AHEAD)})
    held = [(number, room, term) for term in terms for number, room in rooms]
    return {
        "courses": _csv(
            ("course_id", "course_name", "department", "term", "starts_on", "ends_on", "attendance_threshold"),
            (_course(number, room, term) for number, room, term in held),
        ),
        "course_rooms": _csv(
            ("course_id", "room_id"), ((_course_id(number, term), room.entry_id) for number, room, term in held)
        ),
        "enrolments": _csv(
            ("course_id", "person_id", "role"),
            (row for number, room, term in held for row in _enrolled(university, number, room, term)),
        ),
        "timetable": _csv(
            ("course_id", "room_id", "planned_start_at", "planned_end_at"),
            _once(_timetable(university, rooms, first, last + _PLANNED_AHEAD)),
        ),
    }


def _course(number: int, room: Room, term: str) -> Row:
    subject = number % len(SUBJECTS)
    name = f"{SUBJECTS[subject]} {100 + number}"
    threshold = 0.5 if room.kind is Kind.LECTURE else 0.75
    return (_course_id(number, term), name, _DEPARTMENTS[subject], term, *_span(term), threshold)


def _course_id(number: int, term: str) -> str:
    return f"{100 + number}-{term.replace(' ', '-')}"


def _term(day: date) -> str:
    return f"{day.year} {'spring' if day.month <= 6 else 'autumn'}"


def _span(term: str) -> tuple[date, date]:
    year, half = term.split()
    if half == "spring":
        return date(int(year), 1, 1), date(int(year), 6, 30)
    return date(int(year), 7, 1), date(int(year), 12, 31)


def _enrolled(university: University, number: int, room: Room, term: str) -> Iterator[Row]:
    people = university.people
    random = np.random.default_rng([university.seed, 3, number])
    absent = random.choice(np.arange(people.students.start, people.students.stop), _NEVER_COME, replace=False)
    users = [people.everybody[at] for at in (*room.roster.tolist(), *absent.tolist())]
    ids = dict.fromkeys(user.user_id for user in users if user.user_type == "User")
    course_id = _course_id(number, term)
    yield course_id, room.host.user_id, "teacher"
    for user_id in ids:
        if user_id not in ("", UNKNOWN, room.host.user_id):
            yield course_id, user_id, "student"


def _timetable(university: University, rooms: list[tuple[int, Room]], first: date, last: date) -> Iterator[Row]:
    numbers = {room.entry_id: number for number, room in rooms}
    for day in _days(first, last):
        random = np.random.default_rng([university.seed, 4, day.toordinal()])
        for session in university.on(day).sessions:
            if session.entry_id in numbers and random.random() >= _WITHOUT_A_PLAN:
                yield _planned(session, _course_id(numbers[session.entry_id], _term(day)))
        for number, room in rooms if day.weekday() < 5 else ():
            if random.random() < _NOT_HELD_PROBABILITY:
                start = datetime(day.year, day.month, day.day, 19, tzinfo=university.timezone).astimezone(UTC)
                yield _course_id(number, _term(day)), room.entry_id, _told(start), _told(start + timedelta(minutes=90))


def _once(planned: Iterable[Row]) -> list[Row]:
    """In order; of two that begin in a room at the same time, the longer one: a room is planned for one at a time."""
    return list({row[:3]: row for row in sorted(planned)}.values())


def _planned(session: Session, course_id: str) -> Row:
    """Plans are made in steps of five minutes, and people come a little late."""
    start = (session.started_at + 120) // 300 * 300
    minutes = max(5, round(((session.ended_at or session.started_at) - session.started_at) / 300) * 5)
    planned = datetime.fromtimestamp(start, UTC)
    return course_id, session.entry_id, _told(planned), _told(planned + timedelta(minutes=minutes))


def _told(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%MZ}"


def _days(first: date, last: date) -> Iterator[date]:
    for number in range((last - first).days + 1):
        yield first + timedelta(days=number)


def _csv(header: Row, rows: Iterable[Row]) -> str:
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\n").writerows([header, *rows])
    return out.getvalue()
