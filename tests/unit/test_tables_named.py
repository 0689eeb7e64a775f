"""Where statements name the tables of the reports one by one, they name every one: a new report is forgotten nowhere."""

import inspect
import re

import pytest

from assets.reports import REPORTS, TABLES
from resources.privacy import people
from resources.settings import CHECKOUT
from resources.warehouse import calendars

STARTS = [table.name for table in TABLES if "session_start_time" in table.column_names]
NAMED = {
    "calendars.is_filled": (inspect.getsource(calendars.is_filled), [table.name for table in TABLES]),
    "calendars.expect_cut_in": (inspect.getsource(calendars.expect_cut_in), STARTS),
    "people._recorded": (inspect.getsource(people._recorded), [table.name for table in TABLES]),
}


@pytest.mark.parametrize("place", NAMED)
def test_each_table_is_named(place: str) -> None:
    text, tables = NAMED[place]
    assert [name for name in tables if not re.search(rf'["."]{name}\b', text)] == []


def test_rows_are_expected_of_every_report_by_its_own_table() -> None:
    text = (CHECKOUT / "sql" / "queries" / "rows_expected.sql").read_text("utf-8")
    named = re.findall(r"FROM kaltura\.(\w+)\s+WHERE\s+%\(report_id\)s = (\d+)", text)
    assert named == [(report.table.name, str(report.report_id)) for report in REPORTS]
