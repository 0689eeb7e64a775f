"""Whatever happened on the way, the tables end up equal to the truth.

Worlds and histories of pulls are invented by hypothesis; server, client, Postgres and code are the real ones. The truth
is counted by `tests/truth.py`. `make fuzz` looks as long as its ten minutes last.
"""

import datetime as dt
import random
import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import permutations
from typing import Literal
from zoneinfo import ZoneInfo

import pandas as pd
import psycopg
import pytest
import stamina
from depth import examples, in_time
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from assets.pull import usable
from assets.pull.carried_over import CarriedOver
from assets.pull.empty_replies import RowsSeen
from assets.pull.extract import Extract, extract
from assets.pull.filters import Filters
from assets.pull.windows import Windows
from assets.report import CUE_POINT_IDS, ENTRY_IDS, PARENT_ENTRY_IDS, USER_IDS, VIRTUAL_EVENT_IDS, Report
from assets.reports import REPORTS
from resources.arrivals import Arrivals
from resources.kaltura.client import REPORT_ROW_CAP, Client
from resources.kaltura.windows import Calendar, Days
from resources.privacy.pseudonyms import FULL
from resources.warehouse.load import Load, TableLoad
from resources.warehouse.provenance import Provenance
from resources.warehouse.warehouse import Warehouse
from simulator import Breakout, Fault, ListedWorld, Running, Session, University, User, View, serving
from tests.conftest import Databases, client_of
from tests.spoilt import Lines, Spoil, rewritten, without
from tests.truth import Tables, assert_equal, expected, landed

pytestmark = [pytest.mark.larger, pytest.mark.timeout(3600)]

PARTNER_ID = 4711
DAYS = 3
HOUR = 3600
ALL_IS_KNOWN_AFTER_HOURS = 14 * 24
TABLES = ("room_sessions", "attendees", "breakout_sessions", "loads", "changes", "rejects")
NO_FILTERS = Filters({})

# A time zone and the first of the days that are pulled: ordinary, with one of 23 hours, of 25 hours, on the half-hour.
PLACES = [
    ("UTC", dt.date(2026, 5, 4)),
    ("America/New_York", dt.date(2026, 3, 7)),
    ("America/New_York", dt.date(2026, 10, 31)),
    ("Asia/Kolkata", dt.date(2026, 5, 4)),
]
DIRTY_NAMES = [
    "Ann\nExample", "\nfirst", "last\n", "two\n\nlines", "x\n\\.\ny", "\\.", "\\N", '"Quill', 'Quill"',
    'wrapped "inside"', '"', '"""', "Line\u2028Separator", "Next\x85Line", "Vertical\x0bTab", "Form\x0cFeed",
    "N\0ul", "carriage\rreturn", "Party \U0001f389", "\ue00a", "NA", "null", "nan", "None", "0", "00123", "=cmd()", "+1",
    "-1", "@x", "comma, inside", " blanks ", "tab\t", "'", "",
]  # fmt: skip


@dataclass(frozen=True)
class Scene:
    """A world, where it is, and how long past midnight its sessions are waited for."""

    place: tuple[str, dt.date]
    grace_hours: int
    sessions: tuple[Session, ...]
    breakouts: tuple[Breakout, ...]
    views: tuple[View, ...]
    spoils: tuple[Spoil, ...] = ()

    @property
    def days(self) -> list[dt.date]:
        return [self.place[1] + dt.timedelta(days=number) for number in range(DAYS)]

    @property
    def calendar(self) -> Calendar:
        return Calendar(ZoneInfo(self.place[0]), self.grace_hours)

    @property
    def begins(self) -> int:
        return self.calendar.midnight(self.place[1])

    def world(self) -> ListedWorld:
        return ListedWorld(self.sessions, self.breakouts, self.views)

    def world_before(self) -> ListedWorld:
        """The same events while one person was not yet resolved, and rooms had other names.

        One without a name had none before either: a name that Kaltura does not find any more stays known.
        """
        views = [
            replace(view, user=User(LATECOMER, "", "", "", "")) if view.user.number == LATECOMER else view
            for view in self.views
        ]
        sessions = [replace(session, entry_name=session.entry_name and "Before") for session in self.sessions]
        return ListedWorld(sessions, self.breakouts, views)

    def truth(self, days: Collection[dt.date] | None = None) -> Tables:
        tables = expected(self.world(), set(self.days if days is None else days), self.calendar.timezone)
        return without(self.spoils, tables)

    @property
    def suspends_removals(self) -> bool:
        """A line that is no row may stand for anybody of its session: whoever was there under another id stays."""
        return any(spoil.how == "comma" for spoil in self.spoils)

    def lines_sent(self, pulls: Sequence["Pull"]) -> Lines:
        """The lines that can't be used, as the windows of these pulls bring them."""
        windows = [self.calendar.window(Days(self.days[pull.days[0]], self.days[pull.days[1]])) for pull in pulls]
        spans = [(window.start, window.end) for window in windows]
        return Lines.sent(self.world(), spans, set(self.days), self.calendar.timezone, self.spoils)


