"""Dagster's UI as `make ui` starts it, webserver, daemon and code server in real processes, asked as the browser asks."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from pipeline import Pipeline, free_port, wait_until

from simulator import Running

ASSETS = [{"path": ["kaltura", name]} for name in ("room_sessions", "attendees", "breakout_sessions")]

BACKFILL = """mutation($p: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $p) {
  ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }"""
RUNS = "{ runsOrError { ... on Runs { results { runId status tags { key value } } } } }"
REEXECUTE = """mutation($p: ReexecutionParams!) { launchRunReexecution(reexecutionParams: $p) {
  ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""
PARTITIONS = """query($k: AssetKeyInput!) { assetNodeOrError(assetKey: $k) { ... on AssetNode {
  assetPartitionStatuses { ... on TimePartitionStatuses { ranges { status startKey endKey } } } } } }"""
RELOAD = """mutation { reloadRepositoryLocation(repositoryLocationName: "pipelines") { __typename } }"""
START_SCHEDULE = """mutation($s: ScheduleSelector!) { startSchedule(scheduleSelector: $s) {
  ... on ScheduleStateResult { scheduleState { status } } ... on PythonError { message } } }"""


def looking_often(python_path: str = "") -> dict[str, str]:
    """Variables for a daemon that begins with a backfill at once, and not within half a minute."""
    folder = str(Path(__file__).parent / "looks_often")
    return {
        "PYTHONPATH": f"{folder}:{python_path}".rstrip(":"),
        "DAGSTER_EVENT_LOG_CONSUMER_DAEMON_INTERVAL_SECONDS": "1",
    }


def with_short_pauses(kaltura: Running) -> dict[str, Any]:
    """The account again: a run's own configuration of a resource replaces all of it."""
    account = {
        "base_url": kaltura.base_url,
        "partner_id": str(kaltura.partner_id),
        "app_token_id": kaltura.app_token_id,
        "app_token": kaltura.app_token,
    }
    return {"resources": {"kaltura": {"config": {**account, "pause_scale": 0.001}}}}


class Ui:
    """The UI's address and its GraphQL."""

    def __init__(self, port: int) -> None:
        self.address = f"http://127.0.0.1:{port}"
        self.url = f"{self.address}/graphql"

    def ask(self, query: str, **variables: object) -> dict[str, Any]:
        reply = httpx.post(self.url, json={"query": query, "variables": variables}, timeout=60).json()
        assert "errors" not in reply, reply
        return reply["data"]

    def answers(self) -> bool:
        try:
            return bool(self.ask("{ version }"))
        except httpx.TransportError:
            return False

    def runs(self, status: str) -> list[str]:
        results = self.ask(RUNS)["runsOrError"]["results"]
        return [run["runId"] for run in results if run["status"] == status]

    def days(self, asset: dict[str, Any], status: str) -> list[tuple[str, str]]:
        statuses = self.ask(PARTITIONS, k=asset)["assetNodeOrError"]["assetPartitionStatuses"]["ranges"]
        return [(each["startKey"], each["endKey"]) for each in statuses if each["status"] == status]


@contextmanager
def ui_of(pipeline: Pipeline) -> Iterator[Ui]:
    """`python -m pipelines ui` on a free port, from its first answer until the block ends."""
    port = free_port()
    process = pipeline.start("python", "-m", "pipelines", "ui", "--port", str(port))
    asked = Ui(port)
    try:
        wait_until(lambda: asked.answers() or process.poll() is not None, 120)
        assert process.poll() is None, process.stdout and process.stdout.read()
        yield asked
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=90)
