"""How Kaltura writes what it does not know is told alike wherever somebody reads of it, and of no id that is always known."""

import pytest

from assets.reports import TABLES
from resources.settings import CHECKOUT
from resources.table import UNKNOWN, UNKNOWN_IN_WORDS, Column

COLUMNS = [(table, column) for table in TABLES for column in table.columns]
WRITTEN = [value for value in UNKNOWN if value]


def names_any(column: Column) -> bool:
    return any(value in column.description.replace(".", " ").replace(",", " ").split() for value in WRITTEN[1:])


@pytest.mark.parametrize("column", [column for _, column in COLUMNS], ids=lambda column: column.name)
def test_a_column_says_all_of_it_or_nothing_and_nothing_where_rows_of_the_unknown_are_refused(column: Column) -> None:
    is_refused = not column.nullable and not column.empty_is_a_value
    assert not (is_refused and names_any(column))
    assert names_any(column) == (UNKNOWN_IN_WORDS in column.description)


def test_who_is_in_a_session_may_be_nobody_and_the_column_says_how() -> None:
    assert [column.name for table, column in COLUMNS if column.name in table.keyed_by_person and names_any(column)]


@pytest.mark.parametrize("page", ["docs/privacy.md", "docs/kaltura-api.md"])
def test_each_page_that_tells_one_of_it_tells_all(page: str) -> None:
    text = (CHECKOUT / page).read_text("utf-8")
    assert [value for value in WRITTEN if f"`{value}`" not in text] == []
