"""Whether a server is alive, found out from the disk and the process table; and what a dead one left behind."""

import os
import signal
import time
from pathlib import Path

import psutil

from resources.local.errors import LocalPostgresError
from resources.local.place import SOCKET, Server

STOP_SECONDS = 60
ORPHAN_SECONDS = 30  # children of a killed postmaster notice at their next wait; a long statement delays that
POLL_SECONDS = 0.05


def postmaster(server: Server) -> psutil.Process | None:
    """The server's main process, or None. A number in a pid file proves nothing: after a crash it may be anybody's."""
    pid = _first_number(server.data / "postmaster.pid")
    if pid is None:
        return None
    try:
        process = psutil.Process(pid)
        command = process.cmdline()  # a child of the postmaster calls itself "postgres: ..."
        return process if command and Path(command[0]).name == "postgres" and _works_in(process, server.data) else None
    except psutil.Error:
        return None


def _works_in(process: psutil.Process, folder: Path) -> bool:
    """Postgres' processes make the data folder their working directory, and nobody else has reason to."""
    try:
        return os.path.samefile(process.cwd(), folder)
    except (psutil.Error, OSError):
        return False


def gone_within(process: psutil.Process, seconds: float) -> bool:
    """Wait for a process that may be nobody's child: where process 1 does not reap, a zombie is all that ever comes."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if not process.is_running() or process.status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(POLL_SECONDS)
    return False


def forget_the_dead(server: Server) -> None:
    """Remove what a dead server left, since Postgres refuses to start where those numbers are other processes' now.

    Raises:
        LocalPostgresError: processes of the dead server are still at work on the data.
    """
    pid_file = server.data / "postmaster.pid"
    if pid_file.exists():
        deadline = time.monotonic() + ORPHAN_SECONDS
        while orphans := [process.pid for process in psutil.process_iter() if _works_in(process, server.data)]:
            if time.monotonic() > deadline:
                raise LocalPostgresError(
                    f"The Postgres in {server.folder} was killed, but its processes {orphans} still work on the data. "
                    f"End them (kill {' '.join(map(str, orphans))}) and start again."
                )
            time.sleep(POLL_SECONDS)
        pid_file.unlink()
    socket_lock = server.sockets / f"{SOCKET}.lock"
    _end_server_without_data(socket_lock, server.sockets)
    socket_lock.unlink(missing_ok=True)
    (server.sockets / SOCKET).unlink(missing_ok=True)


def _end_server_without_data(socket_lock: Path, sockets: Path) -> None:
    """End a server whose data folder was deleted under it: later it would take the new server's socket along."""
    pid = _first_number(socket_lock)
    if pid is None:
        return
    try:
        process = psutil.Process(pid)
        if str(sockets) in process.cmdline():
            process.send_signal(signal.SIGQUIT)
            gone_within(process, STOP_SECONDS)
    except psutil.Error:
        return


def _first_number(path: Path) -> int | None:
    """The pid that a lock file of Postgres begins with; None for no file, and for one that a power cut left empty."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return None
    return int(lines[0]) if lines and lines[0].strip().isdigit() else None
