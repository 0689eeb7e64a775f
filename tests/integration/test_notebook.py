"""The notebook, run from top to bottom as a script against a filled warehouse."""

import os
import re
import subprocess
import sys

import psycopg
from pipeline import CHECKOUT
from seed import fill

NOTEBOOK = "notebooks/explore.py"


def run(database: str) -> str:
    """What the notebook printed; a cell that raises makes it fail."""
    done = subprocess.run(
        [sys.executable, NOTEBOOK],
        cwd=CHECKOUT,
        env={**os.environ, "DATABASE_URL": database},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_lists_the_rooms_of_the_newest_four_weeks_and_no_person(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        fill(connection)
        people = connection.execute("SELECT user_id, user_name, user_email FROM kaltura.attendees").fetchall()

    printed = run(database)

    assert re.search(r"Algebra I +3 +3\.2 +1\.7", printed)  # 195 minutes of three sessions, with 2, 1 and 2 people
    personal = {value for row in people for value in row if value and value not in ("0", "Unknown")}
    assert [value for value in personal if re.search(rf"\b{re.escape(value)}\b", printed)] == []


def test_without_data_it_stops_where_it_says_so(database: str) -> None:
    assert run(database).strip() == ""
