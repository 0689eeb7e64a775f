"""Local times of a timetable are those of the zone that the days are cut in: else it is refused, or loaded again."""

import datetime as dt
import os
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

import dagster as dg
import hypothesis
import psycopg
import pytest
from click.testing import CliRunner
from depth import examples
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from assets import university
from assets.partitions import CALENDAR
from pipelines.command_line import front_door
from pipelines.sensors import changed_lists as changed_lists_module
from pipelines.sensors.changed_lists import changed_lists
from resources.kaltura.windows import Calendar
from resources.warehouse.calendars import CalendarError, require_timezone
from resources.warehouse.resource import WarehouseResource
from tests.integration.test_course_views import LOADS, SESSION
from tests.integration.test_university import Sensor, held, materialized, written
from tests.integration.test_university import settings as settings

ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu"]
STARTS = ["2026-10-14 10:15", "2026-12-31 23:45:30", "2026-10-14T10:15+02:00", "2026-10-14 10:15Z"]
END = "2027-01-02 00:00"
TEXT = "course_id,room_id,planned_start_at,planned_end_at\n" + "".join(
    f"c{n},r,{at},{END}\n" for n, at in enumerate(STARTS)
)


def moment(said: str, zone: str) -> dt.datetime:
    at = dt.datetime.fromisoformat(said)
    return at if at.tzinfo else at.replace(tzinfo=ZoneInfo(zone))


def read_in(zone: str) -> list[tuple[dt.datetime, dt.datetime]]:
    return [(moment(start, zone), moment(END, zone)) for start in STARTS]


class Step(NamedTuple):
    """What somebody does, in the zone that is set then."""

    what: str
    zone: str


@dataclass
class Installation:
    """An account with a timetable, whose settings change."""

    url: str
    folder: Path
    monkeypatch: pytest.MonkeyPatch

    def set_zone(self, zone: str) -> None:
        """As a restart with it does."""
        calendar = Calendar(ZoneInfo(zone), CALENDAR.grace_hours)
        self.monkeypatch.setenv("PARTITION_TIMEZONE", zone)
        for module in (university, changed_lists_module):
            self.monkeypatch.setattr(module, "CALENDAR", calendar)

    def pull(self) -> None:
        """What a run does with the zone, and a day of it; where the zone is another one it is refused."""
        zone = ZoneInfo(os.environ["PARTITION_TIMEZONE"])
        start = dt.datetime(2026, 10, 14, tzinfo=zone)
        said = {"date": start.date(), "start": start, "known": start + dt.timedelta(days=30), "end": None, "id": "s"}
        with psycopg.connect(self.url) as connection:
            try:
                require_timezone(connection, 1, zone)
            except CalendarError:
                return
            if not self.is_filled():
                connection.execute(SESSION, said)
                connection.execute(LOADS, said)

    def is_filled(self) -> bool:
        with psycopg.connect(self.url) as connection:
            return connection.execute("SELECT EXISTS (SELECT FROM kaltura.loads)").fetchone() == (True,)

    def command(self, *words: str) -> str:
        return CliRunner().invoke(front_door, words).output

    def do(self, what: str, sensor: Sensor) -> None:
        match what:
            case "pull":
                self.pull()
            case "sensor":
                sensor.look_until_nothing_is_asked_for()
            case _:
                self.command(what)

    def times(self) -> list[tuple[dt.datetime, dt.datetime]]:
        with psycopg.connect(self.url) as connection:
            query = "SELECT planned_start_at, planned_end_at FROM university.timetable ORDER BY course_id"
            return connection.execute(query).fetchall()

    def empty(self) -> None:
        with psycopg.connect(self.url) as connection:
            connection.execute(
                "TRUNCATE kaltura.loads, kaltura.room_sessions, kaltura.calendars, university.timetable CASCADE"
            )


@pytest.fixture
def installation(settings: Path, database: str, monkeypatch: pytest.MonkeyPatch) -> Installation:
    (settings / "timetable.csv").write_text(TEXT)
    made = Installation(database, settings, monkeypatch)
    made.set_zone("UTC")
    return made


HISTORIES = {
    "days are cut in another zone": ([Step("pull", "UTC"), Step("sensor", "UTC")], "Europe/Berlin"),
    "and back, between two looks": (  # the zone is the one that the sensor knows, and the times are those of the other
        [*(Step(what, "UTC") for what in ("pull", "sensor")), *(Step(what, ZONES[-1]) for what in ("redate", "load-lists"))],
        "UTC",
    ),
    "by hand, in another zone, before anything was pulled": (
        [Step("sensor", "Europe/Berlin"), Step("load-lists", "UTC")],
        "Europe/Berlin",
    ),
    "by hand, in another zone, again and again before anything was pulled": (
        2 * [Step("sensor", "Europe/Berlin"), Step("load-lists", "UTC")],
        "Europe/Berlin",
    ),
    "by hand, in another zone than the first pull": (
        [Step("sensor", "UTC"), Step("load-lists", "Europe/Berlin"), Step("pull", "UTC")],
        "UTC",
    ),
}  # fmt: skip


