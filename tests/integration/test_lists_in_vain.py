"""A list whose load fails for whatever reason: it is tried again at growing intervals, and holds up no other list."""

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import psycopg
import pytest
from pipeline import free_port

from assets import university
from assets.university import REFUSED, UNIVERSITY, list_key
from resources.university.lists import COURSES
from resources.warehouse.resource import WarehouseResource
from tests.integration.test_university import CONTENT, OTHERS, Sensor, written
from tests.integration.test_university import sensor as sensor
from tests.integration.test_university import settings as settings

MINUTES = 40
PASSING = {"the disk is full": "53100", "read only": "25006", "a lock is not to be had": "55P03"}
LASTING = {"cancelled by a time limit": "57014", "a trigger of somebody's": "P0001"}


def refusing(url: str, state: str) -> None:
    """The table of courses can be read, and takes nothing."""
    with psycopg.connect(url) as connection:
        connection.execute(
            "CREATE OR REPLACE FUNCTION public.refuses() RETURNS trigger LANGUAGE plpgsql AS"
            f" $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '{state}'; END $$"
        )
        connection.execute(
            "CREATE TRIGGER refuses BEFORE INSERT ON university.courses EXECUTE FUNCTION public.refuses()"
        )


def asked_within(sensor: Sensor, minutes: int = MINUTES, *, carry_out: bool = True) -> list[set[str]]:
    """What is asked for, look by look, but for those at which nothing is."""
    looks = [sensor.look(carry_out=carry_out) for _ in range(minutes)]
    return [names for names in looks if names]


@pytest.mark.parametrize("state", PASSING.values(), ids=PASSING)
def test_what_may_pass_is_tried_again_less_and_less_often(
    state: str, settings: Path, sensor: Sensor, database: str
) -> None:
    written(settings)
    refusing(database, state)
    asked = asked_within(sensor)
    assert asked.count(OTHERS) == 1
    assert 4 <= asked.count({"courses"}) <= 6
    sensor.now += 24 * 3600
    assert sensor.look() == {"courses"}
    with psycopg.connect(database) as connection:
        connection.execute("DROP TRIGGER refuses ON university.courses")
    sensor.now += 24 * 3600
    assert sensor.look_until_nothing_is_asked_for() == [{"courses"}]


@pytest.mark.parametrize("state", LASTING.values(), ids=LASTING)
def test_what_would_be_said_again_is_tried_once_a_day(
    state: str, settings: Path, sensor: Sensor, database: str
) -> None:
    written(settings)
    refusing(database, state)
    assert asked_within(sensor) == [{"courses"}, OTHERS]


def test_a_file_that_changes_begins_the_count_anew(settings: Path, sensor: Sensor) -> None:
    (settings / "courses.csv").write_text(CONTENT["courses"])
    asked_within(sensor, carry_out=False)
    os.utime(settings / "courses.csv", (0, 1))
    looks = [sensor.look(carry_out=False) for _ in range(9)]
    assert [minute for minute, names in enumerate(looks) if names] == [0, 1, 3, 7]


@pytest.mark.parametrize("minutes_a_run", [0, 10, 100])
def test_where_every_run_is_killed_each_list_gets_its_turn(minutes_a_run: int, settings: Path, sensor: Sensor) -> None:
    written(settings)
    asked = []
    for _ in range(MINUTES):
        if names := sensor.look(carry_out=False):
            asked.append(names)
            sensor.now += 60 * minutes_a_run
    assert asked[:2] == [{"courses"}, OTHERS]
    counts = {name: sum(name in names for names in asked) for name in ("courses", *OTHERS)}
    assert min(counts.values()) >= 4
    assert max(counts.values()) - min(counts.values()) <= 1
    assert len(asked) < MINUTES / 2 or minutes_a_run


def test_a_run_that_somebody_cancelled_is_not_begun_again_at_once(settings: Path, sensor: Sensor) -> None:
    written(settings)
    assert sensor.look(carry_out=False) == {"courses"}
    cancelled = dg.DagsterRun("__ASSET_JOB", str(uuid.uuid4()), status=dg.DagsterRunStatus.CANCELED, tags=sensor.tags)
    sensor.instance.add_run(cancelled)
    assert asked_within(sensor) == [OTHERS]
    sensor.now += 24 * 3600
    assert asked_within(sensor) == [{"courses"}]


def no_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sensor's process has one, and that of the run does not."""
    monkeypatch.delenv("UNIVERSITY_DIR")


def no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    (Path(os.environ["UNIVERSITY_DIR"]) / "courses.csv").unlink()


def a_fault_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(*_: object) -> None:
        raise KeyError("ada@example.org")

    monkeypatch.setattr(university, "load", load)


def no_database(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", f"postgresql://nobody@127.0.0.1:{free_port()}/nothing")


@pytest.fixture
def failed(settings: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[list[str]]:
    """What is noted of a load of the courses that fails."""
    written(settings)
    request.param(monkeypatch)
    with dg.DagsterInstance.ephemeral() as instance:
        dg.materialize(
            UNIVERSITY,
            selection=[list_key(COURSES)],
            resources={"warehouse": WarehouseResource.from_environment()},
            instance=instance,
            raise_on_error=False,
        )
        found = instance.fetch_observations(list_key(COURSES), limit=9).records
        yield [str(each.asset_observation.metadata[REFUSED].value) for each in found if each.asset_observation]


@pytest.mark.parametrize("failed", [no_folder, no_file, a_fault_of_ours], indirect=True, ids=lambda case: case.__name__)
def test_what_fails_for_another_reason_than_an_outage_is_noted_and_without_any_value(failed: list[str]) -> None:
    [said] = failed
    assert said
    assert "ada@" not in said


@pytest.mark.parametrize("failed", [no_database], indirect=True)
def test_an_outage_is_not_noted(failed: list[str]) -> None:
    assert failed == []
