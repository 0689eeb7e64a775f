"""Runs whose process is gone are ended; runs that may well be under way are let be."""

import json
import logging
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from types import SimpleNamespace

import dagster as dg
import pytest
from dagster._core.events import DagsterEvent
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin

from assets.reports import REPORTS
from assets.room_report.asset import room_report
from assets.university import UNIVERSITY
from pipelines import retention
from pipelines.definitions import defs
from pipelines.instance import history
from pipelines.sensors import abandoned_runs as abandoned
from resources.runtime.processes import ProcessState, execution_tag, process_state
from resources.settings import CHECKOUT
from resources.warehouse.resource import WarehouseResource

STARTING, STARTED = dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED
FAILURE = dg.DagsterRunStatus.FAILURE
PULL = frozenset(report.key for report in REPORTS)
OURS = RegisteredCodeLocationOrigin("pipelines")
GRPC = {abandoned.GRPC_INFO_TAG: json.dumps({"host": "code", "port": 4000})}


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as made:
        yield made


@pytest.fixture
def all_are_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(abandoned, "SILENT_SECONDS", -1)
    monkeypatch.setattr(abandoned, "SILENT_ELSEWHERE_SECONDS", -1)


def process_tag(run_id: str, process: str) -> dict[str, str]:
    """The tag of a run. `process`: "" for none, "alive", "gone", or "elsewhere" for one on another host."""
    if process == "gone":
        code = f"from resources.runtime.processes import execution_tag; print(*execution_tag({run_id!r}).values())"
        done = subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT, capture_output=True, text=True, check=True)
        return {next(iter(execution_tag(run_id))): done.stdout.strip()}
    if process == "elsewhere":
        return {key: value.rpartition(" ")[0] + " elsewhere" for key, value in execution_tag(run_id).items()}
    return execution_tag(run_id) if process else {}


def add_run(
    instance: dg.DagsterInstance,
    status: dg.DagsterRunStatus = STARTED,
    *,
    process: str = "",
    location: str | None = OURS.location_name,
    tags: dict[str, str] = GRPC,
    selection: frozenset[dg.AssetKey] | None = PULL,
) -> str:
    """A run of that code location; by default one that our code server was given. Without a location, a local one."""
    run_id = str(uuid.uuid4())
    origin = location and RemoteJobOrigin(
        RemoteRepositoryOrigin(RegisteredCodeLocationOrigin(location), "__repository__"), "a_job"
    )
    instance.add_run(
        dg.DagsterRun(
            "a_job",
            run_id,
            status=status,
            tags={**tags, **process_tag(run_id, process)},
            asset_selection=selection,
            remote_job_origin=origin or None,
        )
    )
    return run_id


def add_local_run(instance: dg.DagsterInstance, process: str) -> str:
    return add_run(instance, process=process, location=None, tags={})


def look(instance: dg.DagsterInstance) -> None:
    """As the daemon has the code server do it."""
    with dg.SensorEvaluationContext(None, instance=instance, code_location_origin=OURS) as context:
        abandoned.abandoned_runs(context)


def status(instance: dg.DagsterInstance, run_id: str) -> dg.DagsterRunStatus:
    run = instance.get_run_by_id(run_id)
    assert run
    return run.status


# ----------------------------------------------------------------------------------------- runs of the code server


@pytest.mark.parametrize("process", ["gone", "elsewhere"])
def test_a_run_whose_process_is_gone_is_ended_also_where_its_container_was_replaced(
    instance: dg.DagsterInstance, process: str
) -> None:
    run = add_run(instance, process=process)
    look(instance)
    assert status(instance, run) is FAILURE


@pytest.mark.usefixtures("all_are_silent")
def test_a_run_whose_process_lives_goes_on_however_silent(instance: dg.DagsterInstance) -> None:
    runs = [add_run(instance, process="alive"), add_local_run(instance, "alive")]
    look(instance)
    assert [status(instance, run) for run in runs] == [STARTED, STARTED]


@pytest.mark.usefixtures("all_are_silent")
@pytest.mark.parametrize("process", ["", "gone", "elsewhere"])
def test_pods_and_runs_of_other_code_locations_that_are_not_ours_are_looked_after_by_others(
    instance: dg.DagsterInstance, process: str
) -> None:
    runs = [
        add_run(instance, location="another project's"),
        add_run(instance, process=process, location="another account's", tags={}),
        add_run(instance, process=process, tags={}),
    ]
    look(instance)
    abandoned.end_abandoned_local_runs(instance)
    assert {status(instance, run) for run in runs} == {STARTED}


def test_a_dead_run_of_a_code_location_that_was_renamed_or_removed_is_ended(instance: dg.DagsterInstance) -> None:
    """Nobody else would: it would keep its account's place in the pool for good."""
    run = add_run(instance, process="gone", location="the account's former name")
    look(instance)
    assert status(instance, run) is FAILURE


def test_of_a_run_of_another_code_location_on_another_host_nothing_is_known_so_it_goes_on(
    instance: dg.DagsterInstance,
) -> None:
    run = add_run(instance, process="elsewhere", location="another account's")
    look(instance)
    assert status(instance, run) is STARTED


