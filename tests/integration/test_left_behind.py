"""Nothing of a test run goes on when the run is over: not after Ctrl-C, not after `kill -9`, not in the next run."""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil
import pytest
import reaper
import run_folder
from pipeline import CHECKOUT, wait_until

# A run that starts a server, and a process that leaves its session and its parent, and then never ends.
NEVER_ENDS = """
import os, subprocess, time

def test_it_goes_on_for_ever(postgres_folder):
    subprocess.run(["sh", "-c", "setsid sleep 1000 & true"], check=True)
    with open(os.environ["SAYS_WHERE"], "w") as file:
        file.write(os.environ["TEST_RUN_FOLDER"])
    time.sleep(1000)
"""


@pytest.mark.deep
@pytest.mark.parametrize("workers", [(), ("-n", "1")], ids=["alone", "with a worker"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_after_a_run_was_interrupted_or_killed_no_process_of_it_is_left(
    number: signal.Signals, workers: tuple[str, ...], tmp_path: Path
) -> None:
    case = CHECKOUT / "tests" / f"never_ends_{os.getpid()}.py"
    case.write_text(NEVER_ENDS)
    told = tmp_path / "where"
    try:
        run = subprocess.Popen(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *workers, str(case)],
            cwd=CHECKOUT, env=os.environ | {"SAYS_WHERE": str(told)}, start_new_session=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=_ctrl_c_is_heard,
        )  # fmt: skip
        wait_until(lambda: (told.exists() and told.read_text()) or run.poll() is not None, 300)
        folder = Path(told.read_text())
        names = {process.name() for process in reaper.processes_of(folder)}
        assert {"postgres", "sleep"} <= names

        run.send_signal(number)

        run.wait(120)
        wait_until(lambda: reaper.processes_of(folder) == [] and not folder.exists(), 120)
    finally:
        case.unlink()


def _ctrl_c_is_heard() -> None:
    """Also where the tests themselves are run in the background."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.mark.parametrize("has_anothers_id", [False, True])
def test_a_run_clears_what_one_left_whose_reaper_was_killed_with_it(has_anothers_id: bool, tmp_path: Path) -> None:
    """Also where the process has an id that psutil remembers as an earlier one's, which it sends no signal."""
    dead = Path(tempfile.mkdtemp(prefix=run_folder.PREFIX, dir=tmp_path))
    (dead / "run.lock").touch()
    left = subprocess.Popen(["sleep", "1000"], env={"TMPDIR": str(dead)}, start_new_session=True)
    if has_anothers_id:
        earlier = psutil.Process(left.pid)
        earlier._ident = (left.pid, 0.0)  # type: ignore[attr-defined]
        psutil._pmap[left.pid] = earlier  # type: ignore[attr-defined]

    run_folder.clear_dead_runs(tmp_path)

    assert left.wait(60) == -signal.SIGKILL
    assert not dead.exists()


def test_a_run_leaves_another_one_alone_that_is_under_way(tmp_path: Path) -> None:
    alive = Path(tempfile.mkdtemp(prefix=run_folder.PREFIX, dir=tmp_path))
    with (alive / "run.lock").open("w") as lock:
        run_folder.fcntl.flock(lock, run_folder.fcntl.LOCK_EX)
        other = subprocess.Popen(["sleep", "1000"], env={"TMPDIR": str(alive)}, start_new_session=True)

        run_folder.clear_dead_runs(tmp_path)

        assert psutil.Process(other.pid).status() != psutil.STATUS_ZOMBIE
        assert alive.exists()
        other.kill()
        other.wait()