@dataclass(frozen=True)
class Pull:
    """One pull: which days and reports, when, how the server behaves, and how its load ends.

    `commits` says whether it is loaded at once, after the next pull, or after the last of all.
    """

    days: tuple[int, int] = (0, DAYS - 1)
    reports: tuple[Report, ...] = REPORTS
    at_hour: int = ALL_IS_KNOWN_AFTER_HOURS
    row_cap: int = REPORT_ROW_CAP
    faults: tuple[Fault, ...] = ()
    interrupted: tuple[Literal["error", "kill"], int] | None = None
    commits: Literal["at once", "after the next", "last of all"] = "at once"
    filters: Filters = NO_FILTERS
    accepts_empty: bool = False

    @property
    def receives_all_at_once(self) -> bool:
        """No reply is thrown away, or used for its ids alone."""
        return self.row_cap == REPORT_ROW_CAP and not any(fault.kind in ("timeout", *EMPTYING) for fault in self.faults)


LATECOMER = 8
EMPTYING = ("unreadable_store", "count_lost")
_USERS = [
    User(1, "ada", "Ada Example", "ada@example.edu", "User"),
    User(2, "00123", "NA", "", "Guest"),
    User(3, "twice", "Twice Sample", "old@example.edu", "User"),
    User(4, "twice", "Twice Sample", "new@example.edu", "User"),
    User(5, "", "", "", ""),
    User(6, "", "", "", ""),
    User(9, "", "", "", ""),
    User(7, "Unknown", "", "", "User"),
    User(LATECOMER, "late", "Late Comer", "", "User"),
]
_spoils = st.sampled_from(
    [
        (),
        (),
        (Spoil("ada", "ratio"),),
        (Spoil("ada", "minutes"), Spoil("twice", "ratio")),
        (Spoil("00123", "comma"),),
        (Spoil("00123", "comma"), Spoil("ada", "ratio")),
    ]
)
_lengths = st.sampled_from([0, 40, 1800, HOUR, 2 * HOUR, 13 * HOUR, 30 * HOUR, 72 * HOUR, None])
_endless_lengths = st.sampled_from([3 * HOUR, 3 * HOUR, 9 * 24 * HOUR])  # beyond the week in which they are followed
_offsets = st.sampled_from([0, 5, 299, HOUR, 12 * HOUR, 23 * HOUR, 24 * HOUR - 1]) | st.integers(0, 24 * HOUR - 1)


