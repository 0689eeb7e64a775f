"""Ends what a test run left behind, however the run ended: a process of its own that outlives the run by a moment.

    python tests/reaper.py FOLDER        with the run's end of a pipe as its standard input

Every run has a folder, and every process that a test starts has it in its environment (TMPDIR, PATH) or works below it,
also one that daemonised itself. When the pipe closes the run is over: it ended, was interrupted or was killed. Whatever
has the folder is ended then, and the folder is removed. A run whose reaper was killed as well is cleared by the next.
"""

import os
import shutil
import signal
import sys
import time
from pathlib import Path

import psutil

QUIET_SECONDS = 3.0  # a Postgres server that is told to quit removes its shared memory; then nobody is asked any more
GIVES_UP_SECONDS = 20.0


def processes_of(folder: Path) -> list[psutil.Process]:
    """Those that have the folder in their environment or work below it, and all that these have started; not our own."""
    own = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    found: dict[int, psutil.Process] = {}
    psutil.process_iter.cache_clear()  # one that had the id before can be asked, and not be signalled
    for process in psutil.process_iter():
        if process.pid not in own and _belongs(process, str(folder)):
            found[process.pid] = process
            found |= {child.pid: child for child in _children(process)}
    return [process for pid, process in found.items() if pid not in own]


def _belongs(process: psutil.Process, folder: str) -> bool:
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        return any(folder in value for value in process.environ().values()) or process.cwd().startswith(folder)
    except (psutil.Error, OSError):  # gone, or another user's
        return False


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return [each for each in process.children(recursive=True) if each.status() != psutil.STATUS_ZOMBIE]
    except psutil.Error:
        return []


def end_all(folder: Path) -> list[psutil.Process]:
    """Ends them, also those that start meanwhile. Returns the ones that would not go."""
    started = time.monotonic()
    for process in processes_of(folder):
        _signal(process, signal.SIGQUIT if _is_postgres(process) else signal.SIGKILL)
    while (left := processes_of(folder)) and time.monotonic() < started + GIVES_UP_SECONDS:
        for process in left:
            if not _is_postgres(process) or time.monotonic() > started + QUIET_SECONDS:
                _signal(process, signal.SIGKILL)
        time.sleep(0.05)
    return left


def _is_postgres(process: psutil.Process) -> bool:
    try:
        return process.name() == "postgres"
    except psutil.Error:
        return False


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    try:
        process.send_signal(number)
    except psutil.Error:
        return


def main() -> None:
    folder = Path(sys.argv[1])
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    sys.stdin.buffer.read()
    left = end_all(folder)
    if left:
        sys.stderr.write(f"Left running by the tests: {left}\n")
    else:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