@pytest.mark.usefixtures("later")
def test_a_run_of_another_code_location_of_which_nothing_is_heard_any_more_does_not_stay_for_good(
    instance: dg.DagsterInstance,
) -> None:
    runs = [add_run(instance, process=each, location="another account's") for each in ("elsewhere", "alive", "")]
    look(instance)
    assert [status(instance, run) for run in runs] == [FAILURE, STARTED, STARTED]


@pytest.mark.parametrize("begun", [STARTING, STARTED])
def test_a_run_that_has_not_said_which_process_it_is_has_time_to(
    instance: dg.DagsterInstance, begun: dg.DagsterRunStatus
) -> None:
    run = add_run(instance, begun)
    look(instance)
    assert status(instance, run) is begun


@pytest.mark.usefixtures("all_are_silent")
@pytest.mark.parametrize("begun", [STARTING, STARTED])
@pytest.mark.parametrize("selection", [PULL, frozenset({room_report.key}), None], ids=["pull", "report", "job"])
def test_a_run_that_never_said_which_process_it_is_is_ended(
    instance: dg.DagsterInstance, selection: frozenset[dg.AssetKey] | None, begun: dg.DagsterRunStatus
) -> None:
    run = add_run(instance, begun, selection=selection)
    look(instance)
    assert status(instance, run) is FAILURE


STEPS = {step.name: step for job in defs.resolve_all_job_defs() for step in job.nodes_in_topological_order}


@pytest.mark.parametrize("name", STEPS)
def test_every_step_opens_the_warehouse_which_says_which_process_the_run_is(name: str) -> None:
    assert "warehouse" in STEPS[name].definition.required_resource_keys


LISTS = dg.define_asset_job("lists", UNIVERSITY)


@pytest.mark.parametrize("name", ["retention", "history", "lists"])
def test_a_run_says_which_process_it_is_whether_it_ends_well_or_not(
    instance: dg.DagsterInstance, database: str, name: str
) -> None:
    here = dg.Definitions(
        assets=UNIVERSITY,
        jobs=[retention.retention, history.history, LISTS],
        resources={"warehouse": WarehouseResource(url=database)},
    )
    run = here.resolve_job_def(name).execute_in_process(instance=instance, raise_on_error=False)
    found = instance.get_run_by_id(run.run_id)
    assert found
    assert process_state(run.run_id, found.tags) is ProcessState.ALIVE


@pytest.mark.usefixtures("all_are_silent")
def test_a_run_that_waits_for_its_turn_is_not_looked_at(instance: dg.DagsterInstance) -> None:
    run = add_run(instance, dg.DagsterRunStatus.NOT_STARTED)
    look(instance)
    assert status(instance, run) is dg.DagsterRunStatus.NOT_STARTED


def test_a_run_that_ended_well_while_it_was_looked_at_is_not_said_to_have_failed(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its process reports the end, and is gone a moment later."""
    runs = [add_run(instance), add_local_run(instance, "")]

    def ends_now(run_id: str, tags: object) -> ProcessState:
        instance.report_dagster_event(DagsterEvent(dg.DagsterEventType.RUN_SUCCESS.value, "a_job"), run_id)
        return ProcessState.GONE

    monkeypatch.setattr(abandoned, "process_state", ends_now)
    look(instance)
    assert [status(instance, run) for run in runs] == [dg.DagsterRunStatus.SUCCESS] * 2


# --------------------------------------------------------------------------------------------------- local runs


def test_a_local_run_that_was_killed_on_this_host_is_ended_by_the_next_one_and_by_the_sensor(
    instance: dg.DagsterInstance,
) -> None:
    run = add_local_run(instance, "gone")
    assert abandoned.end_abandoned_local_runs(instance) == [run]
    assert status(instance, run) is FAILURE
    run = add_local_run(instance, "gone")
    look(instance)
    assert status(instance, run) is FAILURE


def test_of_a_local_run_on_another_host_nothing_is_known_so_it_goes_on(instance: dg.DagsterInstance) -> None:
    """A command in another container, or on another machine with the same storage."""
    run = add_local_run(instance, "elsewhere")
    assert abandoned.end_abandoned_local_runs(instance) == []
    look(instance)
    assert status(instance, run) is STARTED


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> float:
    """When it is looked, for those that ask for it: seven hours from now."""
    then = time.time() + 7 * 3600
    monkeypatch.setattr(abandoned, "time", SimpleNamespace(time=lambda: then))
    return then


@pytest.mark.usefixtures("later")
def test_a_local_run_on_another_host_of_which_nothing_is_heard_any_more_does_not_stay_for_good(
    instance: dg.DagsterInstance,
) -> None:
    """Its container was removed with it."""
    run = add_local_run(instance, "elsewhere")
    look(instance)
    assert status(instance, run) is FAILURE
    [why] = instance.all_logs(run, of_type=dg.DagsterEventType.RUN_FAILURE)
    assert "on another host" in why.get_dagster_event().message


def test_a_local_run_on_another_host_that_has_said_something_since_goes_on(
    instance: dg.DagsterInstance, later: float
) -> None:
    run = add_local_run(instance, "elsewhere")
    line = dg.EventLogEntry(
        error_info=None, level=logging.INFO, user_message="a try more", run_id=run, timestamp=later - 3600
    )
    instance.handle_new_event(line)
    look(instance)
    assert status(instance, run) is STARTED