@st.composite
def _scenes(draw: st.DrawFn) -> Scene:
    place = draw(st.sampled_from(PLACES))
    names = draw(st.lists(st.sampled_from(DIRTY_NAMES), min_size=3, max_size=3))
    users = [*_USERS, *(User(10 + at, f"dirty{at}", name, "", "User") for at, name in enumerate(names))]
    calendar = Calendar(ZoneInfo(place[0]), 0)
    sessions: list[Session] = []
    breakouts: list[Breakout] = []
    views: list[View] = []
    for number in range(draw(st.integers(1, 6))):
        day = place[1] + dt.timedelta(days=draw(st.integers(-1, DAYS)))
        start = calendar.midnight(day) + draw(_offsets)
        length = draw(_lengths)
        cue = draw(st.sampled_from([f"1_cue{number}"] * 8 + ["Unknown", "Error", "0", ""]))
        is_breakout = draw(st.booleans()) if cue.startswith("1_") else False
        entry = f"1_breakout{number % 3}" if is_breakout else f"1_room{number % 3}"
        name, event = draw(st.sampled_from(DIRTY_NAMES)), f"event{number % 2}"
        end = None if length is None else start + length
        is_listed = bool(cue) and draw(st.sampled_from([True] * 7 + [False]))
        if is_listed:
            parent = "1_room0" if is_breakout else ""
            sessions.append(Session(entry, name, parent, cue, start, end, "host", event))
        if is_breakout:
            breakouts.append(Breakout("1_room0", names[0], entry, name, cue, "host", start, end, event))
        length = length or draw(_endless_lengths)
        views += draw(_stays(entry, cue, start, length, users))
        if is_listed and draw(st.sampled_from([False] * 5 + [True])):  # a room that 6000 does not list, in this session
            views += draw(_stays(f"1_unlisted{number}", cue, start, length, users))
    grace_hours, spoils = draw(st.sampled_from([0, 12])), draw(_spoils)
    return Scene(place, grace_hours, tuple(sessions), tuple(breakouts), tuple(views), spoils)


@st.composite
def _stays(draw: st.DrawFn, entry: str, cue: str, start: int, length: int, users: list[User]) -> list[View]:
    """Somebody is there from about the start; others come at any time, stay beyond the end, and are heard of late."""
    stays = []
    for nth in range(draw(st.integers(1, 5))):
        joined = start + draw(st.integers(-900, 600) if nth == 0 else st.integers(-900, length + 300))
        left = joined + draw(st.integers(20, 1800))
        engaged = tuple(
            (joined + draw(st.integers(-60, 900)), joined + draw(st.integers(0, 1800)))
            for _ in range(draw(st.integers(0, 2)))
        )
        late = draw(st.sampled_from([0, 0, 60, 1800, 6 * HOUR, 24 * HOUR]))
        stays.append(View(entry, cue, draw(st.sampled_from(users)), joined, left, engaged, late))
    return stays


_faults = st.builds(
    Fault,
    st.sampled_from(
        [
            "rate_limit",
            "bad_gateway",
            "html",
            "reset",
            "zero_bytes",
            "expired_ks",
            "internal_error",
            "database_error",
            "short_body",
            "timeout",
        ]
    ),
    report_id=st.sampled_from([None, 6000, 6001, 6002]),
    after=st.integers(0, 2),
)
_emptying = st.builds(
    Fault,
    st.sampled_from(EMPTYING),
    report_id=st.sampled_from([6000, 6001, 6002]),
    times=st.sampled_from([1, 2, 3, 5, None]),
    after=st.integers(0, 6),
    min_span_seconds=st.sampled_from([None, 24 * HOUR, 48 * HOUR]),
)
_together = st.builds(Fault, st.just("unreadable_store"), times=st.integers(1, 3), after=st.sampled_from([0, 0, 1]))
_outage = st.builds(  # of the store, which begins once the first replies of 6000 and 6002 are there
    Fault,
    st.just("unreadable_store"),
    times=st.sampled_from([1, 2, 3, 5, None]),
    after=st.integers(2, 8),
    min_span_seconds=st.sampled_from([None, 24 * HOUR, 48 * HOUR]),
)
_faults |= st.builds(
    Fault, st.just("timeout"), times=st.none(), min_span_seconds=st.sampled_from([48 * HOUR, 60 * HOUR])
)
_faults |= _emptying
_ranges = st.tuples(st.integers(0, DAYS - 1), st.integers(0, DAYS - 1)).map(lambda pair: (min(pair), max(pair)))
_pulls = st.builds(
    Pull,
    days=_ranges,
    reports=st.sampled_from([REPORTS, REPORTS, REPORTS, REPORTS[:1], REPORTS[1:2], REPORTS[2:], REPORTS[:2]]),
    at_hour=st.integers(-2, 200),
    row_cap=st.sampled_from([REPORT_ROW_CAP, REPORT_ROW_CAP, 5, 8, 20]),
    faults=st.lists(_faults, max_size=2).map(tuple),
    interrupted=st.none() | st.tuples(st.sampled_from(["error", "kill"]), st.integers(1, 4)),
    commits=st.sampled_from(["at once", "at once", "after the next", "last of all"]),
    filters=st.sampled_from(
        [
            NO_FILTERS,
            NO_FILTERS,
            NO_FILTERS,
            Filters({ENTRY_IDS: ["1_room1"]}),
            Filters({USER_IDS: ["ada", "twice"]}),
            Filters({ENTRY_IDS: ["1_room0", "1_breakout1"], USER_IDS: ["00123", "late"]}),
            Filters({CUE_POINT_IDS: ["1_cue0", "1_cue1", "1_elsewhere"]}),
            Filters({PARENT_ENTRY_IDS: ["1_room0"]}),
            Filters({VIRTUAL_EVENT_IDS: ["event1"]}),
        ]
    ),
)
_last_pulls = st.tuples(
    st.sampled_from(
        [
            [(0, DAYS - 1)],
            [(0, DAYS - 1)],
            [(1, DAYS - 1), (0, 0)],
            [(0, 1), (1, DAYS - 1)],
            [(0, 0), (1, 1), (2, 2)],
            [(2, 2), (0, 0), (1, 1)],
        ]
    ),
    st.sampled_from([REPORT_ROW_CAP, REPORT_ROW_CAP, 8, 20]),
).map(lambda drawn: [Pull(days=days, row_cap=drawn[1]) for days in drawn[0]])


