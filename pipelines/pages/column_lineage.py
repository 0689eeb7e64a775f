"""assets/column_lineage.csv: which column of a view is a column of what it reads, as it is. Asked of the database.

Postgres says of each column of a query's result which column of a table or view it is, where it is one and nothing was
done to it: through joins and subqueries, and not through a CASE, an aggregate or a UNION.
"""

import csv
import io

import psycopg

from assets.lineage import COLUMN_LINEAGE, SCHEMA, ColumnOrigin
from resources.settings import CHECKOUT

PATH = CHECKOUT / COLUMN_LINEAGE

_VIEWS = """
SELECT relname, rtrim(pg_get_viewdef(oid), ';') FROM pg_catalog.pg_class
WHERE relnamespace = %s::regnamespace AND relkind = 'v' ORDER BY relname COLLATE "C"
"""
_COLUMN = """
SELECT relations.relnamespace::regnamespace::text, relations.relname, columns.attname
FROM pg_catalog.pg_class AS relations INNER JOIN pg_catalog.pg_attribute AS columns ON relations.oid = columns.attrelid
WHERE relations.oid = %s AND columns.attnum = %s
"""


def origins(connection: psycopg.Connection) -> list[ColumnOrigin]:
    """Of all views, in the order of their names and of their columns."""
    found = []
    for view, definition in connection.execute(_VIEWS, [SCHEMA]).fetchall():
        result = connection.execute(f"SELECT * FROM ({definition}) AS asked LIMIT 0".encode()).pgresult
        for number in range(result.nfields if result else 0):
            assert result is not None  # noqa: S101 (or there would be no fields)
            of, name = result.ftable(number), result.fname(number)
            row = connection.execute(_COLUMN, [of, result.ftablecol(number)]).fetchone() if of else None
            if row and name:
                found.append(ColumnOrigin(view, name.decode(), *row))
    return found


def text(found: list[ColumnOrigin]) -> str:
    """As the file has it."""
    written = io.StringIO()
    lines = csv.writer(written, lineterminator="\n")
    lines.writerow(ColumnOrigin._fields)
    lines.writerows(found)
    return written.getvalue()
