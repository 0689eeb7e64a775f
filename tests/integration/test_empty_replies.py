"""An empty report is no proof that there was nothing: what speaks against one, and what becomes of the day then."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from assets.attendees import ATTENDEES
from assets.pull.empty_replies import RowsSeen
from assets.pull.extract import Extract
from assets.pull.filters import Filters
from assets.pull.windows import Fetched, Windows
from assets.report import ENTRY_IDS, PARENT_ENTRY_IDS, USER_IDS, VIRTUAL_EVENT_IDS, Report
from assets.reports import REPORTS
from assets.room_sessions import ROOM_SESSIONS
from resources.kaltura.errors import EmptyReply
from resources.kaltura.windows import Days
from resources.privacy.pseudonyms import FULL
from resources.warehouse.warehouse import Warehouse
from simulator import Breakout, Fault, ListedWorld, Running, Session, View, serving
from tests.integration.test_whole_days import NO_FILTERS, PEOPLE, Place
from tests.truth import assert_equal

WITNESS = {6000: "report 6002 has", 6001: "report 6000 has", 6002: "report 6000 has"}
EVENT = "event"
RESTRICTED = {  # to all that takes place here
    "nothing": NO_FILTERS,
    "rooms": Filters({ENTRY_IDS: ["1_main", "1_other", "1_group"], PARENT_ENTRY_IDS: ["1_main"]}),
    "an event": Filters({VIRTUAL_EVENT_IDS: [EVENT]}),
    "people": Filters({USER_IDS: [person.user_id for person in PEOPLE]}),
}
restricted = pytest.mark.parametrize("campus", RESTRICTED, indirect=True)


@pytest.fixture(scope="module")
def kaltura() -> Iterator[Running]:
    with serving(ListedWorld()) as running:
        yield running


class Campus(Place):
    """A place where each day has a lecture and a breakout room of it, whose pulls know what the warehouse holds."""

    def __init__(self, kaltura: Running, warehouse: Warehouse) -> None:
        super().__init__(kaltura, warehouse)
        self.accepts_empty = False
        self.filters = NO_FILTERS

    def holds(self, *days: int, people: int = 3) -> None:
        for day in days:
            start, end = 24 * day + 9, 24 * day + 10
            self.meets(f"1_{day}", start, end, [(start, end)] * people, entry="1_main")
            group = ("1_group", f"1_{day}g", self.second(start), self.second(end))
            self.sessions.append(Session(group[0], "Group", "1_main", group[1], group[2], group[3], "host"))
            self.breakouts.append(Breakout("1_main", "Room", group[0], "Group", group[1], "host", group[2], group[3]))
            self.views.append(View(group[0], group[1], PEOPLE[0], group[2], group[3]))

    def asked(self, first: int, last: int | None = None, filters: Filters | None = None, **more: Any) -> Extract:
        filters = filters or self.filters
        self.sessions = [replace(each, virtual_event_id=EVENT) for each in self.sessions]
        self.breakouts = [replace(each, virtual_event_id=EVENT) for each in self.breakouts]

        def known(report: Report, days: Days, *, all_are_empty: bool) -> str:
            kept_to = FULL.of_account(1).kept_to(filters.names_of(report))
            of_days = (1, report.report_id, days.first, days.last)
            return self.warehouse.against_empty(*of_days, all_are_empty=all_are_empty, kept_to=kept_to)

        more = {"against_empty": known, "accepts_empty": self.accepts_empty, **more}
        return self.bring(first, last, filters=filters, **more)

    def load(self, extracted: Extract) -> None:
        self.write(extracted)

    def run(self, first: int, last: int) -> dict[dt.date, EmptyReply]:
        """The days as a run asks for them, loaded; and those that failed."""

        def of(days: Days, seen: RowsSeen) -> Extract:
            return self.asked((days.first - self.monday).days, (days.last - self.monday).days, seen=seen)

        days = [self.day(number) for number in range(first, last + 1)]
        failed: dict[dt.date, EmptyReply] = {}
        for fetched in Windows(of, self.kaltura.row_cap).fetched(days):
            if isinstance(fetched.outcome, Extract):
                self.write(fetched.outcome)
            else:
                failed |= self._failed(fetched)
        return failed

    @staticmethod
    def _failed(fetched: Fetched) -> dict[dt.date, EmptyReply]:
        assert isinstance(fetched.outcome, EmptyReply), fetched.outcome
        return dict.fromkeys(fetched.days, fetched.outcome)


@pytest.fixture
def campus(kaltura: Running, warehouse: Warehouse, request: pytest.FixtureRequest) -> Campus:
    campus = Campus(kaltura, warehouse)
    campus.filters = RESTRICTED[getattr(request, "param", "nothing")]
    return campus


@restricted
@pytest.mark.parametrize("report", REPORTS)
def test_a_store_that_could_not_be_read_once_is_asked_again_where_another_report_has_rows(
    campus: Campus, report: Report
) -> None:
    campus.holds(0)
    campus.kaltura.faults.add(Fault("unreadable_store", report_id=report.report_id))
    campus.load(campus.asked(0))
    assert_equal(campus.tables, campus.truth(0))


@pytest.mark.parametrize("report", REPORTS)
def test_a_report_that_stays_empty_beside_another_with_rows_fails_the_day_and_names_the_other(
    campus: Campus, report: Report
) -> None:
    campus.holds(0)
    campus.kaltura.faults.add(Fault("unreadable_store", report_id=report.report_id, times=None))
    with pytest.raises(EmptyReply, match=f"report {report.report_id}, .*{WITNESS[report.report_id]}.*accept_empty"):
        campus.asked(0)


def test_sessions_that_only_attendees_name_speak_against_an_empty_list_of_sessions(campus: Campus) -> None:
    campus.meets("1_a", 9, 10)
    campus.kaltura.faults.add(Fault("unreadable_store", report_id=6000, times=None))
    with pytest.raises(EmptyReply, match="report 6000, .*though report 6001 has 1 rows"):
        campus.asked(0)


def test_rows_that_came_before_the_sessions_were_asked_for_again_are_accounted_for(campus: Campus) -> None:
    campus.meets("1_a", 9, 10, [(9, 10)] * 3)
    campus.kaltura.requests.clear()
    campus.kaltura.faults.add(Fault("unreadable_store", report_id=6000, times=2))

    extracted = campus.asked(0)

    for report, arrived in zip(REPORTS, extracted.by_day[campus.day(0)], strict=True):
        of_report = [each for each in campus.kaltura.requests if each.report_id == report.report_id]
        assert arrived.received == sum(each.rows or 0 for each in of_report)
    assert [len(each.frame) for each in extracted.by_day[campus.day(0)]] == [1, 3, 0]
    assert extracted.by_day[campus.day(0)][1].merged == 3


@pytest.mark.parametrize("times", [1, 2, 3, None])
def test_a_session_without_an_end_is_not_lost_where_its_own_window_can_not_be_read(
    campus: Campus, times: int | None
) -> None:
    campus.meets("1_a", 9, None, [(9, 10)])
    campus.kaltura.faults.add(Fault("unreadable_store", report_id=6000, times=times, after=1))
    try:
        campus.load(campus.asked(0))
    except EmptyReply:
        assert campus.tables == {name: {} for name in campus.tables}, "nothing of a red day is written"
        assert times != 1, "once is asked for again"
    else:
        assert_equal(campus.tables, campus.truth(0))


@pytest.mark.parametrize("after", [2, 3, 4])
@pytest.mark.parametrize("times", [1, 5, None])
def test_a_store_that_goes_away_in_the_middle_of_a_run_leaves_no_day_that_is_empty_and_green(
    campus: Campus, after: int, times: int | None
) -> None:
    """6000 and 6002 have told of each of the days before; all that is asked for next comes empty."""
    campus.holds(0, 1, 2)
    campus.meets("1_long", 33, None, [(33, 34)])
    campus.kaltura.faults.add(Fault("unreadable_store", times=times, after=after))
    failed = campus.run(0, 2)
    assert_equal(campus.tables, campus.truth(*(number for number in range(3) if campus.day(number) not in failed)))
    assert times or failed


@pytest.mark.parametrize("times", [2, 3])
def test_two_reports_that_come_empty_at_one_moment_are_both_asked_again_once_the_third_has_rows(
    campus: Campus, times: int
) -> None:
    campus.holds(0, 1)
    campus.kaltura.faults.add(Fault("unreadable_store", times=times))
    assert campus.run(0, 1) == {}
    assert_equal(campus.tables, campus.truth(0, 1))


@pytest.mark.parametrize("report", REPORTS)
def test_a_heavy_window_whose_store_can_not_be_read_is_asked_for_in_parts(campus: Campus, report: Report) -> None:
    campus.holds(0, 1, 2)
    heavy = {"report_id": report.report_id, "min_span_seconds": 48 * 3600, "times": None}
    campus.kaltura.faults.add(Fault("unreadable_store", **heavy))  # type: ignore[arg-type]
    assert campus.run(0, 2) == {}
    assert_equal(campus.tables, campus.truth(0, 1, 2))


@pytest.mark.parametrize("times", [1, 2, None])
@pytest.mark.parametrize("report", REPORTS)
def test_a_count_that_is_lost_at_the_cap_loses_no_row(campus: Campus, report: Report, times: int | None) -> None:
    campus.holds(0, 1, 2)
    campus.kaltura.row_cap = 6
    campus.kaltura.faults.add(Fault("count_lost", report_id=report.report_id, times=times))
    assert campus.run(0, 2) == {}
    assert_equal(campus.tables, campus.truth(0, 1, 2))


@restricted
def test_all_three_reports_empty_are_not_believed_where_the_warehouse_holds_rows(campus: Campus) -> None:
    campus.holds(0)
    campus.load(campus.asked(0))
    campus.kaltura.faults.add(Fault("unreadable_store", times=None))
    with pytest.raises(EmptyReply, match="the warehouse holds (2 rows|1 row) of"):
        campus.asked(0)


@restricted
def test_a_weekday_that_has_rows_every_week_is_not_believed_empty_unless_a_run_accepts_it_and_then_stays_so(
    campus: Campus,
) -> None:
    for week in range(4):
        for hour in range(10):
            campus.meets(f"1_{week}{hour}", 168 * week + 8 + hour, 168 * week + 9 + hour, entry="1_main")
            campus.meets(f"2_{week}{hour}", 168 * week + 8 + hour, 168 * week + 9 + hour, entry="1_other")
    for week in range(3):
        campus.load(campus.asked(7 * week))
    campus.kaltura.faults.add(Fault("unreadable_store", times=None))
    with pytest.raises(EmptyReply, match="20 rows are the median of Mondays before 2026"):
        campus.asked(21)
    campus.accepts_empty = True
    campus.load(campus.asked(21))
    campus.accepts_empty = False
    campus.load(campus.asked(21))
    campus.kaltura.faults.clear()
    campus.load(campus.asked(21))
    assert_equal(campus.tables, campus.truth(0, 7, 14, 21))


@pytest.mark.parametrize("last", [0, 2])
def test_three_reports_that_came_empty_together_are_asked_for_once_more_where_nothing_is_known(
    campus: Campus, last: int
) -> None:
    campus.holds(0, 1, 2)
    campus.kaltura.faults.add(*(Fault("unreadable_store", report_id=report.report_id) for report in REPORTS))
    assert campus.run(0, last) == {}
    assert_equal(campus.tables, campus.truth(*range(last + 1)))


@pytest.mark.parametrize(("last", "hours"), [(0, (8, 11, 14, 17, 20)), (1, (14, 17, 20))])
def test_a_count_that_is_lost_at_the_cap_of_all_three_reports_is_seen_by_asking_in_halves(
    campus: Campus, last: int, hours: tuple[int, ...]
) -> None:
    for day in range(last + 1):
        for hour in hours:
            start, end, name = 24 * day + hour, 24 * day + hour + 1, f"1_{day}_{hour}"
            campus.meets(name, start, end, entry=f"{name}_group")
            where = (f"{name}_main", "Room", f"{name}_group", "Group", name)
            campus.breakouts.append(Breakout(*where, "host", campus.second(start), campus.second(end)))
    campus.kaltura.row_cap = 4
    campus.kaltura.faults.add(Fault("count_lost", times=None))
    assert campus.run(0, last) == {}
    assert_equal(campus.tables, campus.truth(*range(last + 1)))


@restricted
@pytest.mark.parametrize("loaded", [0, 14], ids=["before", "after"])
def test_three_empty_reports_are_not_believed_where_a_week_around_has_rows_on_that_weekday(
    campus: Campus, loaded: int
) -> None:
    campus.holds(loaded, people=20)
    campus.load(campus.asked(loaded))
    campus.kaltura.faults.add(Fault("unreadable_store", times=None))
    with pytest.raises(EmptyReply, match="21 rows are the median of Mondays around 2026-05-11, and the other reports"):
        campus.asked(7)
    campus.kaltura.faults.clear()
    campus.kaltura.faults.add(Fault("unreadable_store", report_id=ATTENDEES.report_id, times=1))
    campus.holds(7)
    campus.load(campus.asked(7))
    assert_equal(campus.tables, campus.truth(loaded, 7))


@pytest.mark.deep
@pytest.mark.parametrize("report", [REPORTS[0], REPORTS[2]])
@pytest.mark.parametrize("times", [1, 2, 3, 5, 8, None])
@pytest.mark.parametrize("after", [1, 2, 3, 4, 6])
def test_replies_lost_in_a_row_inside_a_day_over_the_cap_hide_no_room(
    campus: Campus, report: Report, times: int | None, after: int
) -> None:
    for hour in range(6):
        start, name = 3 * hour + 1, f"1_{hour}"
        campus.meets(name, start, start + 1, entry=f"{name}_main")
        campus.meets(f"{name}g", start, start + 1, entry=f"{name}_group")
        campus.sessions[-1] = replace(campus.sessions[-1], parent_entry_id=f"{name}_main")
        where = (f"{name}_main", "Room", f"{name}_group", "Room", f"{name}g")
        campus.breakouts.append(Breakout(*where, "host", campus.second(start), campus.second(start + 1)))
    campus.kaltura.row_cap = 5
    campus.kaltura.faults.add(Fault("unreadable_store", report_id=report.report_id, after=after, times=times))
    failed = campus.run(0, 0)
    assert_equal(campus.tables, campus.truth(*([] if failed else [0])))


def test_a_day_that_stays_empty_fails_alone_and_its_neighbours_are_loaded(campus: Campus) -> None:
    campus.holds(0, 1, 2, 3, 4, 5, 6)
    covered = campus.second(24 * 3 + 18)
    campus.kaltura.faults.add(Fault("unreadable_store", report_id=6001, covers=covered, times=None))
    failed = campus.run(0, 6)
    assert set(failed) == {campus.day(3)}
    assert_equal(campus.tables, campus.truth(0, 1, 2, 4, 5, 6))


def test_an_empty_half_of_days_that_were_too_much_is_not_believed_where_the_other_half_is_less(campus: Campus) -> None:
    campus.meets("1_a", 9, 10, [(9, 10)] * 4)
    campus.meets("1_b", 24 + 9, 24 + 10, [(24 + 9, 24 + 10)] * 4)
    campus.kaltura.row_cap = 6
    campus.kaltura.faults.add(
        Fault("unreadable_store", report_id=6001, covers=campus.second(24 + 20), after=1, times=None)
    )
    assert set(campus.run(0, 1)) == {campus.day(1)}
    assert_equal(campus.tables, campus.truth(0))


def test_days_on_which_nothing_happened_are_believed_and_say_so(campus: Campus) -> None:
    campus.holds(0)
    assert campus.run(0, 6) == {}
    assert campus.run(5, 6) == {}
    assert len(campus.kaltura.requests) == 3 * len(REPORTS), "once, and once more in halves"
    with campus.warehouse.connection() as connection:
        found = connection.execute(
            "SELECT DISTINCT partition_date FROM kaltura.loads WHERE rows_received = 0"
        ).fetchall()
    assert {campus.day(5), campus.day(6)} <= {day for (day,) in found}


def test_a_person_who_attended_nothing_is_believed(campus: Campus) -> None:
    campus.holds(0)
    extracted = campus.asked(0, filters=Filters({USER_IDS: ["somebody.else"]}))
    at = REPORTS.index(ATTENDEES)
    assert extracted.by_day[campus.day(0)][at].received == 0
    assert extracted.by_day[campus.day(0)][REPORTS.index(ROOM_SESSIONS)].received == 2


def test_people_of_whom_the_warehouse_holds_rows_are_not_believed_to_have_attended_nothing(campus: Campus) -> None:
    campus.holds(0, 1)
    campus.filters = Filters({USER_IDS: [PEOPLE[0].user_id]})
    campus.load(campus.asked(0))
    campus.kaltura.faults.add(Fault("unreadable_store", report_id=6001, times=None))
    with pytest.raises(EmptyReply, match="report 6001, .*the warehouse holds 2 rows of"):
        campus.asked(0)
    assert campus.asked(1).by_day[campus.day(1)][REPORTS.index(ATTENDEES)].received == 0, "of that day nothing is known"


@pytest.mark.parametrize("before", RESTRICTED)
def test_rows_of_other_ids_say_nothing_of_those_that_a_pull_is_restricted_to(campus: Campus, before: str) -> None:
    campus.holds(0)
    campus.load(campus.asked(0, filters=RESTRICTED[before]))
    campus.filters = Filters({ENTRY_IDS: ["1_quiet"], PARENT_ENTRY_IDS: ["1_quiet"]})
    assert [each.received for each in campus.asked(0).by_day[campus.day(0)]] == [0, 0, 0]
