"""What the environment holds wins over `.env` in Dagster's own programs too, which would have it the other way round."""

import datetime as dt
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import warm
from pipeline import CHECKOUT, free_port, wait_until

from bench.installation import environment as bench_environment
from pipelines.instance.dagster_home import expect_usable
from pipelines.instance.dagster_programs import beside_no_env_file, is_dagsters

# A job that says what a run has.
ASKS = """
import os
import dagster as dg
import pipelines.definitions

@dg.op
def says():
    print("the run has", os.environ["REPORT_DIR"], os.environ["PII_KEY"])
    print("beside", os.listdir())

@dg.job(executor_def=dg.in_process_executor)
def ask():
    says()
"""


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A folder with a `.env` and that job, in which commands are given."""
    folder = tmp_path / "here"
    folder.mkdir()
    (folder / "asks.py").write_text(ASKS)
    (folder / ".env").write_text(
        f"REPORT_DIR=of-the-file\nPII_KEY='{'x' * 32}$${{HOME}}'\nDAGSTER_HOME={tmp_path}/of-the-file\n"
    )
    return folder


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    given = {"REPORT_DIR": "of-the-environment", "PII_KEY": "k" * 32, "DAGSTER_HOME": str(tmp_path / "home")}
    return {**os.environ, "PYTHONPATH": str(CHECKOUT), **given}


@pytest.mark.parametrize("program", [["dagster"], ["python", "-m", "dagster"]])
def test_a_run_that_home_starts_beside_an_env_file_has_what_the_environment_holds(
    program: list[str], here: Path, environment: dict[str, str]
) -> None:
    words = [*program, "job", "execute", "-f", "asks.py", "-j", "ask"]
    done = subprocess.run(
        [sys.executable, "-m", "pipelines", "home", *words],
        cwd=here, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert f"the run has of-the-environment {'k' * 32}" in done.stdout, done.stdout + done.stderr
    assert not Path(f"{here.parent}/of-the-file").exists()


def test_a_run_that_home_starts_in_the_checkout_finds_what_it_imports_only_then(here: Path, tmp_path: Path) -> None:
    """The stand-in, where no account is set: Dagster has the checkout on the path while it loads the definitions alone."""
    (here / "asks.py").write_text(ASKS.replace('print("beside", os.listdir())', "import simulator.tokens"))
    words = ["dagster", "job", "execute", "-f", str(here / "asks.py"), "-j", "ask"]
    given = {"REPORT_DIR": "", "PII_KEY": "k" * 32, "DAGSTER_HOME": str(tmp_path / "home")}
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-m", "pipelines", "home", *words],
        cwd=CHECKOUT, env=environment | given, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_webserver_beside_an_env_file_keeps_to_the_environment(here: Path, environment: dict[str, str]) -> None:
    """It begins with its home, which it names as it ends: the one of the file is not there."""
    (here / "workspace.yaml").write_text("load_from: []\n")
    port = str(free_port())
    words = ["webserver", "-w", "workspace.yaml", "-h", "127.0.0.1", "-p", port]
    subprocess.run([sys.executable, "-m", "pipelines", "home"], cwd=here, env=environment, check=True)
    with (here / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "pipelines", *words], cwd=here, env=environment, stdout=log, stderr=log
        )
    try:
        said = here / "log"
        wait_until(lambda: process.poll() is not None or f":{port}" in said.read_text("utf-8"))
        assert process.poll() is None, said.read_text("utf-8")
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def test_the_webserver_takes_a_home_that_is_meant_from_the_checkout_on(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Dagster takes none but an absolute path, and ends in a traceback."""
    subprocess.run([sys.executable, "-m", "pipelines", "home"], cwd=tmp_path, env=environment, check=True)
    monkeypatch.setattr("resources.settings.CHECKOUT", tmp_path)
    monkeypatch.setenv("DAGSTER_HOME", "home")
    monkeypatch.chdir("/")
    expect_usable()
    assert os.environ["DAGSTER_HOME"] == str(tmp_path / "home")


def test_dagsters_commands_of_the_tests_are_not_given_beside_a_developers_env_file(
    here: Path, environment: dict[str, str]
) -> None:
    """Which would have them pull a real account into a real warehouse."""
    (Path(environment["DAGSTER_HOME"])).mkdir()
    words = ["job", "execute", "-f", str(here / "asks.py"), "-j", "ask"]
    code, printed, errors = warm.run("dagster", *words, environment=environment)
    assert code == 0, errors
    assert "beside" in printed
    assert ".env.example" not in printed
    installation = bench_environment("postgresql://none", "http://none", here, dt.date(2026, 1, 1))
    assert installation["PYTHONPATH"].split(os.pathsep)[0] == str(CHECKOUT)


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["dagster", "instance", "info"], True),
        (["dagster-daemon", "run"], True),
        ([".venv/bin/dagster-webserver"], True),
        (["python", "-m", "dagster", "job", "list"], True),
        (["/usr/bin/python3", "-m", "dagster_webserver"], True),
        (["python", "-m", "pipelines", "migrate"], False),
        (["python", "dagster.py"], False),
        (["python", "-m"], False),
        (["psql", "dagster"], False),
    ],
)
def test_dagsters_programs_are_told_from_others(words: list[str], wanted: bool) -> None:
    assert is_dagsters(words) is wanted


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["dagster", "job", "execute", "-f", "asks.py"], ["-f", "{here}/asks.py"]),
        (["dagster", "dev", "--workspace=asks.py"], ["--workspace={here}/asks.py"]),
        (["dagster", "dev", "-d", "."], ["-d", "{here}"]),
        (["dagster", "dev", "--working-directory", "sub"], ["--working-directory", "{here}/sub"]),
        (["dagster", "dev", "--working-directory=sub"], ["--working-directory={here}/sub"]),
        (["dagster", "job", "list", "-m", "sub"], ["-m", "sub"]),  # a module that is called as a folder there
        (["dagster", "job", "execute", "--config-json", "x" * 300], ["--config-json", "x" * 300]),
        (["dagster", "job", "execute", "--config-json", '{"a": "\0"}'], ["--config-json", '{"a": "\0"}']),
    ],
)
def test_words_that_name_files_or_folders_do_so_from_anywhere_and_others_stay(
    words: list[str], named: list[str], here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / "sub").mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setenv("PYTHONPATH", "")
    started = beside_no_env_file(words)
    assert Path.cwd() == Path("/")
    assert list(started[-len(named) :]) == [word.replace("{here}", str(here)) for word in named]


def test_another_program_begins_where_it_was_called(here: Path, environment: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pipelines", "home", shutil.which("pwd") or "/bin/pwd"],
        cwd=here, env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == str(here)
