"""What Kaltura looks up when it is asked, and once does not find, stays as it was known: names, rooms, hosts and ends."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from assets.breakout_sessions import BREAKOUT_SESSIONS
from assets.report import Report
from assets.room_sessions import ROOM_SESSIONS
from resources.table import UNKNOWN, Column, Kind
from resources.warehouse.warehouse import Warehouse
from simulator import Breakout, ListedWorld, Running, serving
from tests.integration.test_whole_days import REPORTS, Place

LOOKED_UP = [(report, column) for report in REPORTS for column in report.table.staying_known.values()]


@pytest.fixture(scope="module")
def kaltura() -> Iterator[Running]:
    with serving(ListedWorld()) as running:
        yield running


@pytest.fixture
def place(kaltura: Running, warehouse: Warehouse) -> Place:
    """Three sessions, each a breakout too, in a room that has a main room."""
    made = Place(kaltura, warehouse)
    for cue in ("1_a", "1_b", "1_c"):
        made.meets(cue, 9, 10)
        made.breakouts.append(
            Breakout("1_main", "Main", "1_room", "Group", cue, "host", made.second(9), made.second(10))
        )
    return made


def with_value(report: Report, changes: dict[str, str], cue: str = "") -> Callable[[str], str]:
    """A line with other values in these columns, if it is of the session."""
    at = {report.table.column_names.index(name): value for name, value in changes.items()}
    of = report.table.column_names.index("cue_point_id")

    def changed(line: str) -> str:
        values = line.split(",")
        return ",".join(at.get(n, value) if cue in ("", values[of]) else value for n, value in enumerate(values))

    return changed


def stored(place: Place, table: str, names: str) -> list[tuple[Any, ...]]:
    with place.warehouse.connection() as connection:
        query = f"SELECT {names} FROM kaltura.{table} ORDER BY cue_point_id"
        return connection.execute(query.encode()).fetchall()


def given(column: Column, place: Place, hour: int, name: str) -> dict[str, str]:
    """What every session of the reply gets, so that its value is known. A duration is by the end, whatever Kaltura says."""
    if column.kind is Kind.SECONDS:
        return {"session_end_time": str(place.second(hour))}
    return {column.name: str(place.second(hour)) if column.kind is Kind.TIME else name}


def without(column: Column) -> list[dict[str, str]]:
    """How a line says nothing of it."""
    if column.kind is Kind.SECONDS:
        return [{column.name: value, "session_end_time": ""} for value in ("", "0", "-1", "Unknown", "Error")]
    return [{column.name: value} for value in (UNKNOWN if column.kind is Kind.TIME else ("", *column.unsaid))]


@pytest.mark.parametrize(("report", "column"), LOOKED_UP, ids=[f"{r.table.name}-{c.name}" for r, c in LOOKED_UP])
def test_a_value_that_a_later_pull_does_not_bring_stays_and_another_takes_its_place(
    report: Report, column: Column, place: Place
) -> None:
    table, figure = report.table.name, next(c.name for c in report.table.columns if c.kind is Kind.COUNT)
    place.write(place.bring_changed(0, report, with_value(report, given(column, place, 11, "1_known"))))
    before = place.tables
    [(value,), *_] = stored(place, table, column.name)
    assert value is not None
    for unsaid in without(column):
        place.write(place.bring_changed(0, report, with_value(report, unsaid)))
        assert place.tables == before, unsaid
    # A row of which something else is new is written, and keeps it too.
    unsay, renew = with_value(report, without(column)[0]), with_value(report, {figure: "77"}, "1_b")
    place.write(place.bring_changed(0, report, lambda line: renew(unsay(line))))
    assert stored(place, table, f"{column.name}, {figure} = 77") == [(value, False), (value, True), (value, False)]
    place.write(place.bring_changed(0, report, with_value(report, given(column, place, 12, "1_other"))))
    assert len({each for (each,) in stored(place, table, column.name)} - {value}) == 1


def test_nothing_is_made_up_where_nothing_was_known(place: Place) -> None:
    for report, column in LOOKED_UP:
        place.write(place.bring_changed(0, report, with_value(report, {column.name: ""})))
    place.sessions, place.breakouts, place.views = [], [], []
    place.meets("1_d", 30, None)
    place.pull(1)
    assert stored(place, "room_sessions", "session_end_time")[-1] == (None,)


def test_a_name_or_an_address_of_a_person_does_not_stay() -> None:
    """Whoever no longer has Kaltura send them, or has them deleted there, does not find them kept here."""
    assert not [column for _, column in LOOKED_UP if column.personal]


@pytest.mark.parametrize("start", [8, 14, -10], ids=["earlier", "after the old end", "the day before"])
@pytest.mark.parametrize("report", [ROOM_SESSIONS, BREAKOUT_SESSIONS], ids=lambda report: report.table.name)
def test_an_end_does_not_stay_under_another_start(report: Report, start: int, place: Place) -> None:
    place.pull(0)
    place.sessions[1] = replace(place.sessions[1], started_at=place.second(start), ended_at=None)
    place.breakouts[1] = replace(place.breakouts[1], started_at=place.second(start), ended_at=None)
    place.views[1] = replace(place.views[1], joined_at=place.second(start), left_at=place.second(start + 1))
    at_start = {"session_start_time": str(place.second(start))}
    for end in ("", at_start["session_start_time"]):
        unsaid = at_start | {"session_end_time": end}
        unsaid |= {} if report is ROOM_SESSIONS else {"duration": ""}
        place.write(place.bring_changed(-1 if start < 0 else 0, report, with_value(report, unsaid, "1_b")))
        times = "extract(EPOCH FROM session_start_time)::bigint, session_end_time"
        assert stored(place, report.table.name, times)[1] == (place.second(start), None)
    if report is BREAKOUT_SESSIONS:
        assert [each is None for (each,) in stored(place, "breakout_sessions", "duration")] == [False, True, False]


def test_the_name_of_a_main_room_stays_with_that_room(place: Place) -> None:
    place.pull(0)
    names = "parent_entry_id, parent_entry_name"
    for parent, stands in (("", ("1_main", "Main")), ("1_other", ("1_other", None))):
        unsaid = with_value(BREAKOUT_SESSIONS, {"parent_entry_id": parent, "parent_entry_name": ""}, "1_b")
        place.write(place.bring_changed(0, BREAKOUT_SESSIONS, unsaid))
        assert stored(place, "breakout_sessions", names) == [("1_main", "Main"), stands, ("1_main", "Main")]
