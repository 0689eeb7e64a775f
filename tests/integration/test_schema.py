"""The database against what the code declares of it, and against the pages that describe it."""

import re

import psycopg
import pytest

from assets.report import Report
from assets.reports import REPORTS
from pipelines.pages import dbt_sources
from pipelines.pages.data_dictionary import PATH, Column, columns, page
from resources.university.lists import ACCOUNT, DEFAULTS, LISTS, UniversityList

IDENTITY = "partner_id"

by_report = pytest.mark.parametrize("report", REPORTS, ids=lambda report: report.table.name)


@pytest.fixture
def connection(database: str):
    with psycopg.connect(database) as opened:
        yield opened


def _of(report: Report, connection: psycopg.Connection) -> dict[str, Column]:
    rows = columns(connection)
    return {row.name: row for row in rows if (row.schema, row.relation) == ("kaltura", report.table.name)}


@by_report
def test_a_table_has_the_declared_columns(report: Report, connection: psycopg.Connection) -> None:
    held = _of(report, connection)
    names = report.table.column_names
    assert [name for name in held if name in names] == names
    declared = {column.name: (column.kind.sql, column.nullable) for column in report.table.columns}
    assert {name: (held[name].type, not held[name].is_required) for name in names} == declared


@by_report
def test_a_table_has_the_declared_key(report: Report, connection: psycopg.Connection) -> None:
    key = connection.execute(
        "SELECT array_agg(attname::text ORDER BY place) FROM pg_constraint,"
        " unnest(conkey) WITH ORDINALITY AS keys (number, place) JOIN pg_attribute ON attnum = number"
        " WHERE contype = 'p' AND conrelid = %s::regclass AND attrelid = conrelid",
        [f"kaltura.{report.table.name}"],
    ).fetchone()
    assert key == ([IDENTITY, *report.table.key],)


@by_report
def test_the_database_says_of_a_table_and_its_columns_what_the_declaration_does(
    report: Report, connection: psycopg.Connection
) -> None:
    held = _of(report, connection)
    declared = {column.name: column.comment for column in report.table.columns}
    assert {name: held[name].comment for name in declared} == declared
    assert held[IDENTITY].relation_comment == report.table.comment


@pytest.mark.parametrize("wanted", LISTS, ids=lambda wanted: wanted.name)
def test_a_list_has_the_declared_columns(wanted: UniversityList, connection: psycopg.Connection) -> None:
    held = {row.name: row for row in columns(connection) if (row.schema, row.relation) == ("university", wanted.name)}
    assert list(held) == [ACCOUNT, *wanted.column_names]
    assert {c.name: held[c.name].type for c in wanted.columns} == {c.name: c.kind.sql for c in wanted.columns}
    required = {name for name, row in held.items() if row.is_required}
    assert required == {ACCOUNT, *(c.name for c in wanted.columns if not c.nullable), *(DEFAULTS.keys() & held.keys())}


def test_everything_has_a_comment(connection: psycopg.Connection) -> None:
    rows = columns(connection)
    mute = {f"{row.schema}.{row.relation}.{row.name}" for row in rows if not row.comment}
    mute |= {f"{row.schema}.{row.relation}" for row in rows if not row.relation_comment}
    mute |= {row.schema for row in rows if not row.schema_comment}
    assert mute == set()


def test_constraints_and_indexes_have_comments(connection: psycopg.Connection) -> None:
    mute = connection.execute(
        "SELECT conname FROM pg_constraint WHERE connamespace IN ('kaltura'::regnamespace, 'university'::regnamespace)"
        " AND contype <> 'n'"
        " AND conrelid <> 'kaltura.migrations'::regclass AND obj_description(oid, 'pg_constraint') IS NULL"
        " UNION ALL SELECT indexrelid::regclass::text FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid"
        " WHERE relnamespace IN ('kaltura'::regnamespace, 'university'::regnamespace)"
        " AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid) AND obj_description(indexrelid) IS NULL"
    ).fetchall()
    assert mute == []


def test_a_comment_on_a_view_names_no_other_unit_than_its_column(connection: psycopg.Connection) -> None:
    """A unit stands with every number that has one."""
    rows = [row for row in columns(connection) if row.schema == "analytics" and row.name.endswith("_minutes")]
    without = {f"{row.relation}.{row.name}" for row in rows if "minutes" not in (row.comment or "").lower()}
    assert without == set()


def test_the_data_dictionary_is_current(connection: psycopg.Connection) -> None:
    assert PATH.read_text("utf-8") == page(columns(connection)), "run `make docs`"
    assert dbt_sources.PATH.read_text("utf-8") == dbt_sources.sources(columns(connection)), "run `make docs`"


STANDING_ALONE = {"migrations", "privacy", "suppressions", "calendars"}  # which nothing joins


def test_the_diagram_shows_every_table_that_is_joined_to_others(connection: psycopg.Connection) -> None:
    rows = columns(connection)
    drawn = set(re.findall(r"^    (\w+) \{$", page(rows), re.M))
    assert drawn == {row.relation for row in rows if row.schema == "kaltura"} - STANDING_ALONE
