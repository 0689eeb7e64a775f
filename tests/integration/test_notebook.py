"""The notebook, run from top to bottom as a script against a filled warehouse."""

import os
import re

import psycopg
import warm
from psycopg.types.json import Jsonb
from seed import fill

from tests.integration.test_dashboard_days import ALL, LOAD

NOTEBOOK = "notebooks/explore.py"


def run(database: str) -> str:
    """What the notebook printed; a cell that raises makes it fail."""
    code, printed, errors = warm.run("python", NOTEBOOK, environment={**os.environ, "DATABASE_URL": database})
    assert code == 0, errors
    return printed


def test_the_notebook_lists_the_rooms_of_the_newest_four_weeks_and_no_person(database: str) -> None:
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


def test_a_day_that_is_not_loaded_is_no_day_on_which_nothing_was_held(database: str) -> None:
    """Of the 8th the attendees, of the 9th nothing, of the 10th what a pull of one room brought; and the 11th was empty."""
    with psycopg.connect(database, autocommit=True) as connection:
        fill(connection)
        connection.execute("DELETE FROM kaltura.loads WHERE partition_date = '2026-10-08' AND report_id = 6001")
        connection.execute(LOAD, [None, "2026-10-11", "2026-10-11", ALL])
        connection.execute(LOAD, [Jsonb({"entry_ids": ["r-alg"]}), "2026-10-10", "2026-10-10", ALL])
        connection.execute(
            "INSERT INTO kaltura.room_sessions SELECT (jsonb_populate_record(room_sessions,"
            """ '{"partition_date": "2026-10-10", "cue_point_id": "alone"}')).* FROM kaltura.room_sessions"""
            " WHERE cue_point_id = 's2'"
        )

    printed = run(database)

    days = dict(re.findall(r"^2026-10-(\d\d) +(.+?) *$", printed, re.MULTILINE))
    told = {day: [each.strip() for each in re.split(r"  +", figures)] for day, figures in days.items()}
    assert told == {
        "02": ["1", "1"],
        **{day: ["not loaded", "not loaded"] for day in ("03", "04", "09", "10")},
        "05": ["4", "3"],
        "06": ["1", "3"],  # eve's session is not listed
        "07": ["1", "1"],
        "08": ["2", "not loaded"],
        "11": ["0", "0"],
        "12": ["1", "2"],
    }
    assert "Of 5 of the 11 days sessions or attendees are not loaded" in printed


def test_without_data_it_stops_where_it_says_so(database: str) -> None:
    assert run(database).strip() == ""
