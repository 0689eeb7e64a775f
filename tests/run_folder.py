"""The folder of one test run: all its workers share it, all its processes are known by it, and it goes when they do.

The process that runs pytest, or with pytest-xdist the one that hands out the tests, makes it; the workers find it in
their environment.
"""

import ctypes
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import reaper

PREFIX = "kaltura-run-"
MEMORY = Path("/dev/shm")
ROOM_BYTES = 8 * 2**30  # a whole run has been seen to take 1.5
VARIABLE = "TEST_RUN_FOLDER"
_DIES_WITH_PARENT = 1  # PR_SET_PDEATHSIG
_lock: int | None = None
_reaper: "subprocess.Popen[bytes] | None" = None


def folder() -> Path:
    return Path(os.environ[VARIABLE])


def has_room(place: Path) -> bool:
    """Whether the run's folder may lie in memory: programs run there, and with the machine's rest there is enough of it.

    Every other test makes a database, which is 526 files: 13 ms in memory, and 250 ms on a disk that has made many.
    """
    try:
        may_run = not os.statvfs(place).f_flag & os.ST_NOEXEC
        return may_run and min(shutil.disk_usage(place).free, psutil.virtual_memory().available) > ROOM_BYTES
    except OSError:
        return False


def begin() -> None:
    """Clear what dead runs left, make the folder, and set the reaper to watch."""
    global _lock, _reaper
    for place in {Path(tempfile.gettempdir()), MEMORY}:
        clear_dead_runs(place)
    made = Path(tempfile.mkdtemp(prefix=PREFIX, dir=MEMORY if has_room(MEMORY) else None))
    made.chmod(0o755)  # root's Postgres is another account's
    _lock = os.open(made / "run.lock", os.O_RDWR | os.O_CREAT, 0o644)
    fcntl.flock(_lock, fcntl.LOCK_EX)
    command = [sys.executable, reaper.__file__, str(made)]
    _reaper = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True, pass_fds=[_lock])
    # Pytest's own folders stay where they are: what a failed test left in them is there to be looked at.
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", tempfile.gettempdir())
    os.environ[VARIABLE] = os.environ["TMPDIR"] = str(made)
    os.environ["PATH"] = f"{os.environ.get('PATH', os.defpath)}:{made}"  # all that the private Postgres is given
    tempfile.tempdir = None
    if "MAKELEVEL" in os.environ and sys.platform == "linux":
        ctypes.CDLL(None).prctl(_DIES_WITH_PARENT, signal.SIGKILL)


def end() -> None:
    """Close the pipe, and wait until everything is gone."""
    if _reaper is not None and _reaper.stdin is not None and _lock is not None:
        os.close(_lock)
        _reaper.stdin.close()
        _reaper.wait(60)


def clear_dead_runs(place: Path) -> None:
    """End what belongs to folders whose lock nobody holds: neither the run nor its reaper lives."""
    for left in place.glob(f"{PREFIX}*"):
        try:
            lock = os.open(left / "run.lock", os.O_RDWR)
        except OSError:
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not reaper.end_all(left):
                shutil.rmtree(left, ignore_errors=True)
        except OSError:
            continue  # a run is under way
        finally:
            os.close(lock)


@contextmanager
def alone(what: str) -> Iterator[None]:
    """One worker at a time."""
    lock = os.open(folder() / f"{what}.lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)
