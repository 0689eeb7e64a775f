"""Comments on tables and their columns, as they are declared: what the database says of a column is written once.

The catalog is read first and only what differs is written, as COMMENT ON locks its table against VACUUM, ANALYZE and other
DDL. Only the owner of a table may comment on it: to other roles, such as a loader's, no comment differs, for words stop no
pull.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import psycopg
from psycopg import sql

from resources.settings import CHECKOUT
from resources.table import Table

QUERY = CHECKOUT / "sql" / "queries" / "comments.sql"


@dataclass(frozen=True)
class Comment:
    """What is to be said of a column of `kaltura`, or of a whole table where `column` is None."""

    table: str
    column: str | None
    text: str

    @property
    def subject(self) -> str:
        return f"the comment on {'.'.join(filter(None, ['kaltura', self.table, self.column]))}"

    def write(self, connection: psycopg.Connection) -> None:
        kind = "TABLE" if self.column is None else "COLUMN"
        name = sql.Identifier(*filter(None, ["kaltura", self.table, self.column]))
        said = sql.SQL("COMMENT ON {} {} IS {}").format(sql.SQL(kind), name, sql.Literal(self.text))
        connection.execute(said)


def declared(tables: Sequence[Table]) -> Iterator[Comment]:
    for table in tables:
        yield Comment(table.name, None, table.comment)
        yield from (Comment(table.name, column.name, column.comment) for column in table.columns)


def differing(connection: psycopg.Connection, tables: Sequence[Table]) -> list[Comment]:
    """The declared comments that the database does not have, of tables and columns that it has and the current role owns."""
    rows = connection.execute(QUERY.read_bytes(), {"names": [table.name for table in tables]}).fetchall()
    standing = {(table, column): comment for table, column, comment in rows}
    wanted = ((comment, (comment.table, comment.column)) for comment in declared(tables))
    return [comment for comment, place in wanted if place in standing and (standing[place] or "") != comment.text]
