"""Each session whole, on its own local day, whatever it takes to get it: plain examples on real parts."""

import datetime as dt
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import pytest
import stamina
from depth import DEEP
from pandas.testing import assert_frame_equal

from assets.attendees import ATTENDEES
from assets.breakout_sessions import BREAKOUT_SESSIONS
from assets.pull.carried_over import CarriedOver
from assets.pull.empty_replies import RowsSeen
from assets.pull.extract import Extract, extract
from assets.pull.filters import Filters
from assets.pull.stages import Stage
from assets.pull.usable import MostlyUnusable
from assets.pull.windows import Windows
from assets.report import ENTRY_IDS, Report
from assets.reports import REPORTS
from assets.room_sessions import ROOM_SESSIONS
from resources.kaltura import csv
from resources.kaltura.errors import ColumnMissing, FilterIgnored, ServerFault, Unsplittable
from resources.kaltura.query import Source
from resources.kaltura.windows import Calendar, Days
from resources.table import Kind
from resources.warehouse.provenance import Provenance
from resources.warehouse.warehouse import Warehouse
from simulator import Breakout, Fault, ListedWorld, Running, Session, University, User, View, serving
from tests.conftest import client_of
from tests.truth import Tables, assert_equal, expected, landed

UTC = ZoneInfo("UTC")
MONDAY = dt.date(2026, 5, 4)
HOUR = 3600
NO_FILTERS = Filters({})
LONG_AFTER_HOURS = 60 * 24
PEOPLE = [User(n, f"user{n}", f"Person {n}", "", "User") for n in range(20)]


@pytest.fixture(scope="module")
def kaltura() -> Iterator[Running]:
    stamina.set_testing(True, attempts=6, cap=True)  # retries without pauses
    with serving(ListedWorld()) as running:
        yield running
    stamina.set_testing(False)


def other_types(stage: Stage, frame: pd.DataFrame) -> dict[str, str]:
    """The columns that have another type than the stage says, with that which they have."""
    types = {name: str(frame[name].dtype) for name in stage.columns}
    return {name: found for name, found in types.items() if found != stage.columns[name]}


