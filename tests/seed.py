"""The small invented university of tests/sql/seed, put into a database."""

from collections.abc import Sequence
from pathlib import Path

import psycopg
from psycopg import sql

SEED = Path(__file__).resolve().parent / "sql" / "seed"


def fill(connection: psycopg.Connection) -> None:
    """Every file into its table. The connection commits by itself."""
    for path in [*sorted(SEED.glob("*.csv")), *sorted(SEED.glob("university/*.csv"))]:
        columns = path.read_text("utf-8").split("\n", 1)[0].split(",")
        schema = "kaltura" if path.parent == SEED else path.parent.name
        copy_csv(connection, sql.Identifier(schema, path.stem), columns, path)
    connection.execute("ANALYZE")


def copy_csv(connection: psycopg.Connection, table: sql.Identifier, columns: Sequence[str], path: Path) -> None:
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT csv, HEADER match)").format(
        table, sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        copy.write(path.read_bytes())
