"""Erased means erased, of everybody who can be there: people in every combination of places, and every byte searched.

Each person has names and ids that nobody else has and that one pattern finds, in capitals, in JSON and in what Dagster
compresses. A table or column that is added later is searched by itself, and has to have somebody in it before.
"""

import datetime as dt
import enum
import itertools
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg
import pytest
from conftest import Databases
from leaks import opened_files
from pipeline import Pipeline

from assets.reports import REPORTS
from resources.local import postgres as local_postgres
from resources.postgres.session import opened
from resources.privacy.erasure import erase
from resources.privacy.listed_pseudonyms import keep
from resources.privacy.people import lock_exclusively
from resources.privacy.pseudonyms import EXTRA, Mode, Privacy
from simulator import Breakout, Fault, ListedWorld, Running, Session, User, View, serving
from tests.integration.test_privacy import KEY

DAY, REFUSED_DAY = dt.date(2026, 3, 2), dt.date(2026, 3, 3)
TABLES = [report.table for report in REPORTS]


class Place(enum.Flag):
    """Where a person can stand."""

    HOSTS = enum.auto()
    ATTENDS = enum.auto()
    OPENS = enum.auto()  # a breakout, by name; and another, by id
    IS_REFUSED = enum.auto()  # a line of theirs can't be used, nor pieces of others
    IS_IN_EXTRA = enum.auto()  # of somebody else's row
    CHANGES = enum.auto()  # their rows, and their name, when pulled again
    IS_ASKED_FOR = enum.auto()
    SHARES_NAME = enum.auto()  # with somebody who is not erased
    IS_SPELLED = enum.auto()  # in capitals, with blanks around, in a session of its own
    IS_LISTED = enum.auto()  # by the university: by id in capitals, by id and e-mail, by e-mail in capitals


# Where a name stands beside the id, so that it is known as theirs; the name from before, where a change keeps it.
NAMES_THEM = {"maiden": Place.ATTENDS | Place.IS_SPELLED, "": Place.ATTENDS | Place.IS_SPELLED | Place.IS_REFUSED}

# What is searched for, whatever its case: the kind of trace and the number of the person.
TRACE = re.compile(rb"zq(id|first|last|maiden|mail|twin)(\d{4})x", re.IGNORECASE)
PSEUDONYM = re.compile(rb"p_[0-9a-f]{32}")
Traces = set[tuple[str, int]]


@dataclass(frozen=True)
class Person:
    number: int
    places: Place

    @property
    def user_id(self) -> str:
        return f"zqid{self.number:04}x"

    @property
    def name(self) -> str:
        return f"Zqfirst{self.number:04}x O'Zqlast{self.number:04}x"

    @property
    def email(self) -> str:
        return f"zqmail{self.number:04}x@example.edu"

    @property
    def maiden(self) -> str:
        return f"Another Zqmaiden{self.number:04}x"

    @property
    def is_erased(self) -> bool:
        return not any(_is_odd(self.number, mask) for mask in CHECKS)

    def user(self, *, before: bool = False) -> User:
        name = self.maiden if before and Place.CHANGES in self.places else self.name
        return User(self.number + 10, self.user_id, name, self.email, "User")


def _is_odd(number: int, mask: int) -> bool:
    return bool((number & mask).bit_count() % 2)


# Of 1,024 combinations 32 who are erased and 32 who are not; among either, any three places are met in all eight ways.
CHECKS = (0b11110000, 0b11001100, 0b10101010, 0b11111111, 0b1100000011)
EVERYBODY = [
    Person(number, Place(number))
    for number in range(2 ** len(Place))
    if len({_is_odd(number, mask) for mask in CHECKS}) == 1
]
PLACES = {person.number: person.places for person in EVERYBODY}
ERASED = {person.number for person in EVERYBODY if person.is_erased}
OTHERS = [User(1, "someone.else", "Someone Else", "", "User"), User(2, "who.ever", "Who Ever", "", "User")]


