"""What outlives the warehouse that a backup replaces: erasures, and that the names of old days have gone.

How long names are kept is each account's own setting, and a restore has those of one. Of the others the warehouse that
is replaced tells: up to which day it had pseudonyms in the place of all names.
"""

import datetime as dt
from collections.abc import Sequence

import psycopg

from pipelines.retention import without_names_before, without_old_names
from resources.kaltura.errors import Refused
from resources.local import kaltura as standin
from resources.postgres.views import QUERIES
from resources.privacy.people import first_day_kept, lock_exclusively, require_mode, what_differs
from resources.privacy.pseudonyms import NOBODY, PSEUDONYM_PATTERN
from resources.privacy.reapply_erasures import ReapplyErasures
from resources.privacy.settings import Privacy
from resources.settings import SettingError
from resources.table import Table

_OF_AN_OLDER_VERSION = "SELECT to_regclass('kaltura.attendees') IS NULL OR to_regclass('kaltura.privacy') IS NULL"


class ReapplyPrivacy(ReapplyErasures):
    """What `restore` is given. `names` says what became of those that the backup brought back, a line for each account.

    `accounts` are those that the backup holds.
    """

    def __init__(self, privacy: Privacy, tables: Sequence[Table]) -> None:
        super().__init__(privacy, tables)
        self.names: list[str] = []
        self.accounts: list[int] = []
        self._aged_until: dict[int, dt.date] = {}

    def before(self, connection: psycopg.Connection) -> None:
        super().before(connection)
        if connection.execute(_OF_AN_OLDER_VERSION).fetchone() == (False,):
            query = (QUERIES / "aged_until.sql").read_bytes()
            asked = {"pseudonym": PSEUDONYM_PATTERN, "nobody": list(NOBODY)}
            self._aged_until = dict(connection.execute(query, asked).fetchall())

    def after(self, connection: psycopg.Connection) -> None:
        super().after(connection)
        found = connection.execute((QUERIES / "accounts.sql").read_bytes()).fetchall()
        self.accounts = [account for (account,) in found]
        self.names = self._names_after(connection)

    def _names_after(self, connection: psycopg.Connection) -> list[str]:
        """Take out again the names of old days that the backup has brought back."""
        if told := what_differs(connection, self.privacy):
            return [f"What the backup keeps of people is not what the settings say: {told}"]
        if not self.privacy.is_full:
            return ["The backup holds no names."]
        own = self._account_of_the_settings()
        said = [self._names_of(connection, account, is_own=account == own) for account in self.accounts]
        if own is not None and own not in self.accounts:
            said.insert(0, f"Account {own}, of the settings, is not in the backup.")
        return said

    def _names_of(self, connection: psycopg.Connection, account: int, *, is_own: bool) -> str:
        if is_own and not self.privacy.retention_days:
            return (
                f"RETENTION_DAYS is not set here: names that had been taken out of account {account} since the backup "
                "are there again."
            )
        until = self._aged_until.get(account)
        if is_own:
            until = first_day_kept(connection, self.privacy)
            counts = without_old_names(connection, self.privacy, account)
        elif until and self.privacy.key:
            lock_exclusively(connection)
            require_mode(connection, self.privacy)
            counts = without_names_before(connection, self.privacy, account, until)
        else:
            return (
                f"No names were taken out of account {account}. If RETENTION_DAYS is set for it, run under its settings: "
                f"`python -m pipelines retention --partner-id {account}`"
            )
        return f"names taken out again of days before {until}, in account {account}: {sum(counts.values()):,} rows"

    def _account_of_the_settings(self) -> int | None:
        """None where they name none: a backup can be put back before an account is set."""
        try:
            account = standin.account()
        except (Refused, SettingError):
            return None
        return None if standin.is_standin() and account not in self.accounts else account