def expect_as_fresh(
    installation: Installation, monkeypatch: pytest.MonkeyPatch, history: list[Step], zone: str
) -> None:
    """Each step in its zone; at last `zone` is set, the days are cut in it, and the sensor looks until it is content."""
    with dg.DagsterInstance.ephemeral() as instance:
        sensor = Sensor(instance, monkeypatch)
        for step in history:
            installation.set_zone(step.zone)
            installation.do(step.what, sensor)
        installation.set_zone(zone)
        if installation.is_filled():
            installation.command("redate")
        sensor.look_until_nothing_is_asked_for()
        assert installation.times() == read_in(zone)


@pytest.mark.parametrize(("history", "zone"), HISTORIES.values(), ids=HISTORIES)
def test_whatever_zone_there_was_the_timetable_is_in_the_end_what_a_fresh_one_would_be(
    installation: Installation, monkeypatch: pytest.MonkeyPatch, history: list[Step], zone: str
) -> None:
    expect_as_fresh(installation, monkeypatch, history, zone)


@pytest.mark.deep
@hypothesis.settings(max_examples=examples(20), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    history=st.lists(
        st.builds(Step, st.sampled_from(["pull", "sensor", "load-lists", "redate"]), st.sampled_from(ZONES)), max_size=5
    ),
    zone=st.sampled_from(ZONES),
)
def test_whatever_was_done_in_whatever_zones_the_timetable_is_what_a_fresh_one_would_be(
    installation: Installation, monkeypatch: pytest.MonkeyPatch, history: list[Step], zone: str
) -> None:
    installation.empty()
    expect_as_fresh(installation, monkeypatch, history, zone)


def test_times_are_refused_in_another_zone_than_that_of_the_days_and_other_lists_are_not(
    installation: Installation, settings: Path, database: str
) -> None:
    installation.pull()
    written(settings, timetable=TEXT)
    installation.command("load-lists")
    before = held(database, "timetable")
    assert len(before) == len(STARTS)
    installation.set_zone("Asia/Kathmandu")
    (settings / "courses.csv").write_text("course_id\nc9\n")
    said = installation.command("load-lists")
    assert "courses: 1 rows, 1 new" in said
    assert (
        "timetable.csv was refused, and what was loaded of it before stays: PARTITION_TIMEZONE=Asia/Kathmandu" in said
    )
    assert "cut in UTC" in said
    assert "python -m pipelines redate" in said
    result = materialized(succeeds=False)
    [failed] = [event.step_failure_data for event in result.all_events if event.is_step_failure]
    assert "python -m pipelines redate" in str(failed)
    assert held(database, "timetable") == before


def test_an_account_without_rows_takes_any_zone(installation: Installation) -> None:
    with psycopg.connect(installation.url) as connection:
        require_timezone(connection, 1, ZoneInfo("UTC"))  # as a run does before its first day, which may fail
    for zone in ZONES:
        installation.set_zone(zone)
        installation.command("load-lists")
        assert installation.times() == read_in(zone)


def test_the_sensor_waits_for_redate_and_says_so_and_redate_says_that_the_timetable_is_to_be_loaded(
    installation: Installation, settings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installation.pull()
    with dg.DagsterInstance.ephemeral() as instance:
        sensor = Sensor(instance, monkeypatch)
        sensor.look_until_nothing_is_asked_for()
        installation.set_zone("Europe/Berlin")
        os.utime(settings / "timetable.csv", (0, 1))
        skipped = changed_lists(
            dg.build_sensor_context(
                instance, sensor.cursor, resources={"warehouse": WarehouseResource.from_environment()}
            )
        )
        assert isinstance(skipped, dg.SkipReason)
        assert "python -m pipelines redate" in str(skipped.skip_message)
        would_be, done = installation.command("redate", "--dry-run"), installation.command("redate")
        assert "The timetable's times without an offset stay those of UTC" in would_be
        assert "The timetable's times without an offset are still those of UTC" in done
        assert "load-lists" in done
        assert sensor.look_until_nothing_is_asked_for() == [{"timetable"}]


def test_redate_says_nothing_of_a_timetable_that_there_is_not(installation: Installation) -> None:
    installation.pull()
    installation.set_zone("Europe/Berlin")
    assert "timetable" not in installation.command("redate")