class Store:
    """A database that is emptied for each example, and a stand-in whose world is exchanged."""

    def __init__(self, kaltura: Running, client: Client, url: str) -> None:
        self.kaltura = kaltura
        self.client = client
        self.warehouse = Warehouse(url)
        self.reader = psycopg.connect(url, autocommit=True)

    def empty(self) -> None:
        self.reader.execute(f"TRUNCATE {', '.join(f'kaltura.{table}' for table in TABLES)}".encode())

    def brought(self, scene: Scene, pull: Pull, number: int, *, resolved: bool = True) -> list[Extract]:
        """What the pull brings in: nothing of days that failed."""
        kaltura = self.kaltura
        kaltura.world = scene.world() if resolved else scene.world_before()
        kaltura.now = scene.begins + pull.at_hour * HOUR + number / 1000
        kaltura.row_cap = self.client.row_cap = pull.row_cap
        kaltura.faults.clear()
        if scene.spoils:
            kaltura.faults.add(Fault("rewritten", times=None, rewrite=partial(rewritten, scene.spoils)))
        kaltura.faults.add(*pull.faults)
        kaltura.requests.clear()

        def asked(days: Days, seen: RowsSeen) -> Extract:
            number = self.warehouse.next_pull()
            return extract(
                days,
                pull.reports,
                self.client,
                scene.calendar,
                pull.filters,
                number=number,
                now=lambda: kaltura.clock,
                against_empty=partial(self.against_empty, pull.filters),
                seen=seen,
                accepts_empty=pull.accepts_empty,
            )

        days = [scene.days[at] for at in range(pull.days[0], pull.days[1] + 1)]
        outcomes = [fetched.outcome for fetched in Windows(asked, pull.row_cap).fetched(days)]
        return [outcome for outcome in outcomes if isinstance(outcome, Extract)]

    def against_empty(self, filters: Filters, report: Report, days: Days, *, all_are_empty: bool) -> str:
        of_days = (PARTNER_ID, report.report_id, days.first, days.last)
        kept_to = FULL.of_account(PARTNER_ID).kept_to(filters.names_of(report))
        return self.warehouse.against_empty(*of_days, all_are_empty=all_are_empty, kept_to=kept_to)

    def load(self, extracted: Extract, pull: Pull) -> list[Load]:
        provenance, undated = Provenance(PARTNER_ID, extracted.pull), CarriedOver()
        all_loads: list[Load] = []
        for day in extracted.days:
            loads = self.warehouse.upsert(day, undated.given_to(extracted.by_day[day]), provenance)
            undated.loaded(loads)
            all_loads += loads
        return all_loads

    def value(self, query: str) -> object:
        row = self.reader.execute(query.encode()).fetchone()
        return row and row[0]

    def versions(self) -> dict[str, set[tuple[str, str]]]:
        """Every row's own version, of every table of the schema: a row that was written at all has another."""
        tables = self.reader.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'kaltura'").fetchall()
        return {
            table: set(self.reader.execute(f"SELECT xmin::text, ctid::text FROM kaltura.{table}".encode()).fetchall())
            for (table,) in tables
        }

    def sizes(self) -> dict[tuple[str, ...], float]:
        """Minutes and people of each session, which only ever grow."""
        rows = self.reader.execute(
            "SELECT 'minutes', entry_id, cue_point_id, coalesce(sum(meeting_view_time), 0) FROM kaltura.attendees GROUP BY 2, 3"
            " UNION ALL SELECT 'people', entry_id, cue_point_id, meeting_view_period_unique_users"
            " FROM kaltura.room_sessions UNION ALL"
            " SELECT 'in breakout', breakout_entry_id, cue_point_id, participant_count FROM kaltura.breakout_sessions"
        )
        return {tuple(row[:-1]): row[-1] for row in rows}