@pytest.fixture(autouse=True)
def stages(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """In every case of this file, each frame is of its stage: with all columns, each of its type."""
    seen: dict[str, dict[str, str]] = {}
    of = Stage.of

    def checked(stage: Stage, frame: pd.DataFrame) -> pd.DataFrame:
        seen.setdefault(stage.name, {}).update(other_types(stage, of(stage, frame)))
        return frame

    monkeypatch.setattr(Stage, "of", checked)
    yield
    assert not any(seen.values()), seen


class Place:
    """A time zone and its first day, with a world made of sessions that are given by the hours at which they run."""

    def __init__(self, kaltura: Running, warehouse: Warehouse, zone: ZoneInfo = UTC, monday: dt.date = MONDAY) -> None:
        self.kaltura = kaltura
        self.warehouse = warehouse
        self.calendar = Calendar(zone, 12)
        self.monday = monday
        self.sessions: list[Session] = []
        self.breakouts: list[Breakout] = []
        self.views: list[View] = []
        kaltura.row_cap = 100_000
        kaltura.faults.clear()
        self.at(LONG_AFTER_HOURS)

    def second(self, hour: float) -> int:
        return self.calendar.midnight(self.monday) + int(hour * HOUR)

    def at(self, hour: float) -> None:
        self.kaltura.now = self.second(hour)

    def meets(
        self, cue: str, start: float, end: float | None, stays: Sequence[tuple[float, float]] = (), **more: str
    ) -> None:
        """A session with one person for each stay; the whole of it where none is given."""
        entry = more.get("entry", "1_room")
        ends_at = None if end is None else self.second(end)
        self.sessions.append(Session(entry, more.get("name", "Room"), "", cue, self.second(start), ends_at, "host"))
        for user, (joined, left) in zip(PEOPLE, stays or [(start, end or start + 1)], strict=False):
            joined_at, left_at = self.second(joined), self.second(left)
            engaged = ((joined_at, joined_at + (left_at - joined_at) // 3),)
            self.views.append(View(entry, cue, user, joined_at, left_at, engaged))

    def day(self, number: int) -> dt.date:
        return self.monday + dt.timedelta(days=number)

    def bring(
        self,
        first: int,
        last: int | None = None,
        reports: Sequence[Report] = REPORTS,
        filters: Filters = NO_FILTERS,
        **more: Any,
    ) -> Extract:
        self.kaltura.world = ListedWorld(self.sessions, self.breakouts, self.views)
        self.kaltura.requests.clear()
        days = Days(self.day(first), self.day(first if last is None else last))
        more.setdefault("people", self.warehouse.privacy.of_account(1))
        with client_of(self.kaltura, pause_scale=0) as client:
            number = self.warehouse.next_pull()
            now = lambda: self.kaltura.clock  # noqa: E731
            return extract(days, reports, client, self.calendar, filters, number=number, now=now, **more)

    def pull(self, first: int, last: int | None = None, **more: object) -> Extract:
        extracted = self.bring(first, last, **more)  # type: ignore[arg-type]
        self.write(extracted)
        return extracted

    def pull_by_windows(self, first: int, last: int) -> list[Extract]:
        """As a run does: as many days at once as replies let expect."""
        days = [self.day(number) for number in range(first, last + 1)]

        def asked(these: Days, seen: RowsSeen) -> Extract:
            return self.bring((these.first - self.monday).days, (these.last - self.monday).days, seen=seen)

        outcomes = [fetched.outcome for fetched in Windows(asked, self.kaltura.row_cap).fetched(days)]
        for outcome in outcomes:
            assert isinstance(outcome, Extract), outcome
            self.write(outcome)
        return outcomes  # type: ignore[return-value]

    def write(self, extracted: Extract) -> None:
        undated = CarriedOver()
        for day in extracted.days:
            arrivals = undated.given_to(extracted.by_day[day])
            undated.loaded(self.warehouse.upsert(day, arrivals, Provenance(1, extracted.pull)))

    def bring_changed(
        self,
        first: int,
        report: Report,
        change: Callable[[str], str | None],
        last: int | None = None,
        filters: Filters = NO_FILTERS,
    ) -> Extract:
        """As `bring`, with each line of the report's replies changed, or left out, on its way."""

        def parsed(body: bytes, source: Source, about: str, **more: Any) -> csv.Rows:
            if source.report_id == report.report_id:
                header, *lines = body.decode().removesuffix("\n").split("\n")
                changed = [new for line in lines if (new := change(line)) is not None]
                body = "\n".join([header, *changed, ""]).encode()
            return parse(body, source, about, **more)

        parse = csv.parse
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(csv, "parse", parsed)
            return self.bring(first, last, filters=filters)

    @property
    def tables(self) -> Tables:
        with self.warehouse.connection() as connection:
            return landed(connection)

    def truth(self, *days: int) -> Tables:
        world = ListedWorld(self.sessions, self.breakouts, self.views)
        return expected(world, {self.day(number) for number in days}, self.calendar.timezone)


@pytest.fixture
def place(kaltura: Running, warehouse: Warehouse) -> Place:
    return Place(kaltura, warehouse)


# --- how a report's rows find their day ---------------------------------------------------------------------------


@pytest.mark.parametrize("report", REPORTS, ids=lambda report: report.table.name)
def test_a_further_report_needs_nothing_but_its_declaration(report: Report, place: Place) -> None:
    further = replace(report, table=replace(report.table, name="further"))
    place.meets("1_a", 22, 38, [(22, 38), (23, 24)])
    place.breakouts.append(
        Breakout("1_room", "Room", "1_group", "Group", "1_b", "host", place.second(23), place.second(25))
    )
    place.views.append(View("1_group", "1_b", PEOPLE[1], place.second(23), place.second(25)))
    came = place.bring(0, 1, (*REPORTS, further))
    for arrivals in came.by_day.values():
        of_table = {each.table.name: each.frame for each in arrivals}
        assert_frame_equal(of_table["further"], of_table[report.table.name])
    assert sum(len(each.frame) for each in came.by_day[place.day(0)] if each.table is further.table) > 0


def test_a_report_without_times_of_its_own_has_to_say_which_report_lists_its_sessions() -> None:
    with pytest.raises(ValueError, match="nothing tells the day of a row of attendees"):
        replace(ATTENDEES, dated_by=None)


# --- sessions that run past the end of their day -----------------------------------------------------------------


@pytest.mark.parametrize(
    "pulls", [[(0, 0)], [(0, 0), (1, 1)], [(1, 1), (0, 0)], [(0, 1)], [(0, 1), (0, 0)], [(0, 0), (0, 3)]]
)
@pytest.mark.parametrize("hours", [2, 30, 72])
def test_a_session_across_midnights_is_whole_on_the_day_it_starts_however_the_days_are_pulled(
    place: Place, hours: int, pulls: list[tuple[int, int]]
) -> None:
    place.meets("1_late", 23.5, 23.5 + hours, [(23.5, 23.5 + hours), (23.25 + hours, 23.5 + hours)])
    for first, last in pulls:
        place.pull(first, last)
    assert_equal(place.tables, place.truth(0))
    assert len(place.tables["attendees"]) == 2


def test_a_day_alone_loads_nothing_of_the_session_that_began_the_day_before(place: Place) -> None:
    place.meets("1_late", 23.5, 25.5)
    extracted = place.pull(1)
    assert not any(place.tables.values())
    assert [arrivals.other_days for arrivals in extracted.by_day[place.day(1)][:3]] == [1, 1, 0]


def test_an_attendee_window_that_is_narrower_than_the_session_windows_leaves_no_partial_figures(place: Place) -> None:
    place.meets("1_long", 20, 60, [(20, 60), (55, 60)])
    for day in range(3):
        place.meets(f"1_day{day}", 24 * day + 9, 24 * day + 10, [(24 * day + 9, 24 * day + 10)] * 4)
    place.kaltura.row_cap = 8  # 6001 is split into days, 6000 is not
    place.pull(0, 2)
    assert {r.params["from_date"] for r in place.kaltura.requests if r.report_id == 6000 and r.outcome == "ok"} == {
        str(place.second(-1))
    }
    assert_equal(place.tables, place.truth(0, 1, 2))


def test_long_sessions_far_apart_are_pulled_again_each_for_itself_where_wide_windows_time_out(place: Place) -> None:
    place.meets("1_first", 20, 50)
    place.meets("1_second", 24 * 20 + 20, 24 * 20 + 50)
    place.kaltura.faults.add(Fault("timeout", times=None, min_span_seconds=5 * 24 * HOUR))
    place.pull_by_windows(0, 20)
    assert_equal(place.tables, place.truth(0, 20))


@pytest.mark.parametrize("pulls", [[(1, 1)], [(0, 1)], [(0, 1), (1, 1)], [(1, 1), (0, 1)]])
def test_viewers_who_came_before_midnight_and_stayed_beyond_the_end_count(
    place: Place, pulls: list[tuple[int, int]]
) -> None:
    place.meets("1_early", 24 + 5 / 60, 47.99, [(24 - 10 / 60, 25), (47, 48 + 10 / 60)])
    place.calendar = Calendar(UTC, 0)
    for first, last in pulls:
        place.pull(first, last)
    assert_equal(place.tables, place.truth(1))


@pytest.mark.parametrize("parent", ["", "0", "Unknown", "Error"])
@pytest.mark.parametrize("end", [60, None], ids=["with an end", "without an end"])
def test_a_long_breakout_of_an_unknown_main_room_is_whole(end: float | None, parent: str, place: Place) -> None:
    """It can't be asked for by its main room."""
    ends_at = None if end is None else place.second(end)
    for entry, of, until in (("1_orphan", parent, ends_at), ("1_child", "1_main", place.second(60))):
        place.breakouts.append(Breakout(of, "", entry, "Group", f"{entry}_cue", "host", place.second(20), until))
        place.meets(f"{entry}_cue", 20, None if until is None else 60, [(20, 21), (50, 51), (58, 59)], entry=entry)
    place.pull(0)
    assert_equal(place.tables, place.truth(0))
    assert {row["participant_count"] for row in place.tables["breakout_sessions"].values()} == {3}
    place.pull(0, 2)
    assert_equal(place.tables, place.truth(0, 1, 2))


def test_a_running_session_has_no_end_and_a_later_pull_completes_it(place: Place) -> None:
    place.meets("1_now", 10, 12)
    place.at(11)
    place.pull(0)
    [row] = place.tables["room_sessions"].values()
    assert row["session_end_time"] is None
    assert [row["meeting_view_time"] for row in place.tables["attendees"].values()] == [pytest.approx(60)]
    place.at(13)
    place.pull(0)
    assert_equal(place.tables, place.truth(0))


def test_a_pull_made_while_a_session_ran_changes_nothing_when_it_commits_after_a_later_one(place: Place) -> None:
    place.meets("1_now", 10, 12)
    place.at(11)
    early = place.bring(0)
    place.at(13)
    place.pull(0)
    place.warehouse.upsert(place.day(0), early.by_day[place.day(0)], Provenance(1, early.pull))
    assert_equal(place.tables, place.truth(0))


def test_a_session_that_never_ends_is_followed_for_a_week(place: Place) -> None:
    place.meets("1_forever", 10, None, [(10, 11), (150, 151)])
    place.pull(0)
    assert_equal(place.tables, place.truth(0))


# --- time zones --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("zone", "monday"),
    [("Asia/Kolkata", MONDAY), ("America/New_York", dt.date(2026, 3, 8)), ("America/New_York", dt.date(2026, 11, 1))],
)
def test_a_session_is_on_its_local_day_also_in_a_zone_of_half_hours_and_on_days_of_23_and_25_hours(
    kaltura: Running, warehouse: Warehouse, zone: str, monday: dt.date
) -> None:
    place = Place(kaltura, warehouse, ZoneInfo(zone), monday)
    ends = (place.calendar.midnight(place.day(1)) - place.calendar.midnight(place.day(0))) / HOUR
    for number, hour in enumerate((0.0, 0.25, ends - 0.25, ends - 1 / 360, ends, ends + 0.25)):
        place.meets(f"1_cue{number}", hour, hour + 1)
    for number in (1, 0):
        place.pull(number)
    assert_equal(place.tables, place.truth(0, 1))
    days = [row["partition_date"] for _, row in sorted(place.tables["room_sessions"].items())]
    assert days == [place.day(0)] * 4 + [place.day(1)] * 2


def test_a_week_of_the_university_day_by_day_equals_the_week_at_once(
    kaltura: Running, warehouse: Warehouse, new_database: Callable[[], str]
) -> None:
    university = University(seed=3, rooms=6)
    tables = []
    for ranges in ([(0, 4)], [(day, day) for day in (3, 0, 4, 2, 1)]):
        store = Warehouse(new_database())
        place = Place(kaltura, store, university.timezone, dt.date(2026, 9, 14))
        activity = university.between(place.second(-48), place.second(24 * 9))
        place.sessions, place.breakouts = list(activity.sessions), list(activity.breakouts)
        place.views = list(activity.viewing.views())
        for first, last in ranges:
            place.pull(first, last)
        tables.append(place.tables)
        store.close()
    assert tables[0] == tables[1]
    assert_equal(tables[0], place.truth(0, 1, 2, 3, 4))


@pytest.mark.larger
def test_every_session_and_attendee_of_seven_days_of_the_whole_university_equals_its_events(
    kaltura: Running, warehouse: Warehouse
) -> None:
    university = University(seed=7, rooms=60 if DEEP else 8)
    place = Place(kaltura, warehouse, university.timezone, dt.date(2026, 11, 2))
    activity = university.between(place.second(-48), place.second(24 * 11))
    place.sessions, place.breakouts = list(activity.sessions), list(activity.breakouts)
    place.views = list(activity.viewing.views())

    place.pull(0, 6)

    assert len(place.tables["attendees"]) > (10_000 if DEEP else 1_000)
    assert_equal(place.tables, place.truth(*range(7)))


def test_rooms_that_no_report_lists_are_asked_for_in_any_number_and_the_day_is_green(place: Place) -> None:
    """More than one request holds; of those that ask for none but them the reply is rightly empty."""
    place.sessions.append(Session("1_a room", "Room", "", "1_here", place.second(9), place.second(10), "host"))
    for number in range(1200):
        user = User(number, f"u{number}", f"Person {number}", "", "User")
        place.views.append(View("1_a room", "1_here", user, place.second(9), place.second(10)))
    for number in range(1100):
        place.views.append(View(f"1_lost{number:04}", f"1_gone{number}", PEOPLE[0], place.second(9), place.second(10)))

    extracted = place.pull(0)

    assert len(place.tables["attendees"]) == 1200
    [of_attendees] = [each for each in extracted.by_day[place.day(0)] if each.table is ATTENDEES.table]
    assert len(of_attendees.rejects) == 1100


# --- more than one reply holds -----------------------------------------------------------------------------------


def test_a_range_over_the_cap_is_split_by_days_and_a_day_over_it_by_ids(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="kaltura")
    for day in range(3):
        for number in range(3):
            start = 24 * day + 9 + number
            place.meets(f"1_{day}{number}", start, start + 1, [(start, start + 1)] * 4, entry=f"1_room{number}")
    place.kaltura.row_cap = 6
    place.pull(0, 2)
    assert_equal(place.tables, place.truth(0, 1, 2))
    assert any("cue_point_ids" in request.params for request in place.kaltura.requests)
    said = [record.getMessage() for record in caplog.records if record.name == "kaltura"]
    assert any("report 6001" in line and line.endswith("Its 3 days are asked for in parts.") for line in said)
    assert any("report 6001" in line and line.endswith("The day is asked for by cue_point_ids.") for line in said)


def test_sessions_and_breakouts_over_the_cap_are_split_by_rooms_that_narrower_windows_tell(place: Place) -> None:
    for number in range(6):
        start, end = place.second(9 + number), place.second(10 + number)
        place.meets(f"1_cue{number}", 9 + number, 10 + number, entry=f"1_room{number}")
        place.breakouts.append(
            Breakout(f"1_main{number}", "Main", f"1_room{number}", "Group", f"1_cue{number}", "host", start, end)
        )
    place.kaltura.row_cap = 5
    place.pull(0)
    assert_equal(place.tables, place.truth(0))
    asked = {name for request in place.kaltura.requests for name in request.params}
    assert {"entry_ids", "parentEntryIds"} <= asked


def test_a_single_session_with_more_people_than_the_cap_can_not_be_split(place: Place) -> None:
    place.meets("1_crowd", 9, 10, [(9, 10)] * 9)
    place.kaltura.row_cap = 5
    with pytest.raises(Unsplittable, match="1_crowd alone is more than Kaltura sends"):
        place.bring(0)


def test_a_day_without_sessions_before_a_crowded_morning_is_an_empty_day(place: Place) -> None:
    place.meets("1_next", 30, 31, [(30, 31)] * 9)
    place.kaltura.row_cap = 5
    place.pull(0)
    assert not any(place.tables.values())


def test_a_day_on_which_nothing_happened_is_empty_however_often_the_server_times_out(place: Place) -> None:
    place.meets("1_other", 24 * 9, 24 * 9 + 1)
    place.kaltura.faults.add(Fault("timeout", times=2, report_id=6000), Fault("timeout", times=2, report_id=6001))
    place.pull(0)
    assert not any(place.tables.values())


@pytest.mark.parametrize("report_id", [6000, 6001])
def test_a_heavy_day_that_is_answered_as_a_bug_of_the_server_is_asked_for_by_ids(place: Place, report_id: int) -> None:
    place.meets("1_a", 9, 10, entry="1_room1")
    place.meets("1_b", 19, 20, entry="1_room2")
    heavy = {"filtered": False, "min_span_seconds": 24 * HOUR, "report_id": report_id, "times": None}
    place.kaltura.faults.add(Fault("internal_error", **heavy))  # type: ignore[arg-type]
    place.pull(0)
    assert_equal(place.tables, place.truth(0))


def test_a_bug_of_the_server_that_even_the_least_meets_is_told_as_one(place: Place) -> None:
    place.meets("1_a", 9, 10)
    place.kaltura.faults.add(Fault("internal_error", report_id=6001, times=None))
    with pytest.raises(ServerFault, match="INTERNAL_SERVERL_ERROR"):
        place.bring(0)


def test_a_hundred_and_thirty_thousand_attendees_of_one_day_arrive_as_that_many_rows(place: Place) -> None:
    sessions, each = 10, 13_000
    people = [User(n, f"user{n}", "Person", "", "User") for n in range(each)]
    for number in range(sessions):
        entry, cue, start = f"1_room{number}", f"1_cue{number}", place.second(8 + number)
        place.sessions.append(Session(entry, "Room", "", cue, start, start + HOUR, "host"))
        place.views += [View(entry, cue, user, start, start + 60) for user in people]
    place.pull(0)
    with place.warehouse.connection() as connection:
        counted = connection.execute(
            "SELECT count(*), count(DISTINCT user_id), sum(meeting_view_time) FROM kaltura.attendees"
        ).fetchone()
        received = connection.execute("SELECT rows_received FROM kaltura.loads WHERE report_id = 6001").fetchone()
    assert counted == (sessions * each, each, sessions * each)
    assert received == (sessions * each,)


# --- what a reply should not be ----------------------------------------------------------------------------------


def test_a_filter_that_the_server_ignores_is_an_error(place: Place) -> None:
    place.meets("1_a", 9, 10, entry="1_asked")
    place.meets("1_b", 9, 10, entry="1_other")
    place.kaltura.faults.add(Fault("ignore_filters", times=None))
    with pytest.raises(FilterIgnored, match=r"1 other entry_id.*KALTURA_\*_IDS"):
        place.bring(0, filters=Filters({ENTRY_IDS: ["1_asked"]}))


@pytest.mark.parametrize("report", REPORTS)
def test_a_report_without_a_needed_column_is_an_error_that_names_it(place: Place, report: Report) -> None:
    place.meets("1_a", 9, 10)
    place.breakouts.append(
        Breakout("1_main", "Main", "1_room", "Group", "1_a", "host", place.second(9), place.second(10))
    )
    column = report.table.required_columns[-1]
    place.kaltura.faults.add(Fault("missing_column", times=None, report_id=report.report_id, column=column))
    with pytest.raises(ColumnMissing, match=f"no column {column}"):
        place.bring(0)
    assert not any(place.tables.values())


def _in_milliseconds(line: str) -> str:
    return ",".join(f"{value}000" if len(value) == 10 and value.isdecimal() else value for value in line.split(","))


def _as_text(line: str) -> str:
    return ",".join("2026-05-04 09:00" if len(v) == 10 and v.isdecimal() else v for v in line.split(","))


def _in_percent(line: str) -> str:
    *others, ratio = line.split(",")
    return ",".join([*others, f"{float(ratio) * 100}"])


@pytest.mark.parametrize(
    ("change", "report", "why"),
    [
        (
            _in_milliseconds,
            ROOM_SESSIONS,
            "12 of 12 rows can't be used: session_start_time is not a time in Unix seconds",
        ),
        (_as_text, ROOM_SESSIONS, "12 of 12 rows can't be used: session_start_time is not a time in Unix seconds"),
        (_in_percent, ATTENDEES, "meeting_engaged_play_time_ratio can't be read in 12 of 12 rows; expected is 0 to 1"),
        (lambda line: f"{line},", ATTENDEES, "12 of 12 rows can't be used: the line has 9 of 8 fields"),
    ],
)
def test_a_day_of_which_most_can_not_be_used_fails_and_what_was_loaded_stays(
    place: Place, change: Callable[[str], str], report: Report, why: str
) -> None:
    for number in range(12):
        place.meets(f"1_{number:02}", 9, 10)
    place.pull(0)
    before = place.tables
    with pytest.raises(MostlyUnusable, match=why) as raised:
        place.bring_changed(0, report, change)
    assert "Person" not in str(raised.value)
    assert "user0" not in str(raised.value)
    assert place.tables == before


FIGURES = [
    (report, column.name) for report in REPORTS for column in report.table.columns
    if column.kind in (Kind.COUNT, Kind.MINUTES, Kind.RATIO)
]  # fmt: skip


@pytest.mark.parametrize(("report", "column"), FIGURES, ids=[column for _, column in FIGURES])
def test_a_column_of_figures_that_comes_empty_fails_the_day_and_replaces_no_figure(
    place: Place, report: Report, column: str
) -> None:
    """Kaltura prints each null as 0: an empty figure is none, and no figure that is known may become one."""
    at = report.table.column_names.index(column)
    for number in range(12):
        place.meets(f"1_{number:02}", 9, 10)
        place.breakouts.append(
            Breakout("1_main", "Main", "1_room", "Group", f"1_{number:02}", "host", place.second(9), place.second(10))
        )
    place.pull(0)
    before = place.tables
    emptied = lambda line: ",".join("" if n == at else value for n, value in enumerate(line.split(",")))  # noqa: E731
    with pytest.raises(MostlyUnusable, match=f"{column} can't be read in 12 of 12 rows"):
        place.write(place.bring_changed(0, report, emptied))
    assert place.tables == before

    def some(line: str) -> str:
        return emptied(line) if line.split(",")[report.table.column_names.index("cue_point_id")] == "1_03" else line

    place.write(place.bring_changed(0, report, some))
    with place.warehouse.connection() as connection:
        [reject] = connection.execute("SELECT reason, column_name, is_repaired FROM kaltura.rejects").fetchall()
    assert reject == (f"{column} is empty", column, True)


def test_a_small_day_of_which_no_row_can_be_read_fails_and_one_with_a_lost_figure_does_not(place: Place) -> None:
    place.meets("1_a", 9, 10)
    with pytest.raises(MostlyUnusable, match="1 of 1 rows can't be used"):
        place.bring_changed(0, ROOM_SESSIONS, _in_milliseconds)
    extracted = place.bring_changed(0, ATTENDEES, _in_percent)
    assert [arrivals.repaired for arrivals in extracted.by_day[place.day(0)][:3]] == [0, 1, 0]


def test_a_session_that_begins_or_ends_in_the_future_is_told_and_freezes_no_day(place: Place) -> None:
    """An end in 2099 would keep its day from ever being final, and a start then would be in no table and no reject."""
    day = 86_400
    place.meets("1_a", 9, 10)
    place.meets("1_b", 9, 10)
    place.meets("1_c", 9, 10)
    now, names = int(place.kaltura.clock), ROOM_SESSIONS.table.column_names
    late = {"1_a": ("session_end_time", now + 2 * day), "1_b": ("session_start_time", now + 2 * day), "1_c": ("", 0)}

    def ahead(line: str) -> str:
        values = line.split(",")
        column, when = late[values[3]]
        return ",".join(str(when) if name == column else value for name, value in zip(names, values, strict=True))

    place.write(place.bring_changed(0, ROOM_SESSIONS, ahead))
    sessions = place.tables["room_sessions"]
    assert {key[1]: row["session_end_time"] is None for key, row in sessions.items()} == {"1_a": True, "1_c": False}
    with place.warehouse.connection() as connection:
        rejects = connection.execute("SELECT reason, is_repaired FROM kaltura.rejects ORDER BY is_repaired").fetchall()
    assert ("session_start_time is in the future", False) in rejects
    assert ("session_end_time is in the future", True) in rejects


@pytest.mark.parametrize(
    ("report", "spoil"),
    [(ROOM_SESSIONS, _as_text), (ROOM_SESSIONS, lambda line: f"{line},1"), (ATTENDEES, lambda line: f"{line},1")],
    ids=["a time that is none", "a session's line with a comma too many", "an attendee's"],
)
def test_a_line_of_the_next_morning_that_cannot_be_read_does_not_fail_an_empty_day(
    report: Report, spoil: Callable[[str], str], place: Place
) -> None:
    """It may be the day's own, so it is told there. Of a day that has rows of its own nothing changes by it."""
    for number in range(4):
        place.meets(f"1_{number}", 24 + 9, 24 + 10)
    extracted = place.bring_changed(0, report, lambda line: spoil(line) if ",1_0," in line else line)
    of_report = next(arrived for arrived in extracted.by_day[place.day(0)] if arrived.table is report.table)
    assert (len(of_report.frame), of_report.rejected) == (0, 1)
    with pytest.raises(MostlyUnusable):
        place.bring_changed(0, report, lambda line: line if ",1_0," in line else spoil(line))


def test_one_unreadable_day_of_a_range_fails_the_range_so_that_it_is_asked_for_by_itself(place: Place) -> None:
    for day in range(3):
        for number in range(12):
            place.meets(f"1_{day}{number:02}", 24 * day + 9, 24 * day + 10)

    def second_day(line: str) -> str:
        return _in_milliseconds(line) if ",1_1" in line else line

    with pytest.raises(MostlyUnusable):
        place.bring_changed(0, ROOM_SESSIONS, second_day, 2)
    assert place.bring_changed(0, ROOM_SESSIONS, second_day).by_day
    with pytest.raises(MostlyUnusable):
        place.bring_changed(1, ROOM_SESSIONS, second_day)


def test_a_new_column_is_kept_in_extra(place: Place) -> None:
    place.meets("1_a", 9, 10)
    place.kaltura.faults.add(Fault("extra_column", times=None, column="mood", value='fine "really"'))
    place.pull(0)
    assert [row["extra"] for row in place.tables["attendees"].values()] == [{"mood": 'fine "really"'}]
    assert json.dumps(place.tables["room_sessions"]["1_room", "1_a"]["extra"]) == '{"mood": "fine \\"really\\""}'


@pytest.mark.parametrize("cue", ["Unknown", "0", "1_gone"])
def test_attendees_of_a_session_that_kaltura_does_not_know_are_rejects_of_the_first_day(place: Place, cue: str) -> None:
    place.meets("1_known", 9, 10)
    place.views.append(View("1_room", cue, PEOPLE[0], place.second(11), place.second(12)))
    extracted = place.pull(0, 1)
    assert_equal(place.tables, place.truth(0, 1))
    rejected = {day: len(extracted.by_day[day][1].rejects) for day in extracted.days}
    assert rejected == {place.day(0): 1, place.day(1): 0}


def test_a_pull_of_breakouts_alone_asks_once_for_the_keys_of_the_rooms_and_for_nothing_of_people(place: Place) -> None:
    place.meets("1_a", 9, 10)
    place.breakouts.append(
        Breakout("1_main", "Main", "1_room", "Group", "1_a", "host", place.second(9), place.second(10))
    )
    place.pull(0, reports=[BREAKOUT_SESSIONS])
    [rooms] = [request for request in place.kaltura.requests if request.report_id == 6000]
    assert set(ROOM_SESSIONS.source.columns) - set(rooms.excluded_fields) == {"entry_id", "cue_point_id"}
    assert {request.report_id for request in place.kaltura.requests} == {6000, 6002}
    assert_equal(
        {**place.truth(), "breakout_sessions": place.tables["breakout_sessions"]},
        {**place.truth(), "breakout_sessions": place.truth(0)["breakout_sessions"]},
    )


def test_attendees_are_tied_to_their_day_also_where_room_sessions_are_not_asked_for(place: Place) -> None:
    place.meets("1_a", 9, 40)
    place.pull(0, reports=[ATTENDEES])
    assert_equal(
        {**place.truth(), "attendees": place.tables["attendees"]},
        {**place.truth(), "attendees": place.truth(0)["attendees"]},
    )


def test_a_session_that_opens_between_the_two_requests_is_looked_up(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.meets("1_a", 9, 10)
    place.meets("1_b", 9, 10)
    without_the_second = place.sessions[:1]
    whole_bring = place.kaltura.faults.due

    def due(call: object) -> object:
        is_first = len([r for r in place.kaltura.requests if r.report_id == 6000]) == 0
        place.kaltura.world = ListedWorld(without_the_second if is_first else place.sessions, (), place.views)
        return whole_bring(call)  # type: ignore[arg-type]

    monkeypatch.setattr(place.kaltura.faults, "due", due)
    place.pull(0)
    assert_equal(place.tables, place.truth(0))
