"""`ui`: Dagster's UI on this checkout. Code server, daemon and webserver, each a process of its own, until Ctrl-C.

The code server is apart, because a daemon that ran the code itself would take the runs in flight along when it stops.
"""

import errno
import ipaddress
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NoReturn

import click

from pipelines.command_line import Command, Stopped
from pipelines.instance import dagster_home as home
from pipelines.instance.dagster_programs import STARTED_IN, with_checkout
from pipelines.instance.ui_processes import MARK, end, heed_ends, of_group, of_home, served_at
from resources.settings import CHECKOUT, Settings, listening_port

PORT = 3000
READY_SECONDS = 90
PROGRAMS = Path(sys.executable).parent
CODE = ("-d", str(CHECKOUT), "-m", "pipelines.definitions")


@click.command(cls=Command)
@click.option("--port", type=click.IntRange(1, 65535), help=f"Default: PORT, or {PORT}.")
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Address to listen on. The UI knows no passwords: whoever reaches it can launch runs and use the account's "
    "credentials. Leave it on 127.0.0.1, and put a proxy that asks who is there before it.",
)
@click.option("--trusted-host", multiple=True, metavar="NAME", help="A name that such a proxy passes on.")
def command(port: int | None, host: str, trusted_host: tuple[str, ...]) -> None:
    """Dagster's UI, daemon and code server, until Ctrl-C."""
    Settings.from_environment()  # the code server reads them; what is wrong with them is said here
    port = port or listening_port("PORT", PORT)
    _expect_none()
    if not _is_this_machine(host):
        click.echo(f"On {host} everybody who reaches this machine has the UI, which knows no passwords.", err=True)
    try:
        is_taken = not is_free(host, port)
    except OSError as error:
        raise Stopped(f"--host {host}: {error.strerror}.") from None
    if is_taken:
        raise Stopped(f"Port {port} is taken. Stop what listens there, or choose another: make ui PORT=3001")
    folder = home.prepare()
    home.expect_usable()
    heed_ends()
    processes: dict[str, subprocess.Popen[bytes]] = {}
    try:
        (folder / "ui.pid").write_text(str(os.getpid()))
        _start(processes, folder, host, port, trusted_host)
        _watch(processes, host, port)
    except KeyboardInterrupt:
        return
    finally:
        ignore_interrupts()
        _stop(processes)
        (folder / "ui.pid").unlink(missing_ok=True)


def _expect_none() -> None:
    """Raises `Stopped` where a UI of this home runs: of two daemons, both would start each run and each tick."""
    if running := of_home(home.home_folder()):
        where = served_at(running)
        raise Stopped(
            f"Dagster's UI of {home.home_folder()} runs already{f', on {where}' if where else ''}. `make stop` ends it, also "
            "where its terminal is gone. Another one beside it takes a DAGSTER_HOME of its own."
        )


def ignore_interrupts() -> None:
    """While processes are ended, which takes a bounded time: a second Ctrl-C would leave the rest of them running."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def is_free(host: str, port: int) -> bool:
    """Whether nobody listens there. Raises `OSError` where the address is not one of this machine's."""
    for family, *_, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(address)
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
                return False
    return True


def _start(
    processes: dict[str, subprocess.Popen[bytes]], folder: Path, host: str, port: int, trusted_hosts: Sequence[str]
) -> None:
    """Each is among `processes` as soon as it runs: whoever breaks this off can stop those that do."""
    code_port = _free_port()
    workspace = folder / "workspace.yaml"
    workspace.write_text(
        f"load_from:\n  - grpc_server: {{host: 127.0.0.1, port: {code_port}, location_name: pipelines}}\n"
    )
    trusted = [word for name in trusted_hosts for word in ("--trusted-host", name)]
    commands = {
        "code server": ["dagster", "code-server", "start", *CODE, "-p", str(code_port)],
        "daemon": ["dagster-daemon", "run", "-w", str(workspace)],
        "webserver": [
            *("python", "-m", "pipelines", "webserver", *trusted),
            *("-w", str(workspace), "-h", host, "-p", str(port)),
        ],
    }
    # A daemon that starts while the code server is away takes its assets for deleted, and would end the backfill.
    environment = {
        "DAGSTER_BACKFILL_RETRY_DEFINITION_CHANGED_ERROR": "1",
        **with_checkout(os.environ),
        MARK: str(folder.resolve()),
    }
    # Dagster's processes end at SIGTERM as they do at Ctrl-C: not at all, where a script's `&` had that one ignored.
    heard = signal.signal(signal.SIGINT, signal.default_int_handler)
    for name, (program, *words) in commands.items():
        log = (folder / f"{name.replace(' ', '-')}.log").open("ab")
        processes[name] = subprocess.Popen(
            [str(PROGRAMS / program), *words],
            cwd=STARTED_IN,
            env=environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        if name == "code server":
            _wait_for_port(code_port, processes[name])
    signal.signal(signal.SIGINT, heard)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for_port(port: int, process: subprocess.Popen[bytes]) -> None:
    gives_up_at = time.monotonic() + READY_SECONDS
    while time.monotonic() < gives_up_at and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)


def _watch(processes: dict[str, subprocess.Popen[bytes]], host: str, port: int) -> NoReturn:
    """Say when the UI answers. Raises `Stopped` when one of the processes ends."""
    url = f"http://{'localhost' if host == '127.0.0.1' else _in_url(host)}:{port}"
    told = False
    while True:
        for name, process in processes.items():
            if process.poll() is not None:
                raise Stopped(f"The {name} ended. Its log: {_log_of(name)}\n{_tail(_log_of(name))}")
        if not told and _answers(host, port):
            click.echo(f"Dagster is on {url} (Ctrl-C stops it). Logs are in {os.environ['DAGSTER_HOME']}.")
            told = True
        time.sleep(0.5)


def _answers(host: str, port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://{_in_url(host)}:{port}/server_info", timeout=2):
            return True
    except OSError:
        return False


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _log_of(name: str) -> Path:
    return Path(os.environ["DAGSTER_HOME"]) / f"{name.replace(' ', '-')}.log"


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-15:])


def _stop(processes: dict[str, subprocess.Popen[bytes]]) -> None:
    """Each with all that it started. The webserver and the daemon first: the code server holds the runs in flight.

    A code server that was reloaded does not end the process that it loaded the code into, which notices after a minute.
    """
    for process in reversed(processes.values()):
        end(partial(of_group, process.pid))
        process.wait()
