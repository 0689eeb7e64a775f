"""Who is in `kaltura.people`, remembered from day to day of a run: days after one another have the same people.

So a day that brings nobody new asks the database for nobody. An anti-join in place of this would send every id of every
day, and wait for the answer once more.
"""

import psycopg
from psycopg import sql

from resources.postgres import copy as copying
from resources.postgres.locks import REGISTRY_LOCK, take_lock
from resources.table import Kind

_EVERYBODY = sql.SQL("SELECT user_id FROM kaltura.people WHERE partner_id = %(partner_id)s").format()


class PersonRegistry:
    """The ids that one process has seen in `kaltura.people`, by account.

    `removals` counts, in `kaltura.privacy`, how often people were taken out of the table: after that nothing is known.
    """

    def __init__(self) -> None:
        self._removals: dict[int, int] = {}
        self._known: dict[int, set[str]] = {}

    def unknown(self, connection: psycopg.Connection, account: int, removals: int, ids: set[str]) -> list[str]:
        """Those of the ids that are not in the table, in the order of its key. Nobody else adds them meanwhile."""
        is_current = self._removals.get(account) == removals
        if is_current and not ids.difference(self._known[account]):
            return []
        take_lock(connection, REGISTRY_LOCK, "another load that brings people in")
        if is_current:
            asked = list(ids.difference(self._known[account]))
            query = "SELECT user_id FROM kaltura.people WHERE partner_id = %s AND user_id = ANY(%s)"
            there = {user_id for (user_id,) in connection.execute(query, [account, asked])}
            self._known[account].update(there)  # they were committed by others
        else:
            rows = copying.rows_out(connection, _EVERYBODY, {"partner_id": account}, {"user_id": Kind.TEXT})
            self._known[account] = set(rows["user_id"].to_pylist())
            self._removals[account] = removals
        return sorted(ids.difference(self._known[account]), key=str.encode)

    def committed(self, account: int, removals: int, added: set[str]) -> None:
        """What a day's load has added is there."""
        if self._removals.get(account) == removals:
            self._known[account].update(added)
