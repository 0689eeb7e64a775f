"""Runs whose process is gone are ended; runs that may well be under way are let be."""

import uuid
from collections.abc import Iterator

import dagster as dg
import pytest

from assets.reports import REPORTS
from pipelines.sensors import abandoned_runs as abandoned
from resources.runtime.processes import execution_tag

STARTING, STARTED = dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED
PULL = frozenset(report.key for report in REPORTS)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as made:
        yield made


@pytest.fixture
def all_are_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(abandoned, "SILENT_SECONDS", -1)


def status_after_a_look(
    instance: dg.DagsterInstance,
    status: dg.DagsterRunStatus,
    selection: frozenset[dg.AssetKey] = PULL,
    tagged: str = "",
) -> dg.DagsterRunStatus:
    """What becomes of a run. `tagged`: "" without a process, "alive" or "gone" with one."""
    run_id = str(uuid.uuid4())
    tags = execution_tag(run_id) if tagged else {}
    if tagged == "gone":
        tags = {key: value.rpartition(" ")[0] + " elsewhere" for key, value in tags.items()}
    instance.add_run(dg.DagsterRun("a_job", run_id, status=status, tags=tags, asset_selection=selection))
    abandoned.abandoned_runs(dg.build_sensor_context(instance))
    run = instance.get_run_by_id(run_id)
    assert run
    return run.status


def test_a_run_whose_process_is_gone_is_ended(instance: dg.DagsterInstance) -> None:
    assert status_after_a_look(instance, STARTED, tagged="gone") is dg.DagsterRunStatus.FAILURE


@pytest.mark.usefixtures("all_are_silent")
def test_a_run_whose_process_lives_goes_on_however_silent(instance: dg.DagsterInstance) -> None:
    assert status_after_a_look(instance, STARTED, tagged="alive") is STARTED


@pytest.mark.parametrize("status", [STARTING, STARTED])
def test_a_run_that_has_not_said_which_process_it_is_has_time_to(
    instance: dg.DagsterInstance, status: dg.DagsterRunStatus
) -> None:
    assert status_after_a_look(instance, status) is status


@pytest.mark.usefixtures("all_are_silent")
@pytest.mark.parametrize("status", [STARTING, STARTED])
def test_a_pull_that_never_said_which_process_it_is_is_ended(
    instance: dg.DagsterInstance, status: dg.DagsterRunStatus
) -> None:
    assert status_after_a_look(instance, status) is dg.DagsterRunStatus.FAILURE


@pytest.mark.usefixtures("all_are_silent")
def test_a_schedules_pull_which_selects_no_assets_is_ended_too(instance: dg.DagsterInstance) -> None:
    run_id = str(uuid.uuid4())
    tags = {abandoned.RANGE_TAG: "2026-05-04"}
    instance.add_run(dg.DagsterRun("a_job", run_id, status=STARTED, tags=tags))
    abandoned.abandoned_runs(dg.build_sensor_context(instance))
    run = instance.get_run_by_id(run_id)
    assert run
    assert run.status is dg.DagsterRunStatus.FAILURE


@pytest.mark.usefixtures("all_are_silent")
def test_a_run_of_other_assets_takes_as_long_as_it_likes(instance: dg.DagsterInstance) -> None:
    assert status_after_a_look(instance, STARTED, frozenset({dg.AssetKey("room_report")})) is STARTED


@pytest.mark.usefixtures("all_are_silent")
def test_a_run_that_waits_for_its_turn_is_not_looked_at(instance: dg.DagsterInstance) -> None:
    waiting = dg.DagsterRunStatus.NOT_STARTED
    assert status_after_a_look(instance, waiting) is waiting
