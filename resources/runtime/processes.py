"""Which process executes a run, as a tag of the run, and whether it still lives: a number alone may be anyone's later."""

import os
import socket
from collections.abc import Mapping
from enum import Enum, auto
from pathlib import Path

import psutil

_TAG = ".dagster/kaltura_process"  # Dagster's UI hides tags with this prefix


class ProcessState(Enum):
    """What is known of the process that executes a run."""

    ALIVE = auto()
    GONE = auto()
    ELSEWHERE = auto()  # on another host, of whose processes nothing is seen here; or in a container that was replaced
    UNKNOWN = auto()  # the run has not said which process it is


def execution_tag(run_id: str) -> dict[str, str]:
    """The tag that says that this process executes the run. With the run's id: a run's retry inherits its tags."""
    return {_TAG: f"{run_id} {os.getpid()} {_started(os.getpid())} {_where_numbers_count()}"}


def process_state(run_id: str, tags: Mapping[str, str]) -> ProcessState:
    """What has become of the process that the run's tags name."""
    words = tags.get(_TAG, "").split()
    if len(words) != 4 or words[0] != run_id:
        return ProcessState.UNKNOWN
    _, pid, started, where = words
    if where not in (_where_numbers_count(), socket.gethostname()):  # an earlier version named the host alone
        return ProcessState.ELSEWHERE
    try:
        return ProcessState.ALIVE if _started(int(pid)) == started else ProcessState.GONE
    except (ValueError, psutil.Error):
        return ProcessState.GONE


def _where_numbers_count() -> str:
    """The host and, on Linux, the namespace of its process numbers: containers may have the name of their host."""
    namespace = Path("/proc/self/ns/pid")
    return f"{socket.gethostname()}{f'/{namespace.stat().st_ino}' if namespace.exists() else ''}"


def _started(pid: int) -> str:
    """Seconds from the machine's start to the process's: unlike its time of day, no setting of the clock moves them."""
    boot = psutil.boot_time()
    return f"{psutil.Process(pid).create_time() - boot:.2f}"