@pytest.fixture(scope="module")
def store(databases: Databases) -> Iterator[Store]:
    stamina.set_testing(True, attempts=6, cap=True)  # retries without pauses
    with (
        serving(ListedWorld()) as kaltura,
        client_of(kaltura, pause_scale=0) as client,
        pytest.MonkeyPatch.context() as patch,
    ):
        # In worlds as small as these most viewers may well be of sessions that Kaltura lost: here that fails no day.
        patch.setattr(usable, "require", lambda *_: None)
        opened = Store(kaltura, client, databases.make())
        yield opened
        opened.reader.close()
        opened.warehouse.close()
    stamina.set_testing(False)


class Interrupted(Exception):
    pass


@contextmanager
def interrupted(store: Store, pull: Pull) -> Iterator[None]:
    """The nth table of the load meets with an error, or its connection is killed by the server."""
    if pull.interrupted is None:
        yield
        return
    how, nth = pull.interrupted
    whole, count = TableLoad.run, 0

    def run(self: TableLoad, arrivals: Arrivals) -> Load:
        nonlocal count
        count += 1
        if count == nth and how == "error":
            raise Interrupted
        if count == nth:
            store.reader.execute("SELECT pg_terminate_backend(%s, 5000)", [self.connection.info.backend_pid])
        return whole(self, arrivals)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TableLoad, "run", run)
        yield


def commit(store: Store, all_brought: Sequence[Extract], pull: Pull) -> None:
    """Load what a pull brought in; every row that came is accounted for, and no figure shrinks."""
    for extracted in all_brought:
        before, loads = store.sizes(), int(str(store.value("SELECT count(*) FROM kaltura.loads")))
        with suppress(Interrupted), interrupted(store, pull):
            store.load(extracted, pull)
        after = store.sizes()
        shrunk = {key: (size, after.get(key)) for key, size in before.items() if after.get(key, 0) < size - 1e-6}
        if store.value("SELECT EXISTS (SELECT FROM kaltura.loads WHERE filters ? 'user_ids')"):
            # A pull of some people removes nobody: the minutes of somebody with a new id stand under both until a whole one.
            shrunk = {key: sizes for key, sizes in shrunk.items() if key[0] != "minutes"}
        assert not shrunk
        new = int(str(store.value("SELECT count(*) FROM kaltura.loads"))) - loads
        assert new % len(pull.reports) == 0, "a day is loaded whole or not at all"
        if pull.interrupted is None or pull.interrupted[0] == "kill":
            assert new == len(extracted.days) * len(pull.reports)


def expect_all_rows(store: Store, all_brought: Sequence[Extract], pull: Pull) -> None:
    """The rows of a pull's replies are those that its loads count, and no other. Of days that failed there is no load.

    Replies of keys alone, without the other columns, are for counting.
    """
    if not pull.receives_all_at_once:
        return
    failed = pull.days[1] - pull.days[0] + 1 - sum(len(extracted.days) for extracted in all_brought)
    for at, report in enumerate(pull.reports):
        came = sum(
            request.rows or 0
            for request in store.kaltura.requests
            if request.outcome == "ok" and request.report_id == report.report_id and not request.excluded_fields
        )
        counted = sum(extracted.by_day[day][at].received for extracted in all_brought for day in extracted.days)
        assert counted == came or (failed and counted < came)


