"""Figures that Kaltura's store lost and printed as 0, and figures in another unit: no good figure is replaced by one."""

from dataclasses import replace
from typing import Any

import pytest

from assets.attendees import ATTENDEES
from assets.breakout_sessions import BREAKOUT_SESSIONS
from assets.pull.usable import MostlyUnusable
from assets.report import Report
from assets.reports import REPORTS
from resources.kaltura.errors import FiguresLost
from resources.privacy.pseudonyms import NOBODY
from resources.table import Kind
from simulator import Breakout, Fault, View
from tests.integration.test_whole_days import PEOPLE, Place
from tests.integration.test_whole_days import kaltura as kaltura
from tests.integration.test_whole_days import place as place
from tests.integration.test_whole_days import stages as stages
from tests.truth import assert_equal

NEVER_ALL_0 = [
    (report, column.name) for report in REPORTS for column in report.table.columns
    if column.kind in (Kind.COUNT, Kind.MINUTES)
]  # fmt: skip
EACH = pytest.mark.parametrize(("report", "column"), NEVER_ALL_0, ids=[column for _, column in NEVER_ALL_0])


def fill(place: Place, day: int = 0, count: int = 12) -> None:
    """A day of so many meetings, each with one person and a breakout room."""
    for number in range(count):
        begins, cue = 24 * day + 9, f"1_{day}{number:02}"
        place.meets(cue, begins, begins + 1)
        start, end = place.second(begins), place.second(begins + 1)
        place.breakouts.append(Breakout("1_main", "Main", "1_group", "Group", cue, "host", start, end))
        place.views.append(View("1_group", cue, PEOPLE[0], start, end))


def only_of(day: int, column: int) -> dict[str, Any]:
    """A change of replies that prints 0 in the column of the rows of one day, as where one part of the store lost it."""

    def change(text: str) -> str:
        lines = [line.split(",") for line in text.splitlines()]
        lost = [
            [*line[:column], "0", *line[column + 1 :]] if any(v.startswith(f"1_{day}") for v in line[1:5]) else line
            for line in lines
        ]
        return "".join(f"{','.join(line)}\n" for line in lost)

    return {"rewrite": change}


@EACH
def test_figures_that_are_lost_once_are_asked_for_once_more(report: Report, column: str, place: Place) -> None:
    fill(place)
    place.kaltura.faults.add(Fault("null_figures", report_id=report.report_id, column=column))
    place.pull(0)
    assert_equal(place.tables, place.truth(0))


@EACH
def test_figures_that_stay_lost_fail_the_day_and_replace_none(report: Report, column: str, place: Place) -> None:
    fill(place)
    place.pull(0)
    before = place.tables
    place.kaltura.faults.add(Fault("null_figures", report_id=report.report_id, column=column, times=None))
    with pytest.raises(FiguresLost, match=f"{column} is 0 in .* of .* rows"):
        place.pull(0)
    assert place.tables == before
    place.pull(0, accepts_empty=True)
    assert {row[column] for row in place.tables[report.table.name].values()} == {0}


@EACH
def test_figures_that_were_accepted_as_0_stay_so(report: Report, column: str, place: Place) -> None:
    fill(place)
    knowing = {"holds_zeros": place.warehouse.zeros_of(1)}
    place.kaltura.faults.add(Fault("null_figures", report_id=report.report_id, column=column, times=None))
    with pytest.raises(FiguresLost):
        place.pull(0, **knowing)
    place.pull(0, **knowing, accepts_empty=True)
    before = place.tables
    place.write(extracted := place.bring(0, **knowing))
    assert place.tables == before
    assert {row[column] for row in before[report.table.name].values()} == {0}
    assert [len(arrivals.rejects) for arrivals in extracted.by_day[place.day(0)]] == [0, 0, 0]


def test_minutes_that_were_accepted_as_0_stay_so_of_a_day_that_is_asked_for_by_its_sessions(place: Place) -> None:
    fill(place)
    place.views += [replace(view, user=PEOPLE[1]) for view in place.views if view.entry_id == "1_room"]
    place.kaltura.row_cap = 30
    knowing = {"holds_zeros": place.warehouse.zeros_of(1)}
    place.kaltura.faults.add(Fault("null_figures", report_id=6001, column="meeting_view_time", times=None))
    with pytest.raises(FiguresLost, match="cue_point_id"):
        place.pull(0, **knowing)
    place.pull(0, **knowing, accepts_empty=True)
    before = place.tables
    place.pull(0, **knowing)
    assert place.tables == before
    assert [row["meeting_view_time"] for row in before["attendees"].values()] == [0] * 36