class Day:
    """What happened on the day, as first pulled (`before`) or as pulled later."""

    def __init__(self, *, before: bool) -> None:
        self.before = before
        self.sessions: list[Session] = []
        self.breakouts: list[Breakout] = []
        self.views: list[View] = []
        for person in EVERYBODY:
            self._add(person)

    def _second(self, hour: float, day: dt.date = DAY) -> int:
        return int(dt.datetime.combine(day, dt.time(), dt.UTC).timestamp() + 3600 * hour)

    def _add(self, person: Person) -> None:
        user = person.user(before=self.before)
        host = user.user_id if Place.HOSTS in person.places else "someone.else"
        is_later = Place.CHANGES in person.places and not self.before
        self._meet(f"1_s{person.number}", host, [user] if Place.ATTENDS in person.places else [], is_later=is_later)
        if Place.SHARES_NAME in person.places:
            twin = User(person.number + 5000, f"zqtwin{person.number:04}x", person.name, "", "User")
            self._meet(f"1_t{person.number}", "someone.else", [twin])
        if Place.IS_SPELLED in person.places:
            loud = replace(user, number=person.number + 10_000, user_id=f" {user.user_id.upper()} ")
            self._meet(f"1_u{person.number}", loud.user_id if Place.HOSTS in person.places else "who.ever", [loud])
        if Place.IS_REFUSED in person.places:
            self.views.append(View("1_room", f"1_x{person.number}", user, self._second(9), self._second(10)))
        if Place.OPENS in person.places:
            for way, initiator in (("n", user.name), ("i", user.user_id)):
                self._open(f"1_{way}{person.number}", initiator, is_later=is_later)
        if person is EVERYBODY[-1]:
            self._meet("1_refused", user.user_id, [user], day=REFUSED_DAY)

    def _meet(
        self, cue: str, host: str, users: list[User], *, is_later: bool = False, entry: str = "1_room",
        parent: str = "", day: dt.date = DAY,
    ) -> None:  # fmt: skip
        start, end = self._second(9, day), self._second(10 + is_later / 2, day)
        self.sessions.append(Session(entry, "Seminar", parent, cue, start, end, host))
        self.views += [View(entry, cue, user, start, end) for user in (*users, *OTHERS)]

    def _open(self, cue: str, initiator: str, *, is_later: bool) -> None:
        self._meet(cue, "someone.else", [], is_later=is_later, entry=f"1_out{cue}", parent="1_room")
        start, end = self.sessions[-1].started_at, self.sessions[-1].ended_at
        self.breakouts.append(Breakout("1_room", "Seminar", f"1_out{cue}", "Out", cue, initiator, start, end))

    def world(self) -> ListedWorld:
        return ListedWorld(self.sessions, self.breakouts, self.views)


def with_extra(text: str) -> str:
    """A report with a column that nobody knows, in which anybody's row tells of those who stand in `extra`."""
    told = itertools.cycle(
        f"of {person.name} {person.user_id} {person.email}"
        for person in EVERYBODY
        if Place.IS_IN_EXTRA in person.places
    )
    header, *lines = text.rstrip("\n").split("\n")
    rows = [f"{line},{'' if 'zqtwin' in line else next(told)}" for line in lines]
    return "\n".join([f"{header},nickname", *rows, ""])


def with_pieces(text: str) -> str:
    """What is left of a second line of each who is refused: one that a line break tore, one without its id; a part of a name."""
    rest = "12.5,0.4" if "user_name" in text.partition("\n")[0] else "12.5"  # fewer fields than a row has
    torn = (
        f"1_room,1_s{person.number},{person.user_id},{person.name.replace(' ', chr(10))},{person.email},User\n"
        f"1_room,{person.name},{person.email}\n"
        f"{person.name.partition(' ')[2]},Dr,,,User,{rest}\n"
        for person in EVERYBODY
        if Place.IS_REFUSED in person.places and f",{person.user_id}," in text
    )
    return text + "".join(torn)


@pytest.fixture(scope="module")
def kaltura() -> Iterator[Running]:
    with serving(Day(before=True).world()) as running:
        yield running