def tell(store: Store, scene: Scene, history: Sequence[Pull], last_pulls: Sequence[Pull], resolved_at: int) -> None:
    """Let the history happen, and compare with the truth."""
    store.empty()
    if scene.suspends_removals:
        resolved_at = 0
    sent = scene.lines_sent(last_pulls)
    late: list[tuple[list[Extract], Pull]] = []
    waiting: list[tuple[list[Extract], Pull]] = []
    for number, pull in enumerate(sorted(history, key=lambda pull: pull.at_hour)):
        extracted = store.brought(scene, pull, number, resolved=pull.at_hour >= resolved_at)
        expect_all_rows(store, extracted, pull)
        if pull.commits == "at once":
            commit(store, extracted, pull)
        else:
            (late if pull.commits == "last of all" else waiting).append((extracted, pull))
        if pull.commits != "after the next":
            for before in waiting:
                commit(store, *before)
            waiting.clear()
    for number, pull in enumerate(last_pulls):
        extracted = store.brought(scene, pull, 500 + number)
        if sum(len(each.days) for each in extracted) < pull.days[1] - pull.days[0] + 1:  # one session is over the cap
            # ... or has only viewers of sessions that 6000 does not list, as the real one would
            pull = replace(pull, row_cap=REPORT_ROW_CAP, accepts_empty=True)
            extracted = store.brought(scene, pull, 500 + number)
        expect_all_rows(store, extracted, pull)
        commit(store, extracted, pull)
    for before in (*waiting, *late):
        commit(store, *before)
    assert_equal(landed(store.reader), scene.truth())
    if all(
        pull.row_cap == REPORT_ROW_CAP for pull in last_pulls
    ):  # of a day that is split, sessions alone are asked for
        sent.assert_stand(store.reader)


_PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


@pytest.mark.parametrize("share", range(4))  # of 200 examples, so that workers divide them among themselves
@settings(_PATIENT, max_examples=examples(50))
@given(
    scene=_scenes(),
    history=st.lists(_pulls, max_size=2),
    last_pulls=_last_pulls,
    resolved_at=st.integers(0, 240),
)
@in_time
def test_after_any_history_the_tables_equal_the_truth_once_every_day_was_pulled_after_all_was_known(
    store: Store, share: int, scene: Scene, history: list[Pull], last_pulls: list[Pull], resolved_at: int
) -> None:
    tell(store, scene, history, last_pulls, resolved_at)


_nobodys = st.builds(
    lambda user, at, length: View("1_room0", "Error", user, at, at + length),
    st.sampled_from([user for user in _USERS if user.user_id in ("", "twice", "ada")]),
    st.integers(-12 * HOUR, (DAYS + 1) * 24 * HOUR),
    st.sampled_from([60, 60, 600]),
)


@settings(_PATIENT, max_examples=examples(30))
@given(st.lists(_nobodys, max_size=6), st.lists(_pulls, max_size=3), _last_pulls)
@in_time
def test_lines_that_differ_in_their_figures_alone_stand_each_as_often_as_they_are_sent(
    store: Store, views: list[View], history: list[Pull], last_pulls: list[Pull]
) -> None:
    """People without an id in a session that Kaltura does not know: some lie in one window, some in another, or in both."""
    scene = Scene(PLACES[0], 12, (), (), ())
    begins = scene.begins
    here = [replace(at, joined_at=begins + at.joined_at, left_at=begins + at.left_at) for at in views]
    here.append(View("1_room0", "Error", _USERS[1], begins, begins + 60))  # or no window of its day has the session
    session = Session("1_room0", "Lost", "", "Error", begins, begins + HOUR, "host")
    tell(store, replace(scene, sessions=(session,), views=tuple(here)), history, last_pulls, 0)


