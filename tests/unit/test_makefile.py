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


def words(target: str, given: dict[str, str], python: Path, folder: Path) -> list[str]:
    command = ["make", "-f", str(CHECKOUT / "Makefile"), "-o", ".venv/run", "-o", ".venv/dev", "-o", ".venv/bench"]
    command += [f"BIN={python.parent}", target, *(f"{name}={value}" for name, value in given.items())]
    done = subprocess.run(
        command, cwd=folder, env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, check=False
    )
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
    read = set(re.findall(r"\$\$\{?([A-Z_]+)", recipes)) | set(re.findall(r"\$\(if \$\(([A-Z_]+)\)", recipes))
    assert read == set(given.split()) - {"PORT"}  # which Python alone reads
    in_text = re.sub(r"\$\(if \$\([A-Z_]+\)", "", recipes)
    assert not [name for name in given.split() if f"$({name})" in in_text]


@pytest.mark.parametrize(
    ("target", "given", "wanted"),
    [
        ("run", {}, ["-m", "pipelines", "pull", "--days=7"]),
        ("report", {}, ["-m", "pipelines", "report"]),
        ("backup", {}, ["-m", "pipelines", "backup"]),
        ("backup", {"KEEP": "30", "FILE": "a"}, ["-m", "pipelines", "backup", "--keep=30", "--", "a"]),
        ("restore", {"FILE": "a", "REPLACE": "1"}, ["-m", "pipelines", "restore", "--replace", "--", "a"]),
    ],
)
def test_what_is_left_out_takes_its_default(
    target: str, given: dict[str, str], wanted: list[str], python: Path, tmp_path: Path
) -> None:
    assert words(target, given, python, tmp_path) == wanted