@EACH
def test_figures_that_the_warehouse_has_otherwise_stay_refused(report: Report, column: str, place: Place) -> None:
    """Nor do sessions of the same day, or zeros of another account, tell of these."""
    fill(place)
    knowing = {"holds_zeros": place.warehouse.zeros_of(1)}
    place.pull(0, **knowing)
    before = place.tables
    place.kaltura.faults.add(Fault("null_figures", report_id=report.report_id, column=column, times=None))
    with pytest.raises(FiguresLost, match=f"{column} is 0 in .* of .* rows"):
        place.pull(0, **knowing)
    assert place.tables == before
    place.pull(0, **knowing, accepts_empty=True)
    fill(place, 1)
    place.pull(0, **knowing)
    with pytest.raises(FiguresLost, match=str(place.day(1))):
        place.pull(1, **knowing)
    with pytest.raises(FiguresLost):
        place.pull(0, holds_zeros=place.warehouse.zeros_of(2))


@EACH
def test_a_day_whose_figures_are_lost_among_good_ones_fails_alone(report: Report, column: str, place: Place) -> None:
    fill(place, 0)
    fill(place, 1)
    fill(place, 2)
    lost = only_of(1, report.table.column_names.index(column))
    place.kaltura.faults.add(Fault("rewritten", report_id=report.report_id, times=None, **lost))
    with pytest.raises(FiguresLost):
        place.bring(0, 2)
    with pytest.raises(FiguresLost, match=str(place.day(1))):
        place.bring(1)
    place.pull(0)
    place.pull(2)
    assert_equal(place.tables, place.truth(0, 2))


def test_a_single_day_whose_figures_are_lost_among_its_neighbours_is_asked_for_once_more(place: Place) -> None:
    fill(place, 0)
    fill(place, 1)
    lost = only_of(0, ATTENDEES.table.column_names.index("meeting_view_time"))
    place.kaltura.faults.add(Fault("rewritten", report_id=6001, **lost))
    place.pull(0)
    assert_equal(place.tables, place.truth(0))


def test_somebody_who_was_there_for_no_minute_is_loaded(place: Place) -> None:
    place.meets("1_a", 9, 10, [(9, 10)] * 12)
    place.views[0] = View("1_room", "1_a", PEOPLE[0], place.second(9), place.second(9))
    place.kaltura.faults.add(
        Fault("rewritten", report_id=6001, times=None, rewrite=lambda text: text.replace(",60,", ",0,", 1))
    )
    place.pull(0)
    assert sorted(row["meeting_view_time"] for row in place.tables["attendees"].values())[:2] == [0, 60]


def test_a_few_rows_whose_figure_is_0_are_believed(place: Place) -> None:
    """Of so few rows all may be of people who looked in."""
    fill(place, count=4)
    place.kaltura.faults.add(Fault("null_figures", report_id=6001, column="meeting_view_time", times=None))
    place.pull(0)
    assert {row["meeting_view_time"] for row in place.tables["attendees"].values()} == {0}


def test_breakouts_without_a_rate_of_engagement_are_loaded(place: Place) -> None:
    """A ratio is 0 where nobody was engaged."""
    fill(place)
    place.kaltura.faults.add(
        Fault("null_figures", report_id=BREAKOUT_SESSIONS.report_id, column="engagement_rate", times=None)
    )
    place.pull(0)
    assert {row["engagement_rate"] for row in place.tables["breakout_sessions"].values()} == {0}


def times(factor: int, report: Report, column: str) -> dict[str, Any]:
    """A change of replies that gives the column in a unit that is so much smaller."""
    at = report.table.column_names.index(column)

    def change(text: str) -> str:
        header, *lines = (line.split(",") for line in text.splitlines())
        changed = [[*line[:at], f"{float(line[at]) * factor:g}", *line[at + 1 :]] for line in lines]
        return "".join(f"{','.join(line)}\n" for line in [header, *changed])

    return {"report_id": report.report_id, "rewrite": change, "times": None}


