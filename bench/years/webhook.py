"""A webhook that is down for a day, a thousand failed runs behind it, and the daemon that tells of them all the same."""

import datetime as dt
import signal
import socket
import threading
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import dagster as dg
import httpx
from dagster._core.events import AssetMaterializationPlannedData, DagsterEvent

from assets.reports import REPORTS
from bench.years.installation import Installation, expect, installed, wait_until
from resources.kaltura.windows import DAY, Days

LAST = dt.datetime.now(dt.UTC).date() - DAY
RED_RUNS = 1000
RED_DAYS = 60
WHY = "Kaltura refuses: invented for this trial"
LONGEST_TICK_SECONDS = 60.0  # the daemon cuts a tick off there, and with it all that it would have told


def webhook_down() -> Installation:
    """The chat's webhook is down for a day, and 1,000 runs of one day each fail meanwhile; then it is back."""
    days = Days(LAST - (RED_DAYS - 1) * DAY, LAST)
    with _chat() as chat, installed() as place:
        place.more = {"ALERT_WEBHOOK_URL": f"http://127.0.0.1:{chat.server_port}/hook", "PORT": str(_free_port())}
        place.pull(Days(LAST, LAST))
        ui = place.start("ui")
        try:
            with dg.DagsterInstance.from_config(str(place.home)) as instance:
                wait_until(lambda: _ticks(instance), 180, "the sensor looks for the first time")
                chat.is_down, heard = True, len(chat.heard)
                for number in range(RED_RUNS):
                    _record_failure(instance, days.first + (number % RED_DAYS) * DAY)
                ticks = len(_ticks(instance))
                wait_until(lambda: len(_ticks(instance)) > ticks + 2, 400, "the sensor looks at all of them")
                expect(len(chat.heard) == heard, "a message arrived at a webhook that is down")
                chat.is_down = False
                wait_until(lambda: chat.has_heard("ERROR: not loaded"), 400, "the failed days are told")
                place.pull(days)
                wait_until(lambda: chat.has_heard("RECOVERED"), 400, "that they are well is told")
                slowest = max(_ticks(instance))
                expect(slowest < LONGEST_TICK_SECONDS, f"a tick took {slowest:.0f} s")
        finally:
            ui.send_signal(signal.SIGINT)
            ui.communicate(timeout=120)
        said = "\n".join(chat.heard)
        place.hear("chat", said, "ERROR: not loaded", "RECOVERED")
        place.told.append(("nobody", f"the longest of the sensor's ticks took {slowest:.1f} s"))
        place.expect_well()
        place.expect_true(days)
    return place


class _Chat(ThreadingHTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Hook)
        self.heard: list[str] = []
        self.is_down = False

    def has_heard(self, words: str) -> bool:
        return any(words in text for text in self.heard)


class _Hook(BaseHTTPRequestHandler):
    server: _Chat

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if not self.server.is_down:
            self.server.heard.append(str(httpx.Response(200, content=body).json()["text"]))
        self.send_response(503 if self.server.is_down else 200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def _chat() -> Iterator[_Chat]:
    with _Chat() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _ticks(instance: dg.DagsterInstance) -> Sequence[float]:
    """Seconds of each of the sensor's ticks that has ended; one that could deliver nothing ends as failed."""
    sensors = [state for state in instance.all_instigator_state() if state.instigator_name == "alerts"]
    return [
        tick.end_timestamp - tick.timestamp
        for sensor in sensors
        for tick in instance.get_ticks(sensor.instigator_origin_id, sensor.selector_id)
        if tick.end_timestamp
    ]


def _record_failure(instance: dg.DagsterInstance, day: dt.date) -> None:
    """What Dagster keeps of a run that was to load the day and failed. Nothing tries it again."""
    run = dg.DagsterRun(
        "__ASSET_JOB",
        str(uuid.uuid4()),
        status=dg.DagsterRunStatus.STARTED,
        tags={"dagster/partition": str(day), "dagster/max_retries": "0"},
    )
    instance.add_run(run)
    for report in REPORTS:
        planned = AssetMaterializationPlannedData(report.key, partition=str(day))
        event = DagsterEvent.build_asset_materialization_planned_event(run.job_name, "kaltura_rooms", planned)
        instance.report_dagster_event(event, run.run_id)
    instance.report_run_failed(run, WHY)