@settings(_PATIENT, max_examples=examples(60))
@given(
    _scenes(),
    st.lists(_emptying | _together | _outage, min_size=1, max_size=1),
    st.sampled_from([REPORT_ROW_CAP, 8, 20]),
    st.booleans(),
)
@in_time
def test_whichever_report_came_empty_the_tables_equal_the_truth_or_the_day_is_red(
    store: Store, scene: Scene, faults: list[Fault], row_cap: int, is_known: bool
) -> None:
    """One report at a time, all for a moment, or all after the first replies.

    Of three that are empty from the first to the last, on days that nobody has pulled, nothing tells.
    """
    listed = {session.cue_point_id for session in scene.sessions}
    assume(all(breakout.cue_point_id in listed for breakout in scene.breakouts))  # as with the real 6000
    store.empty()
    if is_known:
        clean = Pull(accepts_empty=True)
        commit(store, store.brought(scene, clean, 0), clean)
    pull = Pull(faults=tuple(faults), row_cap=row_cap)
    brought = store.brought(scene, pull, 1)
    commit(store, brought, pull)
    green = {day for extracted in brought for day in extracted.days}
    truth = scene.truth(green)
    there = landed(store.reader)
    if not is_known:
        assert_equal(there, truth)
    else:
        assert_equal(there, scene.truth())


@pytest.mark.parametrize("last_days", [[(0, 0), (1, 1), (2, 2)], [(1, 1), (0, 0), (2, 2)], [(1, 2), (0, 0)], [(0, 2)]])
@pytest.mark.parametrize("minutes", [-6, 0, 30])
def test_a_line_that_came_with_a_wide_window_and_comes_no_more_goes_with_narrow_ones(
    store: Store, minutes: int, last_days: list[tuple[int, int]]
) -> None:
    """Found by the property above: Kaltura learned who it was, and no single day's window covers the first pull's."""
    scene = Scene(("UTC", dt.date(2026, 5, 4)), 0, (), (), ())
    joined = scene.begins + 24 * HOUR + minutes * 60
    late = next(user for user in _USERS if user.number == LATECOMER)
    here = [View("1_room1", "1_cue1", user, joined, joined + 24) for user in (late, _USERS[0])]
    listed = [
        Session("1_room0", "Listed", "", f"1_cue{at}", joined + at, joined + 60 + at, "host") for at in (2, 90000)
    ]
    here += [View("1_room0", at.cue_point_id, _USERS[0], at.started_at, at.started_at + 60) for at in listed]
    scene = replace(scene, sessions=tuple(listed), views=tuple(here))
    tell(store, scene, [Pull(days=(0, 1), at_hour=89)], [Pull(days) for days in last_days], 95)


@pytest.mark.parametrize("last_days", list(permutations([(0, 0), (1, 1), (2, 2)])))
def test_a_line_stays_whose_window_does_not_list_its_session_though_another_days_does(
    store: Store, last_days: tuple[tuple[int, int], ...]
) -> None:
    """Found by the property above: on the third day somebody is alone in what goes on since the second."""
    scene = Scene(("UTC", dt.date(2026, 5, 4)), 0, (), (), ())
    days = [scene.begins + number * 24 * HOUR for number in range(3)]
    long = Session("1_room0", "Long", "", "1_cue0", days[1], days[1] + 60 * HOUR, "host")
    others = [Session("1_room1", "Daily", "", f"1_other{at}", day, day + 60, "host") for at, day in enumerate(days)]
    here = [View(at.entry_id, at.cue_point_id, _USERS[0], at.started_at, at.started_at + 60) for at in (long, *others)]
    here += [View("1_unlisted0", "1_cue0", _USERS[0], day + 8 * HOUR, day + 9 * HOUR) for day in days[1:]]
    scene = replace(scene, sessions=(long, *others), views=tuple(here))
    tell(store, scene, [], [Pull(days) for days in last_days], 0)


def test_a_session_seen_for_the_first_time_just_after_midnight_is_whole_even_without_a_grace(store: Store) -> None:
    """Found by the property above."""
    scene = Scene(("UTC", dt.date(2026, 5, 4)), 0, (), (), ())
    last_second = scene.begins + DAYS * 24 * HOUR - 1
    session = Session("1_room0", "Late", "", "1_cue0", last_second, last_second, "host")
    view = View("1_room0", "1_cue0", _USERS[0], last_second, last_second + 20)
    tell(store, replace(scene, sessions=(session,), views=(view,)), [], [Pull()], 0)


