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

from resources.postgres.roles import apply_roles
from simulator import University, serving

PAGE = Path(__file__).resolve().parents[2] / "docs" / "questions.md"
QUESTIONS = re.findall(r"^## (\d+)\. (.+?)\n(.*?)(?=^## |\Z)", PAGE.read_text("utf-8"), re.M | re.S)
ANSWERED = [
    (f"{number}. {question}", query)
    for number, question, text in QUESTIONS
    for query in re.findall(r"```sql\n(.*?)```", text, re.S)
]
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


def test_there_are_twenty_five_of_them_and_at_least_twenty_are_answered() -> None:
    assert [int(number) for number, *_ in QUESTIONS] == list(range(1, 26))
    assert len({question for question, _ in ANSWERED}) >= 20


def test_where_there_is_no_answer_it_is_said_that_no_report_has_it() -> None:
    mute = [question for _, question, text in QUESTIONS if "```sql" not in text and "No report" not in text]
    assert mute == []
