"""Commands in processes of their own that need not import dagster and pandas each: forks of one that has.

Two thirds of a command's CPU goes into importing other people's packages. Here one process imports them once; for each
command it forks, and the fork is what a fresh Python would be from there on: a session of its own, the caller's
environment, arguments and standard output, and every module of the project imported anew, in that environment. A process
that such a command starts itself is an ordinary one.
"""

import atexit
import contextlib
import gc
import importlib
import json
import os
import runpy
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[1]
PROGRAMS = Path(sys.executable).parent
PACKAGES = (
    "dagster", "dagster._cli", "dagster._core.execution.api", "dagster._core.storage.event_log.sqlite",
    "dagster._core.storage.runs.sqlite", "dagster._core.storage.schedules.sqlite", "dagster._core.storage.sqlite_storage",
    "dagster._core.run_coordinator.queued_run_coordinator", "dagster._core.workspace.load", "httpx", "pandas",
    "pandera.pandas", "psutil", "psycopg", "pyarrow", "pydantic", "rich.console", "rich.progress", "sqlalchemy",
    "sqlalchemy.dialects.postgresql.psycopg", "sqlalchemy.dialects.sqlite", "stamina",
)  # fmt: skip


class Process:
    """A fork at work: what the tests need of `subprocess.Popen`."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], errors: int | None = None) -> None:
        """What it prints as errors goes to `errors`, an open file, or with the rest."""
        self.args = list(command)
        self.returncode: int | None = None
        self._connection = socket.socket(socket.AF_UNIX)
        self._connection.connect(str(_address()))
        output, its_output = os.pipe()
        request = json.dumps({"command": list(command), "environment": dict(environment)}).encode()
        self._connection.sendall(len(request).to_bytes(4, "big"))
        socket.send_fds(self._connection, [b"o"], [its_output, its_output if errors is None else errors])
        self._connection.sendall(request)
        os.close(its_output)
        self.pid = int.from_bytes(_received(self._connection, 4), "big")
        self.stdout = os.fdopen(output, encoding="utf-8", errors="replace")

    def poll(self) -> int | None:
        return self._ended(0)

    def wait(self, timeout: float | None = None) -> int:
        code = self._ended(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0)
        return code

    def communicate(self, timeout: float | None = None) -> tuple[str, None]:
        """All that it and its children print, and then its end."""
        gives_up_at = None if timeout is None else time.monotonic() + timeout
        printed = b""
        with selectors.DefaultSelector() as selector:
            selector.register(self.stdout, selectors.EVENT_READ)
            while True:
                left = None if gives_up_at is None else max(0, gives_up_at - time.monotonic())
                if not selector.select(left):
                    raise subprocess.TimeoutExpired(self.args, timeout or 0, printed)
                chunk = os.read(self.stdout.fileno(), 1 << 16)
                if not chunk:
                    break
                printed += chunk
        self.stdout.close()
        self.wait(timeout)
        return printed.decode("utf-8", "replace"), None

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _ended(self, timeout: float | None) -> int | None:
        if self.returncode is None:
            self._connection.settimeout(timeout)
            try:
                self.returncode = int.from_bytes(_received(self._connection, 4), "big", signed=True)
            except (BlockingIOError, TimeoutError):
                return None
            self._connection.close()
        return self.returncode


def _received(connection: socket.socket, count: int) -> bytes:
    content = connection.recv(count, socket.MSG_WAITALL)
    if len(content) < count:
        raise ConnectionError("the process that forks is gone")
    return content


def run(*command: str, environment: Mapping[str, str], seconds: float = 600) -> tuple[int, str, str]:
    """The exit code of a command, what it printed, and what it printed as errors."""
    with tempfile.TemporaryFile() as errors:
        process = Process([str(PROGRAMS / command[0]), *command[1:]], environment, errors.fileno())
        printed, _ = process.communicate(timeout=seconds)
        errors.seek(0)
        return process.wait(), printed, errors.read().decode("utf-8", "replace")


_server: "subprocess.Popen[bytes] | None" = None
_folder = ""


def _address() -> Path:
    """Where the process that forks listens. It starts with its first use, and ends with this process."""
    global _server, _folder
    if _server is None or _server.poll() is not None:
        _folder = tempfile.mkdtemp(prefix="warm-")
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(f"{_folder}/socket")
        listener.listen(16)
        _server = subprocess.Popen(
            [sys.executable, __file__, str(listener.fileno())],
            cwd=CHECKOUT,
            stdin=subprocess.PIPE,
            pass_fds=[listener.fileno()],
            start_new_session=True,
        )
        listener.close()
        atexit.register(_stop)
    return Path(_folder) / "socket"


def _stop() -> None:
    if _server is not None and _server.stdin is not None:
        _server.stdin.close()
        _server.wait(30)


# ------------------------------------------------------------------------------------------- the process that forks


def _serve(listener: socket.socket) -> dict[str, Any] | None:
    """Fork for each request and tell the caller of the end. In a fork it returns the request; at the end, None."""
    wakes, woken = socket.socketpair()
    woken.setblocking(False)
    signal.set_wakeup_fd(woken.fileno(), warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    running: dict[int, socket.socket] = {}
    selector = selectors.DefaultSelector()
    for source in (listener, wakes, sys.stdin.buffer):
        selector.register(source, selectors.EVENT_READ)
    while True:
        for key, _ in selector.select():
            if key.fileobj is sys.stdin.buffer:
                return None
            if key.fileobj is wakes:
                wakes.recv(4096)
                _tell_of_ends(running)
            else:
                connection, _ = listener.accept()
                request, printed = _request(connection)
                pid = os.fork()
                if pid == 0:
                    signal.set_wakeup_fd(-1)
                    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                    for each in (*running.values(), connection, listener, wakes, woken):
                        each.close()
                    selector.close()
                    return {**request, "printed": printed}
                for each in printed:
                    os.close(each)
                running[pid] = connection
                connection.sendall(pid.to_bytes(4, "big"))


def _request(connection: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """What is asked for, and the files for what it prints."""
    size = int.from_bytes(_received(connection, 4), "big")
    _, printed, _, _ = socket.recv_fds(connection, 1, 2)
    return json.loads(_received(connection, size)), printed


def _tell_of_ends(running: dict[int, socket.socket]) -> None:
    for pid, connection in list(running.items()):
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            del running[pid]
            with contextlib.suppress(OSError):  # nobody waits for it any more
                connection.sendall(os.waitstatus_to_exitcode(status).to_bytes(4, "big", signed=True))
            connection.close()


def _become(request: dict[str, Any]) -> None:
    """Run the command as a Python that a shell started for it would."""
    os.setsid()
    signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # ignored, where the tests themselves run in the background
    nothing = os.open(os.devnull, os.O_RDONLY)
    given = (nothing, *request["printed"])
    for target, source in enumerate(given):
        os.dup2(source, target)
    for source in given:
        os.close(source)
    os.chdir(CHECKOUT)
    os.environ.clear()
    os.environ.update(request["environment"])
    time.tzset()
    program, *words = request["command"]
    if Path(program).name == "python":
        if words[0] == "-m":
            sys.path[0], sys.argv = str(CHECKOUT), ["-m", *words[2:]]
            runpy.run_module(words[1], run_name="__main__", alter_sys=True)
        else:
            sys.path[0], sys.argv = str(Path(words[0]).absolute().parent), words
            runpy.run_path(words[0], run_name="__main__")
    else:
        os.chdir(
            "/"
        )  # Dagster puts the .env of its working directory over the environment, and a developer's is in the checkout
        sys.path[:1], sys.argv = [str(Path(program).parent), str(CHECKOUT)], [program, *words]
        runpy.run_path(program, run_name="__main__")


def main() -> None:
    listener = socket.socket(fileno=int(sys.argv[1]))
    gc.disable()  # what is imported stays, here and in each fork
    for name in PACKAGES:
        importlib.import_module(name)
    importlib.import_module("revisions").execute_now()
    gc.freeze()
    gc.enable()
    request = _serve(listener)
    if request is not None:
        _become(request)


if __name__ == "__main__":
    main()
