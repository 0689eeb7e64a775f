"""Dagster's UI as `make ui` starts it: webserver, daemon and code server in real processes, asked as the browser asks."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest
from dagster_ui import Ui, ui_of
from pipeline import Pipeline, wait_until

from simulator import Fault, University, serving

DAYS = [dt.date(2026, 3, 2) + dt.timedelta(days=n) for n in range(6)]
BAD = DAYS[2]
ASSETS = [{"path": ["kaltura", name]} for name in ("room_sessions", "attendees", "breakout_sessions")]

BACKFILL = """mutation($p: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $p) {
  ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }"""
REEXECUTE = """mutation($p: ReexecutionParams!) { launchRunReexecution(reexecutionParams: $p) {
  ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""
START_SCHEDULE = """mutation($s: ScheduleSelector!) { startSchedule(scheduleSelector: $s) {
  ... on ScheduleStateResult { scheduleState { status } } ... on PythonError { message } } }"""


@pytest.fixture
def pipeline(database: str, tmp_path: Path) -> Iterator[Pipeline]:
    with serving(University(seed=11, timezone="UTC", rooms=12)) as kaltura:
        yield Pipeline(kaltura, database, tmp_path, {"START_DATE": "2026-01-01"})


@pytest.fixture
def ui(pipeline: Pipeline) -> Iterator[Ui]:
    with ui_of(pipeline) as opened:
        yield opened


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