OTHER_UNITS = [
    (ATTENDEES, "meeting_view_time", 60),
    (ATTENDEES, "meeting_view_time", 60_000),
    (BREAKOUT_SESSIONS, "duration", 1000),
]


@pytest.mark.parametrize(("report", "column", "factor"), OTHER_UNITS)
def test_a_figure_in_another_unit_fails_the_day_and_replaces_none(
    report: Report, column: str, factor: int, place: Place
) -> None:
    fill(place)
    place.pull(0)
    before = place.tables
    place.kaltura.faults.add(Fault("rewritten", **times(factor, report, column)))
    with pytest.raises(MostlyUnusable, match=f"{column} .* (12 of 12|24 of 24) rows; expected is (minutes|seconds)"):
        place.pull(0)
    assert place.tables == before


def test_a_duration_that_is_not_from_start_to_end_is_told_and_not_stored(place: Place) -> None:
    fill(place, count=3)
    place.kaltura.faults.add(Fault("rewritten", **times(1000, BREAKOUT_SESSIONS, "duration")))
    extracted = place.pull(0)
    assert_equal(place.tables, place.truth(0))
    assert [arrivals.repaired for arrivals in extracted.by_day[place.day(0)]] == [0, 0, 3]


def test_people_who_wait_before_a_short_session_or_come_with_devices_are_believed(place: Place) -> None:
    """Kaltura may count both beside the minutes from start to end."""
    place.meets("1_a", 9, 9.1, [(9, 9.1)] * 12)
    place.meets("1_b", 10, 11, [(10, 11)] * 12)
    longer = lambda text: text.replace(",6,", ",64,").replace(",60,", ",180,")  # noqa: E731
    place.kaltura.faults.add(Fault("rewritten", report_id=6001, rewrite=longer, times=None))
    place.pull(0)
    assert {row["meeting_view_time"] for row in place.tables["attendees"].values()} == {64, 180}


def rows_of(user_id: str, minutes: int, *, but: int = 0) -> dict[str, Any]:
    """A change of replies that gives all rows, but for the first, so many minutes of one id."""
    names = ATTENDEES.table.column_names
    user, at = names.index("user_id"), names.index("meeting_view_time")

    def change(text: str) -> str:
        header, *lines = (line.split(",") for line in text.splitlines())
        for line in lines[but:]:
            line[user], line[at] = user_id, str(minutes)
        return "".join(f"{','.join(line)}\n" for line in [header, *lines])

    return {"report_id": ATTENDEES.report_id, "rewrite": change, "times": None}


OF_MANY = [*NOBODY, "a hall's devices"]
"""Ids of which a row has the minutes of several: people whom Kaltura can't name, or devices that share one."""


@pytest.mark.parametrize("user_id", OF_MANY)
def test_hours_of_30_people_under_one_id_are_loaded(user_id: str, place: Place) -> None:
    fill(place)
    place.kaltura.faults.add(Fault("rewritten", **rows_of(user_id, 30 * 60)))
    place.pull(0)
    of_rows = {(row["user_id"], row["meeting_view_time"]) for row in place.tables["attendees"].values()}
    assert of_rows == {(user_id, 30 * 60)}


def test_minutes_of_people_whom_kaltura_cannot_name_hide_no_seconds(place: Place) -> None:
    fill(place, count=30)
    seconds = times(60, ATTENDEES, "meeting_view_time")["rewrite"]
    unknown = rows_of("Unknown", 60, but=12)["rewrite"]
    place.kaltura.faults.add(
        Fault("rewritten", report_id=6001, rewrite=lambda text: unknown(seconds(text)), times=None)
    )
    with pytest.raises(MostlyUnusable, match="meeting_view_time .* 12 of 12 rows"):
        place.pull(0)


@pytest.mark.parametrize("share", [0.65, 0.8, 1])
@pytest.mark.parametrize("hours", [1, 1.5, 8])
def test_seconds_of_people_who_were_there_for_most_of_their_session_are_found(
    hours: float, share: float, place: Place
) -> None:
    for number in range(10):
        place.meets(f"1_{number}", number, number + hours, [(number, number + hours * share)])
    place.kaltura.faults.add(Fault("rewritten", **times(60, ATTENDEES, "meeting_view_time")))
    with pytest.raises(MostlyUnusable, match="meeting_view_time .* 10 of 10 rows"):
        place.pull(0)
