"""Whether a figure of 0 that looks lost is what the warehouse has already: then it was accepted, and stays so.

A figure that can't be 0 in nearly all rows of a day is refused there, unless a run accepts it. So where the sessions' rows
have it, another pull of the same replaces nothing better. It is asked by session: who was there may be written otherwise.
"""

import pandas as pd
import psycopg
from psycopg import sql

from resources.table import NEARLY_ALL, Table

_HELD = sql.SQL(
    "SELECT count(*), count(*) FILTER (WHERE {column} = 0) FROM {table}"
    " WHERE partner_id = %s AND ({session}) IN (SELECT * FROM unnest({ids}))"
)


def are_held(connection: psycopg.Connection, partner_id: int, table: Table, column: str, rows: pd.DataFrame) -> bool:
    """Whether nearly all rows that the sessions of `rows` have there are 0 in the column, and are nearly as many."""
    session = list(table.session_key)
    sessions = rows[session].drop_duplicates()
    query = _HELD.format(
        column=sql.Identifier(column),
        table=sql.Identifier("kaltura", table.name),
        session=sql.SQL(", ").join(map(sql.Identifier, session)),
        ids=sql.SQL(", ").join([sql.SQL("%s::text[]")] * len(session)),
    )
    row = connection.execute(query, [partner_id, *(sessions[name].tolist() for name in session)]).fetchone()
    held, zeros = row or (0, 0)
    came = len(rows.drop_duplicates(list(table.key)))  # those that came several times are one
    return bool(zeros >= NEARLY_ALL * max(held, came))
