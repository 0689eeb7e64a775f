"""The notebook, run from top to bottom as a script against a filled warehouse."""

import os
import re

import psycopg
import warm
from seed import fill

NOTEBOOK = "notebooks/explore.py"


def run(database: str) -> str:
    """What the notebook printed; a cell that raises makes it fail."""
    code, printed, errors = warm.run("python", NOTEBOOK, environment={**os.environ, "DATABASE_URL": database})
    assert code == 0, errors
    return printed


def test_it_lists_the_rooms_of_the_newest_four_weeks_and_no_person(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        fill(connection)
        people = connection.execute("SELECT user_id, user_name, user_email FROM kaltura.attendees").fetchall()

    printed = run(database)

    assert re.search(r"Algebra I +4 +3\.9 +1\.5", printed)
    personal = {value for row in people for value in row if value and value not in ("0", "Unknown")}
    assert [value for value in personal if re.search(rf"\b{re.escape(value)}\b", printed)] == []


def test_hours_that_are_not_known_are_not_0(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        fill(connection)
        connection.execute("UPDATE kaltura.attendees SET meeting_view_time = NULL")

    assert re.search(r"Algebra I +4 +NaN +1\.5", run(database))


def test_without_data_it_stops_where_it_says_so(database: str) -> None:
    assert run(database).strip() == ""
