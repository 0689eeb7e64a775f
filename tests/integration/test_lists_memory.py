"""A long list is loaded in pieces: of each line little more stays in memory than the file has of it."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from resources.privacy.pseudonyms import FULL, Privacy
from resources.university.lists import ENROLMENTS, TIMETABLE, UniversityList
from resources.university.read import LINES_AT_ONCE
from tests.integration.test_privacy import PSEUDONYMOUS

FEW, LINES = LINES_AT_ONCE, 4 * LINES_AT_ONCE
MOST_BYTES_A_LINE = 250
_MEASURES = """
import json, resource, sys
from pathlib import Path
from zoneinfo import ZoneInfo
from resources.postgres.session import opened
from resources.privacy.settings import Mode, Privacy
from resources.university.lists import LISTS
from resources.university.load import load, read_list
url, name, mode, key, *files = sys.argv[1:]
[wanted] = [each for each in LISTS if each.name == name]
peaks = []
for file in files:
    listed = read_list(Path(file), wanted, 1, Privacy(Mode(mode), key), ZoneInfo("UTC"))
    with opened(url) as connection:
        done = load(connection, listed)
    peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
print(json.dumps([done.rows, *peaks]))
"""
VALUES: dict[str, Callable[[int], str]] = {
    "course_id": lambda line: f"course-{line // 100}",
    "person_id": lambda line: f"person.{line % (LINES // 10)}",
    "person_email": lambda line: f"person.{line % (LINES // 10)}@students.example.edu",
    "role": lambda line: "student",
    "from_date": lambda line: "2026-10-01",
    "to_date": lambda line: "2027-02-28",
    "room_id": lambda line: f"1_{line:08}",
    "planned_start_at": lambda line: f"2026-10-{line % 28 + 1:02} 08:15",
    "planned_end_at": lambda line: f"2026-10-{line % 28 + 1:02} 09:45",
}


def written(path: Path, wanted: UniversityList, lines: int, without: set[str]) -> Path:
    names = [each for each in wanted.column_names if each in VALUES and each not in without]
    with path.open("w") as file:
        file.write(",".join(names) + "\n")
        for line in range(lines):
            file.write(",".join(VALUES[name](line) for name in names) + "\n")
    return path


CASES = {"enrolments": (ENROLMENTS, FULL), "pseudonymous": (ENROLMENTS, PSEUDONYMOUS), "timetable": (TIMETABLE, FULL)}


@pytest.mark.parametrize(("wanted", "privacy"), CASES.values(), ids=CASES)
def test_the_memory_of_a_load_is_bounded_for_each_line(
    wanted: UniversityList, privacy: Privacy, database: str, tmp_path: Path
) -> None:
    without = set() if privacy is FULL else {"person_email"}
    files = [written(tmp_path / f"{lines}.csv", wanted, lines, without) for lines in (FEW, LINES)]
    done = subprocess.run(
        [sys.executable, "-c", _MEASURES, database, wanted.name, privacy.mode.value, privacy.key, *map(str, files)],
        check=True,
        capture_output=True,
        text=True,
    )
    rows, small, large = json.loads(done.stdout)
    assert rows == LINES
    assert (large - small) / (LINES - FEW) < MOST_BYTES_A_LINE
    with psycopg.connect(database) as connection:
        assert connection.execute(f"SELECT count(*) FROM university.{wanted.name}").fetchone() == (LINES,)
