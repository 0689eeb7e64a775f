"""A report whose rows are dropped after the cap was applied: cut off, and yet shorter than the cap."""

from collections import Counter
from collections.abc import Iterator

import pytest

from assets.breakout_sessions import BREAKOUT_SESSIONS
from assets.pull.filters import Filters
from assets.report import ENTRY_IDS, PARENT_ENTRY_IDS, Report
from assets.reports import REPORTS
from assets.room_sessions import ROOM_SESSIONS
from resources.kaltura.errors import EmptyReply, ServerFault, Unsplittable
from simulator import Breakout, Fault, ListedWorld, Running, Session, View, serving
from tests.integration.test_whole_days import PEOPLE, Place
from tests.truth import assert_equal

ALONE = [BREAKOUT_SESSIONS]


@pytest.fixture(scope="module")
def kaltura() -> Iterator[Running]:
    with serving(ListedWorld()) as running:
        yield running


class Lectures(Place):
    """Days of lectures that many attend, each with a group of one person: the last of the rooms by their users."""

    def holds(self, day: int, rooms: int, *, at: float = 9, lists_groups: bool = True) -> None:
        for number in range(rooms):
            start, end = 24 * day + at + number % 6, 24 * day + at + number % 6 + 0.5
            main, cue = f"1_main{number}", f"1_{day}_{number}"
            self.meets(cue, start, end, [(start, end)] * 3, entry=main)
            group = (f"1_group{number}", f"{cue}g", self.second(start), self.second(end))
            if lists_groups:
                self.sessions.append(Session(group[0], "Group", main, group[1], group[2], group[3], "host"))
            self.breakouts.append(Breakout(main, "Room", group[0], "Group", group[1], "host", group[2], group[3]))
            self.views.append(View(group[0], group[1], PEOPLE[0], group[2], group[3]))

    def requests(self) -> Counter[int | None]:
        return Counter(request.report_id for request in self.kaltura.requests)


@pytest.fixture
def lectures(kaltura: Running, warehouse: object) -> Iterator[Lectures]:
    yield Lectures(kaltura, warehouse)  # type: ignore[arg-type]
    kaltura.thins_breakouts = True


@pytest.mark.deep
@pytest.mark.parametrize("reports", [REPORTS, ALONE], ids=["all", "alone"])
@pytest.mark.parametrize("lists_groups", [True, False])
@pytest.mark.parametrize("row_cap", [8, 9, 16, 17, 24, 25, 40, 60])
def test_whatever_the_cap_no_breakout_is_lost(
    lectures: Lectures, row_cap: int, lists_groups: bool, reports: list[Report]
) -> None:
    """Of 6002 alone, where the other reports are as heavy: their own splits are others' business."""
    for day in range(3):
        lectures.holds(day, 6, lists_groups=lists_groups)
    lectures.kaltura.row_cap = row_cap
    lectures.pull(0, 2, reports=reports)
    wanted = lectures.truth(0, 1, 2)["breakout_sessions"]
    assert len(wanted) == 18
    assert lectures.tables["breakout_sessions"] == wanted


def test_days_far_from_the_cap_cost_one_request_a_report(lectures: Lectures) -> None:
    for day in range(3):
        lectures.holds(day, 6)
    lectures.pull(0, 2)
    assert lectures.requests() == {6000: 1, 6001: 1, 6002: 1}


def test_a_reply_that_may_be_cut_is_asked_for_in_halves_and_then_by_main_rooms(lectures: Lectures) -> None:
    for day in range(2):
        lectures.holds(day, 6)
    lectures.kaltura.row_cap = 30
    lectures.pull(0, 1)
    assert_equal(lectures.tables, lectures.truth(0, 1))
    assert lectures.requests()[6002] > 1


@pytest.mark.parametrize("filters", [{ENTRY_IDS: ["1_main0"]}, {PARENT_ENTRY_IDS: ["1_main5"]}])
def test_a_restricted_pull_is_judged_by_the_rows_of_all_rooms(
    lectures: Lectures, filters: dict[str, list[str]]
) -> None:
    lectures.holds(0, 6)
    lectures.kaltura.row_cap = 9
    lectures.pull(0, reports=ALONE, filters=Filters(filters))
    groups = {key[0] for key in lectures.tables["breakout_sessions"]}
    assert groups == ({"1_group5"} if PARENT_ENTRY_IDS in filters else {f"1_group{n}" for n in range(6)})


def test_an_hour_of_which_nothing_can_tell_fails_the_day(lectures: Lectures) -> None:
    for number in range(6):
        lectures.meets(f"1_{number}", 9, 10, [(9, 10)] * 2, entry=f"1_main{number}")
    lectures.kaltura.row_cap = 6
    with pytest.raises(Unsplittable, match="report 6002"):
        lectures.pull(0, reports=ALONE)


def test_rooms_that_come_empty_beside_breakouts_are_no_proof(lectures: Lectures) -> None:
    lectures.holds(0, 2)
    lectures.kaltura.faults.add(Fault("unreadable_store", report_id=6000))
    lectures.pull(0, reports=ALONE)
    assert lectures.tables["breakout_sessions"] == lectures.truth(0)["breakout_sessions"]
    lectures.kaltura.faults.add(Fault("unreadable_store", report_id=6000, times=None))
    with pytest.raises(EmptyReply, match="report 6000, .*though report 6002 has 2 rows"):
        lectures.pull(0, reports=ALONE)


def test_breakouts_are_judged_anew_where_the_rooms_had_come_empty(lectures: Lectures) -> None:
    """6002 seems whole beside an empty 6000; the rooms that come then say otherwise."""
    lectures.holds(0, 6)
    lectures.kaltura.row_cap = 10
    lectures.kaltura.faults.add(Fault("unreadable_store", report_id=6000, min_span_seconds=24 * 3600))
    lectures.pull(0, reports=[ROOM_SESSIONS, BREAKOUT_SESSIONS])
    assert lectures.tables["breakout_sessions"] == lectures.truth(0)["breakout_sessions"]


def test_a_server_that_drops_nothing_loses_nothing_either(lectures: Lectures) -> None:
    lectures.kaltura.thins_breakouts = False
    lectures.holds(0, 6)
    lectures.kaltura.row_cap = 9
    lectures.pull(0, reports=ALONE)
    assert lectures.tables["breakout_sessions"] == lectures.truth(0)["breakout_sessions"]


def test_an_error_of_6000_is_not_taken_for_one_of_6002(lectures: Lectures) -> None:
    lectures.holds(0, 6)
    lectures.kaltura.faults.add(Fault("internal_error", report_id=6000, times=None))
    with pytest.raises(ServerFault, match="report 6000"):
        lectures.pull(0)
    assert lectures.requests()[6002] == 1