@settings(_PATIENT, max_examples=examples(20))
@given(_scenes(), _ranges, _ranges, st.lists(st.integers(-2, 200), min_size=2, max_size=2).map(sorted), st.booleans())
@in_time
def test_two_pulls_of_a_day_end_in_the_same_state_in_either_order_and_at_the_same_time(
    store: Store,
    scene: Scene,
    first_days: tuple[int, int],
    second_days: tuple[int, int],
    hours: list[int],
    resolved: bool,
) -> None:
    pulls = [Pull(days=first_days, at_hour=hours[0]), Pull(days=second_days, at_hour=hours[1])]
    first = store.brought(scene, pulls[0], 0, resolved=resolved or scene.suspends_removals)
    second = store.brought(scene, pulls[1], 1)

    def one_by_one(*all_brought: list[Extract]) -> Tables:
        store.empty()
        for extracted in all_brought:
            commit(store, extracted, pulls[0])
        return landed(store.reader)

    def at_once() -> Tables:
        store.empty()
        failures: list[Exception] = []

        def load(extracted: list[Extract]) -> None:
            try:
                for each in extracted:
                    store.load(each, pulls[0])
            except Exception as error:
                failures.append(error)

        threads = [threading.Thread(target=load, args=[extracted]) for extracted in (first, second)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not failures
        return landed(store.reader)

    forwards = one_by_one(first, second)
    assert one_by_one(second, first) == forwards
    assert at_once() == forwards


def in_another_order(text: str) -> str:
    """The lines mixed by chance, another for each text; those of a reply with broken lines stay."""
    header, *lines, end = text.split("\n")
    if all(line.count(",") == header.count(",") for line in lines):
        random.Random(text).shuffle(lines)
    return "\n".join([header, *lines, end])


@settings(_PATIENT, max_examples=examples(15))
@given(_scenes(), st.sampled_from([12, 20, 30]))
@in_time
def test_a_day_comes_to_the_same_bytes_however_it_had_to_be_split(store: Store, scene: Scene, row_cap: int) -> None:
    crowd = [
        View(at.entry_id, at.cue_point_id, User(100 + n, "", "", "", ""), at.started_at, at.started_at + 70 + 130 * n,
             ((at.started_at, at.started_at + 50 * n),))
        for at in scene.sessions
        for n in range(7)
    ]  # fmt: skip
    scene = replace(scene, views=(*scene.views, *crowd))
    mixed = Pull(accepts_empty=True, faults=(Fault("rewritten", times=None, rewrite=in_another_order),))
    [whole] = store.brought(scene, mixed, 0)
    for part in store.brought(scene, replace(mixed, row_cap=row_cap), 0):
        for day in part.days:
            for report, came, other in zip(REPORTS, part.by_day[day], whole.by_day[day], strict=True):
                key, names = list(report.table.key), report.table.column_names
                ours, theirs = (
                    arrivals.frame.sort_values(key)[names].reset_index(drop=True) for arrivals in (came, other)
                )
                pd.testing.assert_frame_equal(ours, theirs, check_exact=True)


def test_days_pulled_again_with_nothing_new_write_three_loads_each_and_not_one_other_row(store: Store) -> None:
    place = ("UTC", dt.date(2026, 5, 4))
    university = University(seed=5, timezone="UTC", rooms=8)
    scene = Scene(place, 12, (), (), ())
    activity = university.between(scene.begins - 24 * HOUR, scene.begins + (DAYS + 1) * 24 * HOUR)
    views = tuple(activity.viewing.views())
    scene = replace(scene, sessions=activity.sessions, breakouts=activity.breakouts, views=views)
    store.empty()
    [first] = store.brought(scene, Pull(), 0)
    store.load(first, Pull())
    before = store.versions()
    [again] = store.brought(scene, Pull(), 1)
    loads = store.load(again, Pull())
    after = store.versions()

    assert all(before[table] for table in ("room_sessions", "attendees", "breakout_sessions", "rejects"))
    assert {table for table in after if after[table] != before[table]} == {"loads"}
    assert before["loads"] < after["loads"]
    assert len(after["loads"]) == 2 * DAYS * len(REPORTS)
    assert {load.unchanged for load in loads} != {0}
    assert {(load.inserted, load.updated, load.removed) for load in loads} == {(0, 0, 0)}
    assert_equal(landed(store.reader), scene.truth())
