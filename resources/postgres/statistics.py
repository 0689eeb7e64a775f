"""What the planner keeps of each column (`pg_statistic`): values as they stood when `ANALYZE` last looked.

Whoever may read a column reads them in `pg_stats`. They outlive the rows, so what takes people out takes these anew, in the
same transaction, or notes in it that they are old: then a later one does. `ANALYZE` of an empty table leaves what there was,
and so it does of an index of which no row is left: those are cleared, which Postgres 18 can.
"""

from collections.abc import Collection

import psycopg
from psycopg import sql

CAN_CLEAR = 180000
HAS_MAINTAIN = 170000

# Whom Postgres lets: the owner of the table or of the database, and from version 17 on who may MAINTAIN it.
_TABLES = """
SELECT
    relations.relnamespace::regnamespace::text,
    relations.relname,
    pg_has_role(relations.relowner, 'USAGE')
    OR pg_has_role((SELECT datdba FROM pg_database WHERE datname = current_database()), 'USAGE')
    OR {maintains}
FROM pg_class AS relations
WHERE relations.relnamespace IN ('kaltura'::regnamespace, 'university'::regnamespace) AND relations.relkind = 'r'
ORDER BY 1, 2
"""
# Columns of the table, and expressions of its indexes.
_CLEAR = """
SELECT pg_clear_attribute_stats(relations.relnamespace::regnamespace::text, relations.relname, columns.attname, FALSE)
FROM pg_class AS relations
INNER JOIN pg_attribute AS columns ON relations.oid = columns.attrelid AND columns.attnum > 0 AND NOT columns.attisdropped
WHERE
    relations.oid = to_regclass(%(table)s)
    OR relations.oid IN (SELECT indexrelid FROM pg_index WHERE indrelid = to_regclass(%(table)s))
"""
_HAS_SAMPLES = "SELECT EXISTS (SELECT FROM pg_stats WHERE schemaname = %s AND tablename = %s)"


def note_old(connection: psycopg.Connection) -> None:
    """People were taken out in the connection's transaction. Until it ends, others that take people out may wait for it."""
    connection.execute("UPDATE kaltura.privacy SET has_old_samples = TRUE")


def are_old(connection: psycopg.Connection) -> bool:
    return connection.execute("SELECT has_old_samples FROM kaltura.privacy").fetchone() == (True,)


def take_anew(connection: psycopg.Connection) -> list[str]:
    """Of every table of `kaltura` and `university`, in the connection's transaction. The tables where that can't be done."""
    # First: who takes people out meanwhile waits, and notes it after this.
    connection.execute("UPDATE kaltura.privacy SET has_old_samples = FALSE WHERE has_old_samples")
    can_clear = connection.info.server_version >= CAN_CLEAR
    left = []
    for schema, name, may in _tables(connection):
        if not may or not _taken(connection, schema, name, can_clear):
            left.append(f"{schema}.{name}")
    return left


def left_to_autovacuum(connection: psycopg.Connection, schema: str, names: Collection[str]) -> list[str]:
    """Those of the tables that this login may not take them of."""
    return [name for place, name, may in _tables(connection) if place == schema and name in names and not may]


def _tables(connection: psycopg.Connection) -> list[tuple[str, str, bool]]:
    """Schema and name of each, and whether this login may."""
    has_maintain = connection.info.server_version >= HAS_MAINTAIN
    maintains = "has_table_privilege(relations.oid, 'MAINTAIN')" if has_maintain else "FALSE"
    return connection.execute(_TABLES.format(maintains=maintains).encode()).fetchall()


def told_of(left: list[str]) -> str:
    """What to do about tables that `take_anew` names; empty where there are none."""
    if not left:
        return ""
    return (
        f"The planner's statistics of {', '.join(left)} (pg_stats) still hold values from before, names and ids included, and "
        "this login may not gather them anew. Let the owner of the tables run: "
        f"ANALYZE {', '.join(left)};"
    )


def _taken(connection: psycopg.Connection, schema: str, name: str, can_clear: bool) -> bool:
    table = sql.Identifier(schema, name)
    row = connection.execute(sql.SQL("SELECT EXISTS (SELECT FROM {})").format(table)).fetchone()
    if can_clear:
        connection.execute(_CLEAR, {"table": table.as_string(connection)})
    if row == (True,):
        connection.execute(sql.SQL("ANALYZE {}").format(table))
        return True
    if can_clear:
        return True
    return connection.execute(_HAS_SAMPLES, [schema, name]).fetchone() == (False,)
