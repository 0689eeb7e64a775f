"""A column that Kaltura adds one day is told of, whatever is kept of its values."""

from zoneinfo import ZoneInfo

import dagster as dg
import pytest

from assets.checks import checks
from assets.reports import REPORTS, TABLES
from resources.kaltura.windows import Days
from resources.privacy.people import lock_exclusively
from resources.privacy.pseudonyms import FULL, Mode, Privacy
from resources.warehouse.calendars import record
from resources.warehouse.redate import redate
from resources.warehouse.warehouse import Warehouse
from simulator import Breakout, Fault, Running, View
from tests.integration.test_upsert import rows
from tests.integration.test_whole_days import PEOPLE, Place
from tests.integration.test_whole_days import kaltura as kaltura

KEY = "an invented key of the tests, long enough for them"
FAR_EAST = ZoneInfo("Asia/Tokyo")


@pytest.fixture
def place(kaltura: Running, warehouse: Warehouse) -> Place:
    """A day with rows in every report, and one without any."""
    made = Place(kaltura, warehouse)
    made.meets("1_a", 20, 21)
    made.breakouts = [Breakout("1_room", "Room", "1_group", "Group", "1_b", "host", made.second(20), made.second(21))]
    made.views.append(View("1_group", "1_b", PEOPLE[1], made.second(20), made.second(21)))
    return made


def kaltura_adds(place: Place, *names: str) -> None:
    for report in REPORTS:
        for name in names:
            place.kaltura.faults.add(
                Fault("extra_column", report_id=report.report_id, times=None, column=name, value="5")
            )


def found(place: Place, last: int = 1) -> dict[str, list[tuple[str, str]]]:
    """By table, the days and columns that the check tells of."""
    keys = {dg.AssetCheckKey(report.key, "known_columns") for report in REPORTS}
    days = Days(place.day(-1), place.day(last))
    told = checks.results(keys, (), days, 1, place.warehouse, has_all_attendees=True)
    return {
        each.asset_key.path[-1]: [
            (str(record.data["partition_date"]), str(record.data["column_name"]))
            for record in each.metadata["sample"].records  # type: ignore[union-attr]
        ]
        for each in told
        if not each.passed
    }


@pytest.mark.parametrize(
    "privacy",
    [
        FULL,
        Privacy(Mode.PSEUDONYMOUS, KEY),
        Privacy(Mode.NONE, KEY),
        Privacy(Mode.FULL, KEY, retention_days=30),
    ],
    ids=lambda privacy: f"{privacy.mode}-{privacy.retention_days}",
)
def test_a_new_column_is_told_in_every_mode_until_a_pull_of_the_day_comes_without_it(
    place: Place, privacy: Privacy
) -> None:
    place.warehouse.privacy = privacy
    place.pull(0, 1)
    assert found(place) == {}
    kaltura_adds(place, "mood", "seat")
    place.at(60 * 24 + 1)
    place.pull(0, 1)
    day = str(place.monday)
    assert found(place) == {table.name: [(day, "mood"), (day, "seat")] for table in TABLES}
    [(kept,)] = rows(place, "SELECT count(extra) FROM kaltura.attendees")
    assert bool(kept) == (privacy is FULL)
    place.kaltura.faults.clear()
    views = place.views
    place.views = []
    place.at(60 * 24 + 2)
    place.write(place.bring(0, reports=[report for report in REPORTS if report.dated_by], accepts_empty=True))
    assert "attendees" in found(place)  # a pull that brought no row tells of none
    place.views = views
    place.at(60 * 24 + 3)
    place.pull(0, 1)
    assert found(place) == {}


def test_what_is_no_name_of_a_column_is_not_repeated(place: Place) -> None:
    kaltura_adds(place, "Ann Other <ann@example.edu>")
    place.pull(0)
    assert found(place) == {table.name: [(str(place.monday), "one that is no name")] for table in TABLES}


def test_days_that_are_cut_anew_still_tell_of_it(place: Place) -> None:
    kaltura_adds(place, "mood")
    for day in range(-1, 2):
        place.pull(day)
    with place.warehouse.connection() as connection:
        record(connection, 1, place.calendar.timezone)
        lock_exclusively(connection)
        assert redate(connection, 1, FAR_EAST, TABLES)
    tuesday = str(place.day(1))  # 20:00 UTC
    assert {name: (tuesday, "mood") in told for name, told in found(place, last=2).items()} == {
        table.name: True for table in TABLES
    }
