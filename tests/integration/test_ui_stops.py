"""After `make stop` nothing of the UI goes on, whatever it had started; the next UI starts what was in flight again."""

import datetime as dt
import signal
import time
from pathlib import Path

import psutil
import pytest
import reaper
from dagster_ui import ASSETS, BACKFILL, RELOAD, ui_of
from pipeline import Pipeline, free_port, wait_until

from simulator import Fault, University, serving

DAY = dt.date(2026, 3, 3)


@pytest.mark.deep
@pytest.mark.timeout(1200)
def test_nothing_is_left_of_a_reloaded_ui_and_its_run_in_flight_goes_on_with_the_next_one(
    database: str, tmp_path: Path
) -> None:
    with serving(University(seed=11, timezone="UTC", rooms=12)) as kaltura:
        pipeline = Pipeline(kaltura, database, tmp_path, {"START_DATE": "2026-01-01"})
        kaltura.faults.add(Fault("slow", times=None, seconds=300))
        with ui_of(pipeline) as ui:
            before = code_servers(pipeline)
            ui.ask(BACKFILL, p={"assetSelection": ASSETS, "partitionNames": [str(DAY)]})
            wait_until(lambda: ui.runs("STARTED"), 180)
            ui.ask(RELOAD)
            wait_until(lambda: code_servers(pipeline) - before, 60)  # the reloaded code is in a process of its own

        assert [process.cmdline() for process in reaper.processes_of(pipeline.home)] == []
        kaltura.faults.clear()
        with ui_of(pipeline) as ui:  # which starts the run again that was stopped with the first one
            wait_until(lambda: len(ui.days(ASSETS[0], "MATERIALIZED")) == 1, 180)


@pytest.mark.deep
def test_stop_ends_what_a_killed_ui_left_and_nothing_of_another_home(database: str, tmp_path: Path) -> None:
    with serving(University(seed=11, timezone="UTC", rooms=1)) as kaltura:
        pipeline = Pipeline(kaltura, database, tmp_path / "home", {"START_DATE": "2026-01-01"})
        other = Pipeline(kaltura, database, tmp_path / "other", pipeline.more)
        with ui_of(pipeline):
            killed = psutil.Process(int((pipeline.home / "ui.pid").read_text()))
            killed.kill()
            wait_until(lambda: not killed.is_running() or killed.status() == psutil.STATUS_ZOMBIE, 60)
            assert reaper.processes_of(pipeline.home) != []
            assert "stopped Dagster's UI" not in other.run("python", "-m", "pipelines", "stop")
            assert reaper.processes_of(pipeline.home) != []
            assert "stopped Dagster's UI" in pipeline.run("python", "-m", "pipelines", "stop")
            assert [process.cmdline() for process in reaper.processes_of(pipeline.home)] == []


def test_a_ui_that_is_stopped_while_it_starts_leaves_nothing_running(database: str, tmp_path: Path) -> None:
    with serving(University(seed=11, timezone="UTC", rooms=1)) as kaltura:
        pipeline = Pipeline(kaltura, database, tmp_path / "home", {"START_DATE": "2026-01-01"})
    process = pipeline.start("python", "-m", "pipelines", "ui", "--port", str(free_port()))
    wait_until(lambda: code_servers(pipeline) or process.poll() is not None, 120)
    assert process.poll() is None, process.stdout and process.stdout.read()
    while process.poll() is None:  # by somebody who is impatient, too
        process.send_signal(signal.SIGTERM)
        time.sleep(0.1)
    process.communicate(timeout=90)
    assert [each.cmdline() for each in reaper.processes_of(pipeline.home)] == []
    assert not (pipeline.home / "ui.pid").exists()


def code_servers(pipeline: Pipeline) -> set[int]:
    """The processes that the code is loaded into: each reload starts one."""
    return {process.pid for process in reaper.processes_of(pipeline.home) if "grpc" in process.cmdline()}
