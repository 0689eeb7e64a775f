"""Which process executes a run, as a tag of the run, and whether it still lives: a number alone may be anyone's later."""

import os
import socket
from collections.abc import Mapping

import psutil

_TAG = ".dagster/kaltura_process"  # Dagster's UI hides tags with this prefix


def execution_tag(run_id: str) -> dict[str, str]:
    """The tag that says that this process executes the run. With the run's id: a run's retry inherits its tags."""
    return {_TAG: f"{run_id} {os.getpid()} {_started(os.getpid())} {socket.gethostname()}"}


def is_executing(run_id: str, tags: Mapping[str, str]) -> bool | None:
    """Whether the process that the run's tags name lives on this host; None where they name none."""
    words = tags.get(_TAG, "").split()
    if len(words) != 4 or words[0] != run_id:
        return None
    _, pid, started, host = words
    try:
        return host == socket.gethostname() and _started(int(pid)) == started
    except (ValueError, psutil.Error):
        return False


def _started(pid: int) -> str:
    """Seconds from the machine's start to the process's: unlike its time of day, no setting of the clock moves them."""
    boot = psutil.boot_time()
    return f"{psutil.Process(pid).create_time() - boot:.2f}"
