"""What is left of a UI or of Superset is found by its mark, and a second UI is not started beside the first."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from pipelines.command_line import front_door
from pipelines.instance import ui_processes
from resources.local import superset

CHECKOUT = Path(__file__).resolve().parents[2]
FOREVER = "import sys, time\nprint('up', flush=True)\ntime.sleep(1000)"


@pytest.fixture
def left(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator["subprocess.Popen[str]"]:
    """A process that carries the mark, and that nobody waits for any more."""
    words = ["webserver", "-w", "workspace.yaml", "-h", "127.0.0.1", "-p", "3000"]
    process = subprocess.Popen(
        [sys.executable, "-c", FOREVER, *words],
        env={**os.environ, request.param: str(tmp_path)}, stdout=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    assert process.stdout
    assert process.stdout.readline() == "up\n"
    yield process
    process.kill()
    process.communicate()


@pytest.mark.parametrize(
    ("left", "said"),
    [(ui_processes.MARK, "stopped Dagster's UI"), (superset.MARK, "stopped Superset")],
    indirect=["left"],
)
def test_stop_ends_what_a_killed_command_left_and_nothing_of_another_folder(
    left: "subprocess.Popen[str]", said: str, tmp_path: Path
) -> None:
    for folder, ends in ((tmp_path / "other", False), (tmp_path, True)):
        names = ("DAGSTER_HOME", "SUPERSET_DIR", "LOCAL_POSTGRES_DIR")
        done = CliRunner().invoke(front_door, ["stop"], env=dict.fromkeys(names, str(folder)))
        assert done.exit_code == 0, done.output
        assert (said in done.output) is ends
        assert (left.poll() is not None) is ends


@pytest.mark.parametrize("left", [ui_processes.MARK], indirect=True)
def test_a_second_ui_of_one_home_is_refused_with_the_address_of_the_first(
    left: "subprocess.Popen[str]", tmp_path: Path
) -> None:
    done = CliRunner().invoke(front_door, ["ui", "--port", "3001"], env={"DAGSTER_HOME": str(tmp_path)})
    assert done.exit_code == 1
    [line] = done.stderr.splitlines()
    assert "http://127.0.0.1:3000" in line
    assert "make stop" in line
    assert list(tmp_path.iterdir()) == []


def test_supersets_processes_carry_the_mark_of_its_folder(tmp_path: Path) -> None:
    made = superset.Superset(tmp_path)
    assert made._environment()[superset.MARK] == str(tmp_path)


HEEDS = """
import signal, sys
from pipelines.instance.ui_processes import heed_ends

heed_ends()
try:
    signal.raise_signal(signal.Signals[sys.argv[1]])
    print("goes on")
except KeyboardInterrupt:
    print("ends")
"""


@pytest.mark.parametrize(
    ("number", "before", "said"), [("SIGTERM", "", "ends"), ("SIGHUP", "", "ends"), ("SIGHUP", "nohup", "goes on")]
)
def test_a_terminal_that_goes_away_ends_the_command_but_not_under_nohup(number: str, before: str, said: str) -> None:
    assert signal.Signals[number]
    words = [*before.split(), sys.executable, "-c", HEEDS, number]
    done = subprocess.run(words, cwd=CHECKOUT, capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL)
    assert done.stdout.strip() == said
