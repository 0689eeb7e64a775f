"""Alerts where many runs write to Dagster's history in Postgres at once: what is written first may be seen last."""

import datetime as dt
import time
import uuid
from collections.abc import Iterator

import dagster as dg
import psycopg
import pytest
from conftest import Databases
from dagster._core.events import DagsterEvent, DagsterEventType

from assets.checks import checks
from pipelines.sensors import incidents
from pipelines.sensors.alerts import AlertState, digest
from pipelines.sensors.incidents import SETTLED_AFTER_SECONDS, collect

DAY = dt.date(2026, 3, 4)
CHECK, OTHER_CHECK = (spec.key for spec in list(checks.specs())[:2])


class History:
    """Dagster's history in Postgres, whose ticks of alerts remember what they have told."""

    def __init__(self, instance: dg.DagsterInstance, connection: psycopg.Connection) -> None:
        self.instance, self.connection = instance, connection
        self.now = time.time()
        newest = instance.event_log_storage.get_maximum_record_id() or 0
        self.cursor = AlertState(checks_until=newest, runs_until=newest).written()

    def tick(self) -> list[str]:
        """What is new, and what is well again."""
        told = AlertState.read(self.cursor)
        found = collect(
            self.instance,
            told.checks_until,
            told.runs_until,
            self.now,
            told.failed_days(),
            runs_told=told.runs_told,
        )
        said, after = digest(found, told, int(self.now))
        self.cursor = after.written()
        return said.lines("")

    def run(self) -> dg.DagsterRun:
        return self.instance.add_run(dg.DagsterRun("retention", str(uuid.uuid4()), status=dg.DagsterRunStatus.STARTED))

    def fails(self) -> str:
        run = self.run()
        self.instance.report_run_failed(run, "no space left")
        return run.run_id

    def holds(self, run_id: str, *, holds: bool) -> None:
        """Whether the run's retry is still to come."""
        self.instance.add_run_tags(run_id, {"dagster/will_retry": str(holds).lower()})

    def finds(self, passed: bool, check: dg.AssetCheckKey = CHECK) -> None:
        """A run's check of the day."""
        evaluation = dg.AssetCheckEvaluation(
            asset_key=check.asset_key,
            check_name=check.name,
            passed=passed,
            metadata={name: dg.MetadataValue.text(str(DAY)) for name in (checks.FIRST_DAY, checks.LAST_DAY)},
            severity=dg.AssetCheckSeverity.WARN,
            description="something is wrong",
        )
        run = self.run()
        event = DagsterEvent(
            DagsterEventType.ASSET_CHECK_EVALUATION.value, run.job_name, event_specific_data=evaluation
        )
        self.instance.report_dagster_event(event, run.run_id)

    def last_is_seen_late(self) -> psycopg.Connection:
        """Takes the newest event back and writes it once more, in a transaction that is yet to be committed."""
        columns = "run_id, event, dagster_event_type, timestamp, step_key, asset_key, partition"
        self.connection.execute("DROP TABLE IF EXISTS late")
        self.connection.execute("CREATE TEMPORARY TABLE late AS SELECT * FROM event_logs ORDER BY id DESC LIMIT 1")
        self.connection.execute("DELETE FROM event_logs WHERE id IN (SELECT id FROM late)")
        self.connection.commit()
        self.connection.execute(f"INSERT INTO event_logs ({columns}) SELECT {columns} FROM late".encode())
        return self.connection


@pytest.fixture(scope="module")
def storage(databases: Databases) -> Iterator[tuple[dg.DagsterInstance, psycopg.Connection]]:
    url = databases.make()
    settings = {"storage": {"postgres": {"postgres_url": url.replace("postgresql://", "postgresql+psycopg2://")}}}
    with dg.DagsterInstance.local_temp(overrides=settings) as instance, psycopg.connect(url) as connection:
        yield instance, connection


@pytest.fixture
def history(storage: tuple[dg.DagsterInstance, psycopg.Connection]) -> History:
    return History(*storage)


def test_a_check_that_failed_is_told_though_a_later_one_of_another_run_was_seen_before_it(history: History) -> None:
    history.finds(passed=False)
    late = history.last_is_seen_late()
    history.finds(passed=False, check=OTHER_CHECK)
    for check in (OTHER_CHECK, CHECK):
        [line] = history.tick()
        assert f"{check.name} of {check.asset_key.path[-1]}, {DAY}" in line
        late.commit()
    assert history.tick() == []


def test_a_run_that_failed_is_told_though_a_later_one_was_seen_before_it_and_each_is_told_once(
    history: History,
) -> None:
    history.fails()
    late = history.last_is_seen_late()
    history.fails()
    assert len(history.tick()) == 1
    late.commit()
    for count in (1, 0):
        assert len(history.tick()) == count
    history.now += 2 * SETTLED_AFTER_SECONDS
    for _ in range(2):
        assert history.tick() == []
    assert AlertState.read(history.cursor).runs_told == set()


@pytest.mark.parametrize("ticks", [1, 3])
def test_a_run_is_told_once_where_one_before_it_is_seen_late_and_held(ticks: int, history: History) -> None:
    history.holds(history.fails(), holds=True)
    late = history.last_is_seen_late()
    [held] = late.execute("SELECT run_id FROM event_logs ORDER BY id DESC LIMIT 1").fetchone() or [""]
    history.fails()
    assert len(history.tick()) == 1
    late.commit()
    for _ in range(ticks):
        assert history.tick() == []
        history.now += SETTLED_AFTER_SECONDS / 2
    history.holds(held, holds=False)
    for count in (1, 0):
        assert len(history.tick()) == count
    history.now += 2 * SETTLED_AFTER_SECONDS
    assert history.tick() == []
    assert AlertState.read(history.cursor).runs_told == set()


def test_a_run_is_told_once_where_a_tick_has_no_time_left_for_runs(
    history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    history.fails()
    assert len(history.tick()) == 1
    with monkeypatch.context() as patched:
        patched.setattr(incidents._Reasons, "are_enough", True)
        assert history.tick() == []
    assert history.tick() == []


def test_a_run_that_was_told_and_deleted_is_remembered_no_longer(history: History) -> None:
    run_id = history.fails()
    assert len(history.tick()) == 1
    history.instance.delete_run(run_id)
    assert history.tick() == []
    assert AlertState.read(history.cursor).runs_told == set()


def test_what_is_looked_at_again_is_neither_told_again_nor_well_before_it_is(history: History) -> None:
    before, told = AlertState.read(history.cursor), []
    for passed in (False, False, True, True, False):
        history.finds(passed)
        told += [[line.split(":")[0] for line in history.tick()]]
    assert told == [["WARNING"], [], ["RECOVERED"], [], ["WARNING"]]
    assert AlertState.read(history.cursor).checks_until == before.checks_until
