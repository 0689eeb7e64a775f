"""What can be exported: the views of schema `analytics` that the login may read, as the catalog describes them."""

from collections.abc import Sequence
from dataclasses import dataclass

import psycopg
import pyarrow as pa

from resources.errors import ConfigurationError

SCHEMA = "analytics"
ACCOUNT = "account_id"
DAY_COLUMNS = ("session_date", "week_date")  # a view has one of them, or its rows are of no day
HOUR_COLUMN = "hour_at"

ARROW: dict[str, pa.DataType] = {
    "bigint": pa.int64(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "date[]": pa.list_(pa.date32()),
    "double precision": pa.float64(),
    "integer": pa.int32(),
    "text": pa.string(),
    "text[]": pa.list_(pa.string()),
    "timestamp with time zone": pa.timestamp("us", tz="UTC"),
}
_COLUMNS = """
SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), coalesce(col_description(c.oid, a.attnum), '')
FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relnamespace = to_regnamespace('analytics') AND c.relkind = 'v' AND has_table_privilege(c.oid, 'SELECT')
ORDER BY c.relname, a.attnum
"""


class ExportError(ConfigurationError):
    """What was asked for can't be exported; the message says why, and what can be."""


@dataclass(frozen=True)
class Column:
    """Name, type in Postgres and comment of a view's column."""

    name: str
    type: str
    description: str

    @property
    def field(self) -> pa.Field:
        """Raises `ExportError` for a type that no view has had so far."""
        if self.type not in ARROW:
            raise ExportError(f"the column {self.name} is of type {self.type}, which can't be exported.")
        return pa.field(self.name, ARROW[self.type], metadata={"description": self.description})


@dataclass(frozen=True)
class ExportedView:
    """A view of schema `analytics`."""

    name: str
    columns: Sequence[Column]

    @property
    def schema(self) -> pa.Schema:
        return pa.schema([column.field for column in self.columns])

    @property
    def day(self) -> str | None:
        """The SQL expression of a row's day; None where rows are of no day."""
        names = [column.name for column in self.columns]
        if HOUR_COLUMN in names:
            return f"({HOUR_COLUMN} AT TIME ZONE 'UTC')::date"
        return next((name for name in DAY_COLUMNS if name in names), None)

    @property
    def has_account(self) -> bool:
        return ACCOUNT in [column.name for column in self.columns]


def chosen(connection: psycopg.Connection, names: Sequence[str]) -> list[ExportedView]:
    """The views of those names, in that order. Raises `ExportError` for one that is not there, or may not be read."""
    columns: dict[str, list[Column]] = {}
    for view, *column in connection.execute(_COLUMNS):
        columns.setdefault(view, []).append(Column(*column))
    if not columns:
        raise ExportError(
            "there is no view that this login may read. Run `make migrate`, or ask for the right to read."
        )
    unknown = [name for name in names if name not in columns]
    if unknown:
        raise ExportError(f"there is no view {', '.join(unknown)}. There are {', '.join(columns)}.")
    return [ExportedView(name, columns[name]) for name in dict.fromkeys(names)]
