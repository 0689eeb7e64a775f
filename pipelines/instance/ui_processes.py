"""The processes that Dagster's UI or Superset is made of, told from all others, and their end."""

import os
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

# In the environment of each process that `ui` starts and of all that these start: the DAGSTER_HOME that they are of.
MARK = "KALTURA_ROOMS_UI"
STOP_SECONDS = 20

Found = Callable[[], list[psutil.Process]]


def of_home(folder: Path, mark: str = MARK) -> list[psutil.Process]:
    """The living processes of the UI of this DAGSTER_HOME, also where the `ui` that started them is gone.

    By another mark those of something else, of its folder.
    """
    return _living(lambda process: process.environ().get(mark) == str(folder.resolve()))


def served_at(processes: Sequence[psutil.Process]) -> str | None:
    """Where the UI listens whose processes these are, as far as one of them says."""
    for process in processes:
        with suppress(psutil.Error, OSError, ValueError, IndexError):
            words = process.cmdline()
            if "webserver" in words:
                host, port = (words[words.index(option) + 1] for option in ("-h", "-p"))
                return f"http://{f'[{host}]' if ':' in host else host}:{port}"
    return None


def heed_ends() -> None:
    """SIGTERM ends the command as Ctrl-C does, and so does a terminal that goes away; not where `nohup` had that ignored."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.default_int_handler)


def of_group(number: int) -> list[psutil.Process]:
    """The living processes of a group: of one of ours and what it started, also where the one itself has ended."""
    return _living(lambda process: os.getpgid(process.pid) == number)


def end(found: Found) -> None:
    """Ends those that are found with SIGTERM, and what is left of them after `STOP_SECONDS` with SIGKILL."""
    gives_up_at = time.monotonic() + STOP_SECONDS
    _send(found(), signal.SIGTERM)
    while found() and time.monotonic() < gives_up_at:
        time.sleep(0.1)
    _send(found(), signal.SIGKILL)


def _living(is_wanted: Callable[[psutil.Process], bool]) -> list[psutil.Process]:
    found = []
    psutil.process_iter.cache_clear()  # one that had the id hours ago can be asked, and not be signalled
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):  # gone meanwhile, or another user's
            if is_wanted(process) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def _send(processes: list[psutil.Process], number: signal.Signals) -> None:
    for process in processes:
        with suppress(psutil.Error):
            process.send_signal(number)
