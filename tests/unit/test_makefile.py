"""What a person gives `make` is text: it reaches the command as it was written, and no shell and no make runs any of it."""

import json
import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
HOSTILE = [
    "o'brien",
    'say "hello"',
    "x' || touch INJECTED #",
    "x; touch INJECTED",
    "$(touch INJECTED)",
    "`touch INJECTED`",
    "$(shell touch INJECTED)",
    "$${HOME}",
    "a$b",
    "two  words",
    "--yes",
    "*",
    "back\\slash",
    "a#b",
    "a\ntouch INJECTED",
]
TARGETS = [
    ("load-lists", "FOLDER"),
    ("erase", "ID"),
    ("forget-account", "ID"),
    ("report", "WEEK"),
    ("backup", "FILE"),
    ("backup", "KEEP"),
    ("restore", "FILE"),
    ("run", "DAYS"),
    ("export", "FROM"),
    ("export", "TO"),
    ("export", "ACCOUNT"),
    ("export", "FORMAT"),
    ("export", "OUT"),
    ("faults", "ONLY"),
]


@pytest.fixture
def python(tmp_path: Path) -> Path:
    """In the place of the environment's Python, a program that writes down the words it was given."""
    program = tmp_path / "bin" / "python"
    program.parent.mkdir()
    program.write_text(f"#!{sys.executable}\nimport json, sys\nprint(json.dumps(sys.argv[1:]))\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return program


def make(
    target: str, given: dict[str, str], python: Path, folder: Path, environment: dict[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    command = [
        "make",
        "--no-print-directory",
        "-f",
        str(CHECKOUT / "Makefile"),
        "-o",
        ".venv/run",
        "-o",
        ".venv/dev",
        "-o",
        ".venv/bench",
    ]
    command += ["-o", ".local/superset/venv/installed", f"BIN={python.parent}", f"PYTHON={python}", target]
    command += [f"{name}={value}" for name, value in given.items()]
    around = {"PATH": f"{python.parent}:{os.environ['PATH']}", **(environment or {})}
    return subprocess.run(command, cwd=folder, env=around, capture_output=True, text=True, check=False)


def words(target: str, given: dict[str, str], python: Path, folder: Path) -> list[str]:
    done = make(target, given, python, folder)
    assert done.returncode == 0, done.stderr
    said: list[str] = json.loads(next(line for line in done.stdout.splitlines() if line.startswith("[")))
    return said


@pytest.mark.parametrize(("target", "variable"), TARGETS)
@pytest.mark.parametrize("hostile", HOSTILE)
def test_a_hostile_value_is_one_word_and_runs_nothing(
    target: str, variable: str, hostile: str, python: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "here"
    folder.mkdir()
    got = words(target, {variable: hostile}, python, folder)
    assert hostile in {word.partition("=")[2] if word.startswith("--") and "=" in word else word for word in got}
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("target", "variable"), [("test", "ONLY"), ("bench", "ONLY"), ("years", "ONLY"), ("export", "VIEWS")]
)
@pytest.mark.parametrize(
    "hostile", ["x; touch INJECTED", "$(shell touch INJECTED)", "`touch INJECTED`", "x' || touch INJECTED #"]
)
def test_what_may_be_several_words_runs_nothing(
    target: str, variable: str, hostile: str, python: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "here"
    folder.mkdir()
    assert words(target, {variable: hostile}, python, folder)[-len(hostile.split()) :] == hostile.split()
    assert list(folder.iterdir()) == []


def test_what_a_recipe_reads_is_given_as_it_is_and_never_stands_in_its_text() -> None:
    text = (CHECKOUT / "Makefile").read_text("utf-8")
    [given] = re.findall(r"^GIVEN := (.*)$", text, re.MULTILINE)
    recipes = "\n".join(line for line in text.splitlines() if line.startswith("\t"))
    read = {*re.findall(r"\$\$\{?([A-Z_]+)", recipes), *switches(recipes)}
    read |= set(re.findall(r"\$\(if \$\(([A-Z_]+)\)", recipes))
    assert read == set(given.split())
    in_text = re.sub(r"\$\(if \$\([A-Z_]+\)", "", recipes)
    assert not [name for name in given.split() if f"$({name})" in in_text]


# --- what is on or off --------------------------------------------------------------------------------------------

# Of each target that has some: the variables, what its command is given beside, and what tells that they are on.
SWITCHES = [
    ("report", "AGAIN", {}, "--again"),
    ("erase", "DRY_RUN", {"ID": "a"}, "--dry-run"),
    ("forget-account", "DRY_RUN", {"ID": "1"}, "--dry-run"),
    ("redate", "DRY_RUN", {}, "--dry-run"),
    ("retention", "DRY_RUN", {}, "--dry-run"),
    ("restore", "REPLACE", {"FILE": "a"}, "--replace"),
    ("restore", "TRUST", {"FILE": "a"}, "--trust"),
    ("deploy", "DEMO", {}, "--demo"),
    ("deploy", "DEMO", {}, "--profile demo"),
    ("deploy", "DASHBOARDS", {}, "--profile dashboards"),
    ("bench", "QUICK", {}, "--quick"),
]
ON, OFF = ["1", "yes"], ["", "0", "no"]
NEITHER = ["false", "true", "1 0", "%", "$(shell touch INJECTED)", "1; touch INJECTED"]


def switches(recipes: str) -> set[str]:
    return set(re.findall(r"\$\(call on,([A-Z_]+)\)", recipes))


@pytest.fixture
def programs(python: Path) -> Path:
    """The same program as `docker` too."""
    (python.parent / "docker").symlink_to(python)
    return python


def test_every_variable_that_is_on_or_off_is_read_in_one_way_and_tried_here() -> None:
    """Text is a value of its own only in `test`, whose files it names."""
    text = (CHECKOUT / "Makefile").read_text("utf-8")
    targets = re.split(r"^(?=[a-z-]+:)", text, flags=re.MULTILINE)
    assert {(each.partition(":")[0], name) for each in targets for name in switches(each)} == {
        (target, name) for target, name, _, _ in SWITCHES
    }
    assert re.findall(r"\$\(if \$\(([A-Z_]+)\)", text) == ["ONLY"]


@pytest.mark.parametrize("where", ["command line", "environment"])
@pytest.mark.parametrize(("target", "name", "given", "word"), SWITCHES)
@pytest.mark.parametrize("value", [*ON, *OFF])
def test_a_switch_is_on_by_1_or_yes_and_off_by_0_or_no(
    value: str, target: str, name: str, given: dict[str, str], word: str, where: str, programs: Path, tmp_path: Path
) -> None:
    told, environment = ({**given, name: value}, {}) if where == "command line" else (given, {name: value})
    done = make(target, told, programs, tmp_path, environment)
    assert done.returncode == 0, done.stderr
    said = [" ".join(json.loads(line)) for line in done.stdout.splitlines() if line.startswith("[")]
    assert any(word in each for each in said) is (value in ON), said


@pytest.mark.parametrize("where", ["command line", "environment"])
@pytest.mark.parametrize(("target", "name", "given", "word"), SWITCHES)
@pytest.mark.parametrize("value", NEITHER)
def test_a_switch_that_is_neither_on_nor_off_runs_nothing_and_says_so(
    value: str, target: str, name: str, given: dict[str, str], word: str, where: str, programs: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "here"
    folder.mkdir()
    told, environment = ({**given, name: value}, {}) if where == "command line" else (given, {name: value})
    done = make(target, told, programs, folder, environment)
    assert done.returncode != 0
    assert "[" not in done.stdout, word
    [line] = done.stderr.splitlines()
    assert f"{name}={value}" in line
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("target", "given", "wanted"),
    [
        ("run", {}, ["-m", "pipelines", "pull", "--days=7"]),
        ("report", {}, ["-m", "pipelines", "report"]),
        ("dashboards", {}, ["-m", "pipelines", "dashboards"]),
        ("dashboards", {"PORT": "8089"}, ["-m", "pipelines", "dashboards", "--port=8089"]),
        ("backup", {}, ["-m", "pipelines", "backup"]),
        ("backup", {"KEEP": "30", "FILE": "a"}, ["-m", "pipelines", "backup", "--keep=30", "--", "a"]),
        ("restore", {"FILE": "a", "REPLACE": "1"}, ["-m", "pipelines", "restore", "--replace", "--", "a"]),
    ],
)
def test_what_is_left_out_takes_its_default(
    target: str, given: dict[str, str], wanted: list[str], python: Path, tmp_path: Path
) -> None:
    assert words(target, given, python, tmp_path) == wanted


@pytest.mark.parametrize(
    ("target", "given"), [("ui", {}), ("dashboards", {}), ("deploy", {"DEMO": "1"}), ("run", {"DAYS": "3"})]
)
@pytest.mark.parametrize("where", ["nowhere", "command line", "environment"])
def test_what_is_not_given_is_not_in_the_environment_which_would_win_over_the_env_file(
    target: str, given: dict[str, str], where: str, programs: Path, tmp_path: Path
) -> None:
    names = re.findall(r"^GIVEN := (.*)$", (CHECKOUT / "Makefile").read_text("utf-8"), re.MULTILINE)[0].split()
    show = f"print(json.dumps({{name: os.environ[name] for name in {names} if name in os.environ}}))"
    programs.write_text(f"#!{sys.executable}\nimport json, os\n{show}\n")
    told = {**given, "PORT": "3001"} if where == "command line" else given
    done = make(target, told, programs, tmp_path, {"PORT": "3001"} if where == "environment" else None)
    assert done.returncode == 0, done.stderr
    seen = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert seen
    assert all(each == given | ({} if where == "nowhere" else {"PORT": "3001"}) for each in seen)


@pytest.mark.parametrize(
    ("target", "word"),
    [
        ("erase", "--user-id="),
        ("forget-account", "--"),
        ("test-deep", "deep or larger"),
        ("bench", "bench"),
        ("export", "--"),
    ],
)
def test_a_recipe_runs_also_where_nothing_is_given(target: str, word: str, python: Path, tmp_path: Path) -> None:
    assert word in words(target, {}, python, tmp_path)


def test_a_restore_of_nothing_says_what_to_give(python: Path, tmp_path: Path) -> None:
    assert "make restore FILE=path" in make("restore", {}, python, tmp_path).stdout


@pytest.mark.parametrize("target", ["deploy", ".venv/run"])
def test_without_a_python_that_is_new_enough_it_says_which_is_needed(target: str, tmp_path: Path) -> None:
    command = ["make", "-f", str(CHECKOUT / "Makefile"), f"BIN={tmp_path}/bin", "PYTHON=", target]
    (tmp_path / "locks").mkdir()
    (tmp_path / "locks" / "run.txt").touch()
    # Of the make that runs the tests it hears to name its folder.
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert done.stdout == "Python 3.11 or newer is needed, and was not found. Set PYTHON=/path/to/python3.\n"
    assert "Permission denied" not in done.stderr


@pytest.fixture
def used(tmp_path: Path) -> Path:
    """A checkout in which everything was used once. The programs of its environment write down how they were called."""
    folder = tmp_path / "checkout"
    made = {
        *("locks/run.txt", ".env", ".venv/run"),
        *(".local/postgres/location.json", ".local/dagster/dagster.yaml", ".local/dagster/storage/history/runs.db"),
        *(".local/superset/venv/installed", ".local/superset/superset.db", ".local/superset/secrets/analyst_password"),
        *(".local/backups/kaltura.dump", ".local/backups/kaltura.dump.json", ".local/exports/sessions.parquet"),
        *(".local/reports/1.html", ".local/university/courses.csv"),
    }
    for name in sorted(made):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    (folder / "Makefile").write_bytes((CHECKOUT / "Makefile").read_bytes())
    program = folder / ".venv" / "bin" / "python"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\necho "$@" >> called\n')
    program.chmod(0o755)
    return folder


def cleaned(folder: Path) -> str:
    done = subprocess.run(["make", "clean"], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout


def files(folder: Path) -> set[str]:
    return {str(each.relative_to(folder)) for each in folder.rglob("*") if each.is_file()}


def test_clean_deletes_what_can_be_made_again_and_nothing_that_a_person_made(used: Path) -> None:
    said = cleaned(used)
    assert (used / "called").read_text().splitlines() == ["-m pipelines stop", "-m pipelines postgres remove"]
    assert files(used) - {"called"} == {
        *("Makefile", "locks/run.txt", ".env"),
        *(".local/backups/kaltura.dump", ".local/backups/kaltura.dump.json", ".local/exports/sessions.parquet"),
        *(".local/reports/1.html", ".local/university/courses.csv"),
        *(".local/superset/superset.db", ".local/superset/secrets/analyst_password"),
    }
    [kept] = [line for line in said.splitlines() if line.startswith("Kept")]
    assert all(f".local/{name}" in kept for name in ("backups", "exports", "reports", "superset", "university"))


@pytest.mark.parametrize("target", ["stop", "clean"])
@pytest.mark.parametrize(
    ("gone", "runs"), [("nothing", True), (".local", True), (".venv", True), (".local .venv", False)]
)
def test_what_may_run_is_stopped_wherever_its_files_are(target: str, gone: str, runs: bool, used: Path) -> None:
    """`.local` is not made where DAGSTER_HOME and DATABASE_URL point elsewhere. An environment is installed for it."""
    environment = used / ".venv"
    for name in gone.split():
        if name == ".local":
            subprocess.run(["rm", "-r", str(used / name)], check=True)
        elif name == ".venv":
            (environment / "run").unlink()
            (used / "Makefile").write_text((used / "Makefile").read_text() + "\n.venv/run:\n\t@touch $@\n")
    subprocess.run(["make", target], cwd=used, capture_output=True, text=True, check=True)
    called = (used / "called").read_text().splitlines() if (used / "called").exists() else []
    assert ("-m pipelines stop" in called) is runs


def test_clean_leaves_no_empty_folder_installs_nothing_and_can_be_repeated(used: Path) -> None:
    for name in ("backups", "exports", "reports", "superset", "university"):
        subprocess.run(["rm", "-r", str(used / ".local" / name)], check=True)
    assert "Kept" not in cleaned(used)
    (used / "called").unlink()
    assert files(used) == {"Makefile", "locks/run.txt", ".env"}
    assert not (used / ".local").exists()
    cleaned(used)
    assert not (used / ".venv").exists()
    (used / ".local" / "backups").mkdir(parents=True)
    (used / ".local" / "backups" / "kaltura.dump").touch()
    assert ".local/backups" in cleaned(used)
    assert not (used / ".venv").exists()
    assert files(used) == {"Makefile", "locks/run.txt", ".env", ".local/backups/kaltura.dump"}
