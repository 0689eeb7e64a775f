"""Dagster's UI as `make ui` starts it: webserver, daemon and code server in real processes, asked as the browser asks."""

import datetime as dt
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chat import SECRET, Chat, chatting
from dagster_ui import ASSETS, BACKFILL, REEXECUTE, RUNS, START_SCHEDULE, Ui, looking_often, ui_of, with_short_pauses
from pipeline import CHECKOUT, PROGRAMS, Pipeline, free_port, wait_until

from simulator import Fault, University, serving

DAYS = [dt.date(2026, 3, 2) + dt.timedelta(days=n) for n in range(6)]
BAD = DAYS[2]


@pytest.fixture
def chat() -> Iterator[Chat]:
    with chatting() as server:
        yield server


@pytest.fixture
def pipeline(database: str, tmp_path: Path, chat: Chat) -> Iterator[Pipeline]:
    with serving(University(seed=11, timezone="UTC", rooms=12)) as kaltura:
        more = {"START_DATE": "2026-01-01", "ALERT_WEBHOOK_URL": chat.url, **looking_often()}
        yield Pipeline(kaltura, database, tmp_path, more)


@pytest.fixture
def ui(pipeline: Pipeline) -> Iterator[Ui]:
    with ui_of(pipeline) as opened:
        yield opened


@pytest.mark.deep
def test_a_backfill_with_one_bad_day_is_green_but_for_it_and_its_retry_pulls_that_day_alone(
    pipeline: Pipeline, ui: Ui
) -> None:
    evening = int(dt.datetime.combine(BAD, dt.time(18), dt.UTC).timestamp())  # past the grace of the day before
    pipeline.kaltura.faults.add(
        Fault("missing_column", report_id=6001, times=None, column="meeting_view_time", covers=evening)
    )
    ui.ask(BACKFILL, p={"assetSelection": ASSETS, "partitionNames": [str(day) for day in DAYS]})
    wait_until(lambda: ui.runs("FAILURE"), 180)

    for asset in ASSETS:
        assert ui.days(asset, "FAILED") == [(str(BAD), str(BAD))]
        assert ui.days(asset, "MATERIALIZED") == [(str(DAYS[0]), str(DAYS[1])), (str(DAYS[3]), str(DAYS[-1]))]

    pipeline.kaltura.faults.clear()
    [failed] = ui.runs("FAILURE")
    ui.ask(REEXECUTE, p={"parentRunId": failed, "strategy": "FROM_FAILURE"})
    wait_until(lambda: ui.runs("SUCCESS"), 180)

    for asset in ASSETS:
        assert ui.days(asset, "FAILED") == []
        assert ui.days(asset, "MATERIALIZED") == [(str(DAYS[0]), str(DAYS[-1]))]
    assert pipeline.query("SELECT partition_date, count(*) FROM kaltura.loads GROUP BY 1 ORDER BY 1") == [
        (day, 3) for day in DAYS
    ]

    selector = {
        "repositoryLocationName": "pipelines",
        "repositoryName": "__repository__",
        "scheduleName": "daily_pull",
    }
    started = ui.ask(START_SCHEDULE, s=selector)
    assert started["startSchedule"]["scheduleState"]["status"] == "RUNNING"


@pytest.mark.deep
@pytest.mark.timeout(3600)
def test_a_failure_that_passes_is_retried_for_its_day_alone_and_one_that_stays_is_told_and_not_retried(
    pipeline: Pipeline, ui: Ui, chat: Chat
) -> None:
    permanent, passing = DAYS[1], DAYS[4]
    pipeline.kaltura.faults.add(
        Fault("missing_column", report_id=6001, times=None, column="meeting_view_time", covers=_evening(permanent))
    )
    pipeline.kaltura.faults.add(Fault("bad_gateway", report_id=6001, times=None, covers=_evening(passing)))
    ui.ask(BACKFILL, p={"assetSelection": ASSETS, "partitionNames": [str(permanent)]})
    days = [str(day) for day in DAYS[3:]]
    ui.ask(
        BACKFILL,
        p={"assetSelection": ASSETS, "partitionNames": days, "runConfigData": with_short_pauses(pipeline.kaltura)},
    )
    wait_until(lambda: len(ui.runs("FAILURE")) == 2, 180)
    pipeline.kaltura.faults.clear()
    asked_before = len(pipeline.kaltura.requests)
    wait_until(lambda: ui.runs("SUCCESS"), 180)

    [retry] = ui.runs("SUCCESS")
    asked = {int(call.params["from_date"]) for call in pipeline.kaltura.requests[asked_before:]}
    assert min(asked) > _evening(DAYS[3])  # the day before it was loaded already, and is not asked for again
    for asset in ASSETS:
        assert ui.days(asset, "MATERIALIZED") == [(days[0], days[-1])]
        assert ui.days(asset, "FAILED") == [(str(permanent), str(permanent))]
    assert pipeline.query("SELECT partition_date, count(*) FROM kaltura.loads GROUP BY 1 ORDER BY 1") == [
        (day, 3) for day in DAYS[3:]
    ]

    wait_until(lambda: chat.posted, 180)
    [told] = chat.texts
    assert f"not loaded, {permanent} " in told
    assert "meeting_view_time" in told
    assert f"not loaded, {passing}" not in told
    tags = {run["runId"]: {tag["key"]: tag["value"] for tag in run["tags"]} for run in _runs(ui)}
    assert len(tags) == 3  # the permanent failure had one run, the other one two
    assert tags[retry]["dagster/retry_number"] == "1"
    logs = "".join(path.read_text("utf-8", errors="replace") for path in pipeline.home.glob("*.log"))
    assert SECRET not in logs


def _runs(ui: Ui) -> list[dict[str, Any]]:
    return list(ui.ask(RUNS)["runsOrError"]["results"])


def _evening(day: dt.date) -> int:
    """Past the grace of the day before."""
    return int(dt.datetime.combine(day, dt.time(18), dt.UTC).timestamp())


@pytest.mark.deep
def test_what_the_environment_holds_wins_over_the_checkouts_env_file_in_what_the_ui_starts(tmp_path: Path) -> None:
    """The prefix stands before the keys that the code server loads; by the home, the daemon and the webserver begin."""
    copy, home, port = tmp_path / "checkout", tmp_path / "home", free_port()
    for name in ("pipelines", "assets", "resources", "sql", "simulator"):
        shutil.copytree(CHECKOUT / name, copy / name)
    shutil.copy(CHECKOUT / "dagster.yaml", copy)
    (copy / ".env").write_text(f"ASSET_PREFIX=of_the_file\nDAGSTER_HOME={tmp_path}/none\nLOOKBACK_DAYS=5\n")
    around = {**os.environ, "ASSET_PREFIX": "of_the_environment", "DAGSTER_HOME": str(home)}
    del around["PYTHON_DOTENV_DISABLED"]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [PROGRAMS / "python", "-m", "pipelines", "ui", "--port", str(port)],
            cwd=copy, env=around, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    ui = Ui(port)
    try:
        wait_until(lambda: process.poll() is not None or ui.answers(), 120)
        assert process.poll() is None, (tmp_path / "log").read_text("utf-8")
        assets = ui.ask("{ assetNodes { assetKey { path } } }")["assetNodes"]
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(90)
    assert ["of_the_environment", "kaltura", "attendees"] in [each["assetKey"]["path"] for each in assets]
