"""The invented people and rooms of the university: who they are and what they are called. Nobody here exists.

Among them are the names that break careless readers: commas, lone quotes, line breaks inside a name, `NA`, `=cmd`,
and ids like 00123.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np

from simulator.viewing import User
from simulator.world import UNKNOWN

STUDENTS = 4000
STAFF = 120
GUESTS = 900
_UNRESOLVED = 4  # internal users that the API does not know
_RECREATED = 2  # internal users of one who was deleted and created again
_SHARING = _UNRESOLVED + _RECREATED

_FIRST_NAMES = (
    "Alba", "Bram", "Cleo", "Dario", "Edda", "Falk", "Gwen", "Hale", "Ines", "Jory", "Kaia", "Lark", "Milo", "Nell",
    "Odin", "Pia", "Quill", "Rhea", "Soren", "Tove", "Uma", "Vidal", "Wren", "Xenia", "Yael", "Zeno",
)  # fmt: skip
_LAST_NAMES = (
    "Dummond", "Exampleton", "Fakerson", "Fictley", "Inventson", "Madeuppe", "Mockridge", "Notreal", "Placeholder",
    "Pretendle", "Samplewood", "Stubbs-Sample", "Testerly", "Untrue", "Von Beispiel",
)  # fmt: skip
# Each stands for a way in which real names have broken readers of unquoted CSV.
_DIRTY_PEOPLE = (
    ("00123", "Zero Leading-Sample"),
    ("comma.fictley", "Fictley, Comma, PhD"),
    ("quote.dummond", '"Quill Dummond'),
    ("newline.testerly", "Newline\nTesterly"),
    ("separator.untrue", "Line\u2028Separator Untrue"),
    ("tab.untrue", "Vertical\x0bTab Untrue"),
    ("na.notreal", "NA"),
    ("null.notreal", "null"),
    ("=cmd", "=cmd('not a formula')"),
    ("party.placeholder", "Party \U0001f389 Placeholder"),
    ("umlaut.beispiel", "Jürgen Größe-Beispiel"),
    ("-5", "+1 Samplewood"),
)
SUBJECTS = (
    "Coastal Ecology", "Imaginary Numbers", "History of Maps", "Organic Chemistry", "Labour Economics", "Signal Theory",
    "Ethics, Law & Society", "Renaissance Prose", "Soil Mechanics", "Cell Biology", "Game Theory", "Glacier Dynamics",
    "Public Health", "Operating Systems", "Phonetics", "Urban Design", "Quantum Optics", "Macroeconomics", "Statics",
    "Comparative Myth",
)  # fmt: skip


class Kind(Enum):
    LECTURE = "Lecture"
    SEMINAR = "Seminar"
    OFFICE_HOUR = "Office Hour"


@dataclass(frozen=True)
class Room:
    """A main room, with the people who usually meet in it (positions in the university's list of users)."""

    entry_id: str
    name: str
    kind: Kind
    host: User
    roster: np.ndarray[tuple[int], np.dtype[np.int64]]


def kaltura_id(*facts: object) -> str:
    """An id that looks like Kaltura's, the same for the same facts."""
    number = int.from_bytes(hashlib.blake2b(repr(facts).encode(), digest_size=8).digest())
    digits = "0123456789abcdefghijklmnopqrstuvwxyz"
    return "1_" + "".join(digits[number // 36**place % 36] for place in range(8))


@dataclass(frozen=True)
class People:
    """Everybody, with an internal number that is their position."""

    everybody: Sequence[User]
    staff: Sequence[User]
    students: range
    guests: range
    odd: range  # dirty names, users without a name or an identity, one user in two internal numbers


def invented_people(seed: int) -> People:
    """The university's people. The seed chooses who is called what."""
    random = np.random.default_rng([seed, 1])
    everybody: list[User] = []

    def add(user_id: str, name: str, email: str, user_type: str = "User") -> None:
        everybody.append(User(len(everybody), user_id, name, email, user_type))

    firsts = random.integers(len(_FIRST_NAMES), size=STAFF + STUDENTS + GUESTS).tolist()
    lasts = random.integers(len(_LAST_NAMES), size=len(firsts)).tolist()
    for at, (first, last) in enumerate(zip(firsts, lasts, strict=True)):
        name = f"{_FIRST_NAMES[first]} {_LAST_NAMES[last]}"
        if at < STAFF + STUDENTS:
            user_id = f"{_FIRST_NAMES[first]}.{_LAST_NAMES[last]}{at}".lower().replace(" ", "-")
            add(user_id, name, f"{user_id}@example.edu")
        else:
            add(f"guest-{at - STAFF - STUDENTS:04d}", name, f"visitor{at}@example.org" if at % 3 else "", "Guest")
    odd_from = len(everybody)
    for user_id, name in _DIRTY_PEOPLE:
        add(user_id, name, f"person{len(everybody)}@example.edu")
    add(UNKNOWN, "", "")
    for _ in range(_UNRESOLVED):
        add("", "", "", "")
    for _ in range(_RECREATED):
        add("twice.samplewood", "Twice Samplewood", "twice.samplewood@example.edu")
    students_from, guests_from = STAFF, STAFF + STUDENTS
    return People(
        everybody, everybody[:STAFF], range(students_from, guests_from), range(guests_from, odd_from),
        range(odd_from, len(everybody)),
    )  # fmt: skip


def main_rooms(seed: int, count: int, people: People) -> list[Room]:
    """The main rooms: half lectures, three in ten seminars, the rest office hours."""
    random = np.random.default_rng([seed, 2])
    made = []
    for number in range(count):
        kind = (Kind.LECTURE, Kind.SEMINAR, Kind.LECTURE, Kind.OFFICE_HOUR, Kind.LECTURE,
                Kind.SEMINAR, Kind.LECTURE, Kind.SEMINAR, Kind.LECTURE, Kind.OFFICE_HOUR)[number % 10]  # fmt: skip
        size = {Kind.LECTURE: 110, Kind.SEMINAR: 32, Kind.OFFICE_HOUR: 40}[kind]
        roster = np.concatenate([
            random.choice(np.arange(people.students.start, people.students.stop), size, replace=False),
            random.choice(np.arange(people.guests.start, people.guests.stop), size // 12, replace=False),
            random.choice(np.arange(people.odd.start, people.odd.stop - _SHARING), 2, replace=False),
            # Equal keys in one reply need internal users that share an id to meet in one room.
            np.arange(people.odd.stop - _SHARING, people.odd.stop) if number % 10 == 1 else np.empty(0, dtype=np.int64),
        ])  # fmt: skip
        host = people.staff[number % len(people.staff)]
        name = f"{SUBJECTS[number % len(SUBJECTS)]} {100 + number}: {kind.value}"
        made.append(Room(kaltura_id(seed, "room", number), _dirtied(name, number), kind, host, roster))
    return made


def _dirtied(name: str, number: int) -> str:
    """A few rooms carry names that break careless readers; the rest keep theirs."""
    return {11: f'"{name}', 17: f"{name}\u2028(recorded)", 23: f"\U0001f30d {name}", 31: "N/A"}.get(number, name)
