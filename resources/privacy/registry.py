"""Who is in `kaltura.people`, remembered from day to day of a run: days after one another have the same people.

So a day that brings nobody new asks the database for nobody. An anti-join in place of this would send every id of every
day, and wait for the answer once more.
"""

import psycopg
from psycopg import sql

from resources.postgres import copy as copying
from resources.postgres.locks import REGISTRY_LOCK, take_lock
from resources.privacy.suppressions import Suppressions
from resources.table import Kind

_EVERYBODY = sql.SQL("SELECT user_id, pseudonym FROM kaltura.people WHERE partner_id = %(partner_id)s").format()
_KINDS = {"user_id": Kind.TEXT, "pseudonym": Kind.TEXT}


class PersonRegistry:
    """The ids that one process has seen in `kaltura.people`, by account: of people who have not been erased.

    `removals` counts, in `kaltura.privacy`, how often people were taken out of the table: after that nothing is known.
    """

    def __init__(self) -> None:
        self._removals: dict[int, int] = {}
        self._known: dict[int, set[str]] = {}
        self._emails: dict[tuple[int, int], set[str]] = {}

    def unknown(
        self, connection: psycopg.Connection, account: int, removals: int, ids: set[str], suppressions: Suppressions
    ) -> list[str]:
        """Those of the ids that are not in the table, in the order of its key. Nobody else adds them meanwhile.

        People who were erased later, by e-mail, are in the table by rows from before; their ids are among the result.
        """
        is_current = self._removals.get(account) == removals
        if is_current and not ids.difference(self._known[account]):
            return []
        take_lock(connection, REGISTRY_LOCK, "another load that brings people in")
        if is_current:
            asked = list(ids.difference(self._known[account]))
            query = "SELECT user_id, pseudonym FROM kaltura.people WHERE partner_id = %s AND user_id = ANY(%s)"
            there: dict[str, str] = dict(connection.execute(query, [account, asked]).fetchall())  # by others
            self._known[account].update(there.keys() - suppressions.erased(there).keys())
        else:
            rows = copying.rows_out(connection, _EVERYBODY, {"partner_id": account}, _KINDS)
            there = dict(zip(rows["user_id"].to_pylist(), rows["pseudonym"].to_pylist(), strict=True))
            self._known[account] = there.keys() - suppressions.erased(there).keys()
            self._removals[account] = removals
        return sorted(ids.difference(self._known[account]), key=str.encode)

    def committed(self, account: int, removals: int, added: set[str]) -> None:
        """What a day's load has added is there."""
        if self._removals.get(account) == removals:
            self._known[account].update(added)

    def unasked(self, account: int, removals: int, emails: set[str]) -> set[str]:
        """Those that were not yet found to be nobody's who was erased."""
        return emails.difference(self._emails.get((account, removals), ()))

    def forget(self, account: int, removals: int, erased: set[str], emails: set[str]) -> None:
        """These ids are erased people's, these e-mails are not."""
        self._known.get(account, set()).difference_update(erased)
        self._emails.setdefault((account, removals), set()).update(emails)
