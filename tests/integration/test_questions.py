"""The questions of docs/questions.md: each is answered on the stand-in's university, or says why no report has it."""

import datetime as dt
import re
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import run_folder
import term
from conftest import Databases
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from resources.postgres.roles import apply_roles
from simulator import University, serving
from tests.integration.test_views_unknown import ACCOUNT, LOAD, SESSION

PAGE = Path(__file__).resolve().parents[2] / "docs" / "questions.md"
QUESTIONS = re.findall(r"^## (\d+)\. (.+?)\n(.*?)(?=^## |\Z)", PAGE.read_text("utf-8"), re.M | re.S)
ANSWERED = [
    (f"{number}. {question}", query)
    for number, question, text in QUESTIONS
    for query in re.findall(r"```sql\n(.*?)```", text, re.S)
]
BUSIEST = """(room_id, session_id) = (
    SELECT room_id, session_id FROM analytics.sessions ORDER BY people_count DESC NULLS LAST LIMIT 1)"""
DAYS = [dt.date(2026, 3, 2) + dt.timedelta(days=number) for number in range(9)]


@pytest.fixture(scope="module")
def warehouse(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Nine days of an invented university, with its lists, of a term that goes on, and the roles."""
    url = databases.make()
    university = University(seed=11, timezone="UTC", rooms=12)
    with serving(university) as running:
        term.pull(url, running, DAYS)
    term.load_lists(url, tmp_path_factory.mktemp("lists"), university, DAYS[0], DAYS[-1])
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("UPDATE university.courses SET ends_on = NULL")
    return url


@pytest.fixture
def analyst(warehouse: str) -> Iterator[psycopg.Connection]:
    """Somebody who may not see who people are. Roles are the server's, and all workers share it."""
    with run_folder.alone("roles"), psycopg.connect(warehouse, autocommit=True) as connection:
        apply_roles(warehouse)
        connection.execute("SET ROLE kaltura_analyst")
        yield connection


@pytest.mark.parametrize(("question", "query"), ANSWERED, ids=[question for question, _ in ANSWERED])
def test_a_question_is_answered_for_an_analyst(question: str, query: str, analyst: psycopg.Connection) -> None:
    rows = analyst.execute(query.encode()).fetchall()
    assert rows, question
    assert any(value is not None for value in rows[0])


@pytest.mark.parametrize("page", ["questions.md", "cookbook.md"])
def test_what_is_unknown_is_not_the_most_of_an_answer(page: str, warehouse: str) -> None:
    """Of every other day the attendees are not loaded, and of one attendee in three the time is not known."""
    queries = re.findall(r"```sql\n(.*?)```", (PAGE.parent / page).read_text("utf-8"), re.S)
    ordered = [(query, found[1]) for query in queries if (found := re.search(r"ORDER BY (\w+) DESC", query))]
    assert len(ordered) > 5
    with psycopg.connect(warehouse) as connection:
        connection.execute(
            "DELETE FROM kaltura.loads WHERE report_id = 6001 AND extract(DOW FROM partition_date)::int % 2 = 0"
        )
        connection.execute("UPDATE kaltura.attendees SET meeting_view_time = NULL WHERE right(user_id, 1) < '4'")
        cursor = connection.cursor(row_factory=dict_row)
        for query, column in ordered:
            figures = [row[column] for row in cursor.execute(_anywhere(query).encode()) if column in row]
            known = [figure for figure in figures if figure is not None]
            assert figures[: len(known)] == sorted(known, reverse=True), query
        connection.rollback()


def _anywhere(query: str) -> str:
    """The query, of whichever days and session the warehouse has."""
    query = re.sub(r"session_date BETWEEN DATE '[^']+' AND DATE '[^']+'", "TRUE", query)
    return re.sub(r"account_id = 101 AND room_id = '[^']+' AND session_id = '[^']+'", BUSIEST, query)


def test_there_are_twenty_five_of_them_and_at_least_twenty_are_answered() -> None:
    assert [int(number) for number, *_ in QUESTIONS] == list(range(1, 26))
    assert len({question for question, _ in ANSWERED}) >= 20


def test_where_there_is_no_answer_it_is_said_that_no_report_has_it() -> None:
    mute = [question for _, question, text in QUESTIONS if "```sql" not in text and "No report" not in text]
    assert mute == []


def test_a_mean_over_loaded_days_counts_no_session_of_others(database: str) -> None:
    """Two Mondays with a session each from 8 to 9 in the morning, one of which is not loaded whole; and a Tuesday that is not."""
    [query] = [query for question, query in ANSWERED if question.startswith("15. ")]
    with psycopg.connect(database, autocommit=True) as connection:
        for day, is_whole in ((0, True), (7, False), (8, False), (14, True)):
            date = dt.date(2026, 3, 2) + dt.timedelta(days=day)
            start, end = (dt.datetime.combine(date, dt.time(hour), dt.UTC) for hour in (7, 8))
            filters = None if is_whole else Jsonb({"entry_ids": ["room"]})
            connection.execute(LOAD, [ACCOUNT, 6000, date, start, end, filters, is_whole, end, end])
            if day != 14:
                connection.execute(SESSION, [ACCOUNT, f"s{day}", start, end, date, start, end, end])

        answer = connection.execute(query.encode()).fetchall()

    assert [(weekday, hour, float(mean)) for weekday, hour, mean in answer] == [(1, 8, 0.5)]


def test_who_was_seen_lately_is_no_older_pseudonym_to_the_role_that_the_recipe_names(warehouse: str) -> None:
    """Days past RETENTION_DAYS have nothing else. Who may see people is shown both, as two people."""
    cookbook = PAGE.with_name("cookbook.md").read_text("utf-8")
    recipe = cookbook[cookbook.index("## Who has not been seen for a while?") :]
    [query, *_] = re.findall(r"```sql\n(.*?)```", recipe, re.S)
    assert "`SET ROLE kaltura_analyst`" in recipe[: recipe.index("```sql")]
    with run_folder.alone("roles"), psycopg.connect(warehouse) as connection:
        apply_roles(warehouse)
        seen = {}
        for retained in (False, True):
            if retained:
                connection.execute(
                    "UPDATE kaltura.attendees SET user_id = pseudonym FROM kaltura.people"
                    " WHERE people.user_id = attendees.user_id AND people.partner_id = attendees.partner_id"
                    " AND partition_date < %s",
                    [DAYS[4]],
                )
            for role in ("kaltura_analyst", "kaltura_analyst_pii"):
                connection.execute(f"SET LOCAL ROLE {role}".encode())
                seen[role, retained] = connection.execute(query.encode()).fetchall()
                connection.execute("RESET ROLE")
        connection.rollback()
    assert sorted(seen["kaltura_analyst", True]) == sorted(seen["kaltura_analyst", False])
    assert len(seen["kaltura_analyst_pii", True]) > len(seen["kaltura_analyst_pii", False])