class Installation:
    """A warehouse in which everybody is, and all that the project writes beside it."""

    def __init__(self, kaltura: Running, database: str, folder: Path, mode: Mode) -> None:
        self.kaltura = kaltura
        self.folder = folder
        self.privacy = Privacy(mode, KEY)
        home = folder / "home"
        home.mkdir(parents=True)
        (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
        more = {
            "START_DATE": "2026-01-01", "PII_MODE": mode, "PII_KEY": KEY, "REPORT_DIR": str(folder / "reports"),
        }  # fmt: skip
        self.pipeline = Pipeline(kaltura, database, home, more)
        self.printed = ""
        kaltura.faults.clear()
        for report in REPORTS:
            kaltura.faults.add(Fault("rewritten", report_id=report.report_id, times=None, rewrite=with_extra))
        kaltura.faults.add(Fault("rewritten", report_id=6001, times=None, rewrite=with_pieces))

    def pull(
        self, *, before: bool = False, of: list[str] | None = None, succeeds: bool = True, last: dt.date = DAY
    ) -> None:
        self.kaltura.world = Day(before=before).world()
        pipeline = replace(self.pipeline, more={**self.pipeline.more, "KALTURA_USER_IDS": ",".join(of or [])})
        self.printed += pipeline.materialize("--partition-range", f"{DAY}...{last}", succeeds=succeeds)

    def command(self, *words: str, succeeds: bool = True) -> str:
        printed = self.pipeline.run("python", "-m", "pipelines", *words, succeeds=succeeds)
        self.printed += printed
        return printed

    def fill(self) -> None:
        with psycopg.connect(self.pipeline.database) as connection:
            connection.execute(
                f"ALTER TABLE kaltura.attendees ADD CONSTRAINT refused CHECK (partition_date <> '{REFUSED_DAY}')"
            )
        self.pull(before=True, last=REFUSED_DAY, succeeds=False)
        with psycopg.connect(self.pipeline.database) as connection:
            connection.execute("ALTER TABLE kaltura.attendees DROP CONSTRAINT refused")
        self.pull()
        asked_for = [person.user_id for person in EVERYBODY if Place.IS_ASKED_FOR in person.places]
        self.pull(of=[*asked_for, *(user.user_id for user in OTHERS)])
        self.load_lists()

    def load_lists(self) -> None:
        """What of an enrolment each mode takes."""
        lines = ["course_id,person_id,person_email"]
        for person in EVERYBODY if self.privacy.mode is not Mode.NONE else ():
            if Place.IS_LISTED in person.places:
                lines.append(f"c1,{person.user_id.upper()},")
                if self.privacy.is_full:
                    lines += [f"c2,{person.user_id},{person.email}", f"c3,,{person.email.upper()}"]
        lists = self.folder.parent / f"lists of {self.privacy.mode}"
        lists.mkdir(exist_ok=True)
        (lists / "enrolments.csv").write_text("\n".join([*lines, ""]))
        (lists / "courses.csv").write_text("course_id,course_name\nc1,One\nc2,Two\nc3,Three\n")
        if self.privacy.mode is Mode.NONE:
            (lists / "enrolments.csv").unlink()
        self.command("load-lists", str(lists))

    def tie_pseudonyms(self) -> None:
        """As retention does for those who are listed by e-mail, of days that are long ago."""
        people = self.privacy.of_account(self.kaltura.partner_id)
        listed = [person for person in EVERYBODY if Place.IS_LISTED in person.places]
        with psycopg.connect(self.pipeline.database) as connection:
            keep(
                connection,
                ((people.partner_id, people.pseudonym(person.user_id), person.email) for person in listed),
            )

    def erase(self) -> None:
        """The first by the command, the others as it does."""
        first, *others = [person for person in EVERYBODY if person.is_erased and person.places]
        self.command("erase", "--user-id", first.user_id, "--yes")
        people = self.privacy.of_account(self.kaltura.partner_id)
        with opened(self.pipeline.database) as connection:
            lock_exclusively(connection)
            for person in others:
                erase(connection, people, TABLES, person.user_id.upper())

    @property
    def tables(self) -> bytes:
        """Every row of every table of every schema."""
        with psycopg.connect(self.pipeline.database) as connection:
            return b"\n".join(contents for _, contents in table_contents(connection))

    @property
    def exports(self) -> bytes:
        """Every view, as the command exports it."""
        with psycopg.connect(self.pipeline.database) as connection:
            names = connection.execute("SELECT viewname FROM pg_views WHERE schemaname = 'analytics'").fetchall()
        out = self.folder.parent / f"exports of {self.privacy.mode}"
        self.command("export", *(name for (name,) in names), "--format", "csv", "--out", str(out))
        return b"\n".join(opened_files(out))

    @property
    def files(self) -> bytes:
        """Every file in Dagster's home, what it compresses included; the reports; what the commands printed."""
        return b"\n".join([*opened_files(self.folder), self.printed.encode()])

    def backup(self, name: str) -> Path:
        file = self.folder.parent / f"{self.privacy.mode}-{name}"
        self.command("backup", str(file))
        return file


def table_contents(connection: psycopg.Connection) -> Iterator[tuple[str, bytes]]:
    """Of each table that there is, whoever added it."""
    tables = connection.execute(
        "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables"
        " WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
    ).fetchall()
    for (table,) in tables:
        yield table, copied(connection, table)


def copied(connection: psycopg.Connection, what: str, form: str = "TEXT") -> bytes:
    with connection.cursor() as cursor, cursor.copy(f"COPY {what} TO STDOUT (FORMAT {form})".encode()) as copy:
        return b"".join(map(bytes, copy))


def in_backup(file: Path) -> bytes:
    words = [str(local_postgres.binary("pg_restore")), "--file=-", str(file)]
    return (
        subprocess.run(words, capture_output=True, check=True).stdout + file.with_name(f"{file.name}.json").read_bytes()
    )


def traces(store: bytes) -> Traces:
    return {(kind.decode().lower(), int(number)) for kind, number in TRACE.findall(store)}


def of_the_erased(store: bytes) -> Traces:
    """What is left of those who were erased. Names that the warehouse can't know for theirs are no trace of them."""
    left: Traces = set()
    for kind, number in traces(without_twins(store)):
        is_name = kind in ("first", "last", "maiden")
        is_known = bool(PLACES[number] & NAMES_THEM.get(kind, NAMES_THEM[""]))
        if number in ERASED and kind != "twin" and (is_known or not is_name):
            left.add((kind, number))
    return left


def without_twins(store: bytes) -> bytes:
    """Without the rows of those who have an erased person's name and were not erased."""
    return b"\n".join(line for line in store.split(b"\n") if b"zqtwin" not in line)


def pseudonyms(store: bytes) -> set[bytes]:
    return set(PSEUDONYM.findall(store))


@pytest.mark.deep
@pytest.mark.parametrize("mode", Mode)
def test_whoever_was_erased_is_in_no_byte_whatever_places_they_stood_in(
    mode: Mode, kaltura: Running, databases: Databases, tmp_path: Path
) -> None:
    installation = Installation(kaltura, databases.make(), tmp_path / "installation", mode)
    people = installation.privacy.of_account(kaltura.partner_id)
    known_by = {people.pseudonym(person.user_id).encode() for person in EVERYBODY if person.is_erased}
    installation.fill()
    if mode is Mode.FULL:
        installation.tie_pseudonyms()
        expect_everybody(installation)
    older = installation.backup("older.dump")

    installation.erase()
    assert of_the_erased(installation.tables) == set()
    assert pseudonyms(installation.tables) & known_by == set()
    installation.pull()
    installation.load_lists()
    assert of_the_erased(installation.tables) == set()
    assert pseudonyms(installation.tables) & known_by == set()
    installation.command("restore", str(older), "--replace")
    assert of_the_erased(installation.tables) == set()
    assert pseudonyms(installation.tables) & known_by == set()
    installation.pull()
    installation.load_lists()
    installation.command("report", "--week", str(DAY), "--again", "--no-open")

    stores = {
        "tables": installation.tables,
        "exports": installation.exports,
        "a later backup": in_backup(installation.backup("later.dump")),
    }
    for name, store in stores.items():
        assert (name, of_the_erased(store)) == (name, set())
        assert (name, pseudonyms(store) & known_by) == (name, set())
    assert traces(installation.files) == set(), "nobody at all: erasing does not reach there"
    attend = {("id", person.number) for person in EVERYBODY if Place.ATTENDS in person.places and not person.is_erased}
    assert (attend <= traces(installation.tables)) is (mode is Mode.FULL)


def expect_everybody(installation: Installation) -> None:
    """Somebody who is going to be erased stands in every column that may hold one, or the search would prove nothing."""
    with psycopg.connect(installation.pipeline.database) as connection:
        texts = connection.execute(
            "SELECT table_schema, table_name, column_name FROM information_schema.columns"
            " WHERE table_schema IN ('kaltura', 'university') AND data_type IN ('text', 'jsonb')"
            " AND table_name IN (SELECT tablename FROM pg_tables WHERE schemaname = table_schema) ORDER BY 1, 2, 3"
        ).fetchall()
        filled = {
            (table, column)
            for schema, table, column in texts
            if of_the_erased(copied(connection, f"(SELECT {column} FROM {schema}.{table})"))
        }
    declared = {
        (table.name, column) for table in TABLES for column in (*table.person_columns, *table.personal_columns, EXTRA)
    }
    assert filled == declared | OTHER_PLACES
    others = {(table.name, column.name) for table in TABLES for column in table.columns} - declared
    assert {(table, column) for _, table, column in texts} - filled - others == HOLD_NOBODY, (
        "a column was added: have somebody stand in it, or say that nobody does"
    )


OTHER_PLACES = {
    ("changes", "key"), ("changes", "before"), ("changes", "after"), ("loads", "filters"), ("people", "user_id"),
    ("rejects", "raw"), ("enrolments", "person_id"), ("enrolments", "person_email"), ("listed_pseudonyms", "listed_as"),
}  # fmt: skip
HOLD_NOBODY = {
    ("calendars", "timezone"), ("calendars", "kept_to"), ("changes", "change"), ("changes", "table_name"),
    ("loads", "kaltura_session"), ("loads", "root_run_id"), ("loads", "redated_from"), ("calendars", "timezone_before"),
    ("loads", "run_id"),
    ("listed_pseudonyms", "pseudonym"), ("migrations", "checksum"), ("migrations", "name"),
    ("migrations", "oldest_code"), ("migrations", "version"), ("people", "pseudonym"), ("privacy", "key_fingerprint"),
    ("privacy", "mode"), ("rejects", "column_name"), ("rejects", "reason"), ("suppressions", "kind"),
    ("suppressions", "person"), ("courses", "course_id"), ("courses", "course_name"), ("courses", "department"),
    ("courses", "term"), ("course_rooms", "course_id"), ("course_rooms", "room_id"), ("enrolments", "course_id"),
    ("enrolments", "role"), ("timetable", "course_id"), ("timetable", "room_id"),
}  # fmt: skip
