"""Takes a whole account out of the warehouse: invented or mistaken data, or days that are to be cut in another time zone.

The tables come from the catalog, so that one added later is in it by itself. What stays is the list of those who were
erased: they must not be back when the account is pulled again.
"""

import psycopg
from psycopg import sql

from resources.errors import ConfigurationError
from resources.postgres.backup import KALTURA, named
from resources.privacy.pseudonymise import note_removal

KEPT = "suppressions"

# Tables whose rows name their account, and those whose rows name the load that wrote them and nothing else.
_TABLES = """
SELECT
    relations.relnamespace::regnamespace::text AS schema,
    relations.relname,
    coalesce(max(columns.attname::text) FILTER (WHERE columns.attname IN ('partner_id', 'account_id')), '') AS account,
    coalesce(bool_or(columns.attname = 'key'), FALSE) AS has_key
FROM pg_catalog.pg_class AS relations
INNER JOIN pg_catalog.pg_attribute AS columns
    ON relations.oid = columns.attrelid AND columns.attnum > 0 AND NOT columns.attisdropped
WHERE
    relations.relnamespace IN ('kaltura'::regnamespace, 'university'::regnamespace)
    AND relations.relkind IN ('r', 'p') AND NOT relations.relispartition
GROUP BY relations.relnamespace, relations.relname
HAVING bool_or(columns.attname IN ('partner_id', 'account_id', 'load_id'))
ORDER BY bool_or(columns.attname IN ('partner_id', 'account_id')), schema, relations.relname
"""


class UnknownAccount(ConfigurationError):
    """Nothing of the account is in the warehouse; the message names those that are."""


def forget_account(connection: psycopg.Connection, partner_id: int) -> dict[str, int]:
    """How many rows went, by table. The caller's transaction, under the people lock. Raises `UnknownAccount`."""
    tables = connection.execute(_TABLES.encode()).fetchall()
    counts = {
        named(schema, name): _delete(connection, sql.Identifier(schema, name), account, has_key, partner_id)
        for schema, name, account, has_key in tables
        if (schema, name) != (KALTURA, KEPT)
    }
    if not any(counts.values()):
        raise UnknownAccount(_unknown(connection, partner_id))
    note_removal(connection)
    return counts


def erased_people(connection: psycopg.Connection, partner_id: int) -> int:
    """How many stand on the list that stays."""
    row = connection.execute("SELECT count(*) FROM kaltura.suppressions WHERE partner_id = %s", [partner_id]).fetchone()
    return int(row[0]) if row else 0


def _delete(connection: psycopg.Connection, table: sql.Identifier, account: str, has_key: bool, partner_id: int) -> int:
    """`account` is the column that names it. Rows that name a load go before the loads, as `_TABLES` has them first."""
    if account:
        where: sql.Composable = sql.SQL("{} = %(partner_id)s").format(sql.Identifier(account))
    else:
        where = sql.SQL("load_id IN (SELECT id FROM kaltura.loads WHERE partner_id = %(partner_id)s)")
        if has_key:  # of a load that is not there any more
            where = sql.SQL("({} OR (key ->> 'partner_id')::bigint = %(partner_id)s)").format(where)
    query = sql.SQL("DELETE FROM {} WHERE {}").format(table, where)
    return connection.execute(query, {"partner_id": partner_id}).rowcount


def _unknown(connection: psycopg.Connection, partner_id: int) -> str:
    there = connection.execute("SELECT DISTINCT partner_id FROM kaltura.loads ORDER BY 1 LIMIT 20").fetchall()
    names = ", ".join(str(account) for (account,) in there)
    return f"nothing of account {partner_id} is in the warehouse, which has {names or 'none'}. Nothing was changed."
