"""Somebody presses Ctrl-C, or terminates a run, while Kaltura is silent: what is waited for ends at once, whatever it is.

Nothing here is timed. The servers say nothing more for as long as the client is connected, so that a client which does
not let go keeps its test waiting for ever.
"""

import datetime as dt
import logging
import signal
import socket
import ssl
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import pytest
from in_process import installed
from pipeline import wait_until

from resources.kaltura import client as client_module
from resources.kaltura.client import Client, RequestStats
from resources.kaltura.errors import GivenUp, KalturaError, RateLimited
from resources.kaltura.query import Query
from resources.kaltura.session import Credentials
from resources.kaltura.windows import Days
from resources.runtime import memory
from simulator import Fault, University, serving
from tests.certificates import Certificate
from tests.integration.test_client import DAY, KS, ROOMS

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/csv\r\nContent-Length: 1000\r\n\r\n"
TOO_MANY = b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class Silence:
    """A server that says `words` to whoever asks, and then nothing more for as long as the connection lasts."""

    def __init__(self, listener: socket.socket, words: bytes, tls: ssl.SSLContext | None) -> None:
        self.has_spoken = threading.Semaphore(0)
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{listener.getsockname()[1]}"
        self._listener, self._words, self._tls = listener, words, tls

    def serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:  # the test is over
                return
            with self._tls.wrap_socket(connection, server_side=True) if self._tls else connection as spoken_to:
                spoken_to.recv(65536)
                spoken_to.sendall(self._words)
                self.has_spoken.release()
                while spoken_to.recv(65536):
                    pass


@contextmanager
def silence(words: bytes, tls: ssl.SSLContext | None = None) -> Iterator[Silence]:
    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor() as threads:
        server = Silence(listener, words, tls)
        threads.submit(server.serve)
        try:
            yield server
        finally:
            listener.shutdown(socket.SHUT_RDWR)


def asked(client: Client, threads: ThreadPoolExecutor) -> Future[object]:
    return threads.submit(client.ask, Query(ROOMS, DAY), RequestStats())


def error_of(answer: Future[object]) -> KalturaError:
    error = answer.exception()
    assert isinstance(error, KalturaError), error
    return error


@pytest.mark.parametrize("words", [b"", HEAD[:20], HEAD, HEAD + b"cue_point_id,entry"], ids=len)
@pytest.mark.parametrize("is_encrypted", [False, True], ids=["http", "https"])
@pytest.mark.parametrize(
    "credentials", [Credentials("9999", ks=KS), Credentials("99", admin_secret="5" * 32)]
)  # pragma: allowlist secret
def test_a_reply_is_waited_for_no_longer_however_much_of_it_has_come(
    credentials: Credentials, is_encrypted: bool, words: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = Certificate.made_in(tmp_path) if is_encrypted else None
    if certificate:
        monkeypatch.setattr(client_module, "is_this_machine", lambda _: False)  # whose environment does not count
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate.path))
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with silence(words, certificate.server if certificate else None) as server, ThreadPoolExecutor() as threads:
        client = Client(server.url, credentials, max_concurrency=1)
        first, second = asked(client, threads), asked(client, threads)  # the second waits for its turn
        server.has_spoken.acquire()
        client.give_up()
        assert {type(error_of(first)), type(error_of(second))} == {GivenUp}
        client.close()


def test_a_pause_before_another_try_is_not_sat_out(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "kaltura")
    with silence(TOO_MANY) as server, ThreadPoolExecutor() as threads:
        client = Client(server.url, Credentials("9999", ks=KS), pause_scale=1e6)
        answer = asked(client, threads)
        wait_until(lambda: bool(caplog.records), 60)
        client.give_up()
        assert isinstance(error_of(answer), GivenUp | RateLimited)
        client.close()


def test_nothing_is_asked_for_any_more_not_even_a_connection() -> None:
    with silence(b"") as server, ThreadPoolExecutor() as threads:
        client = Client(server.url, Credentials("9999", ks=KS))
        client.give_up()
        error = error_of(asked(client, threads))
        assert isinstance(error, GivenUp)
        assert "the run was stopped" in str(error)
        assert not server.has_spoken.acquire(blocking=False)
        client.close()


class InterruptedAsItGoes:
    """Python drops what is raised here: 12 of 100 signals at the end of a window met such a callback."""

    def __del__(self) -> None:
        signal.raise_signal(signal.SIGINT)


def test_a_run_ends_whose_interrupt_python_drops_while_the_first_window_is_cleared_away(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "trim", InterruptedAsItGoes)
    days = Days(dt.date(2026, 3, 2), dt.date(2026, 3, 11))
    evening = int(dt.datetime.combine(days.last, dt.time(18), dt.UTC).timestamp())
    with serving(University(seed=11, timezone="UTC", rooms=1)) as kaltura, installed(kaltura, database) as dagster:
        kaltura.faults.add(Fault("slow", times=None, covers=evening, seconds=3600))
        run = dagster.pull(days)
        [failure] = [event.step_failure_data for event in run.all_events if event.is_step_failure]
        assert failure.error.cls_name == dg.DagsterExecutionInterruptedError.__name__
        assert dagster.sql("SELECT count(DISTINCT partition_date) FROM kaltura.loads").fetchone() == (7,)
