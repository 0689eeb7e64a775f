"""Erasures outlive the warehouse that they were made in: who was erased there is erased from the backup put in its place."""

from collections.abc import Sequence

import psycopg
from psycopg.types.json import Jsonb

from resources.postgres.backup import BackupError
from resources.privacy.erasure import erase_again
from resources.privacy.people import lock_exclusively
from resources.privacy.pseudonyms import Privacy
from resources.table import Table

_ANOTHER_KEY = (
    "nothing was restored: people have been erased, and {} was made with another PII_KEY, by which nobody can tell who "
    "they are. Set the PII_KEY that belongs to it."
)


class ReapplyErasures:
    """What `restore` is given to carry the suppressions over. `people` is how many of them the backup held."""

    def __init__(self, privacy: Privacy, tables: Sequence[Table]) -> None:
        self.privacy = privacy
        self.tables = tables
        self.people = 0
        self._kept: list[dict[str, object]] = []

    def before(self, connection: psycopg.Connection) -> None:
        """Reads the suppressions, while no load is in flight. Raises `BackupError` where the key does not fit them."""
        lock_exclusively(connection)
        if not _value(connection, "SELECT to_regclass('kaltura.suppressions') IS NOT NULL"):
            return
        self._kept = [row for (row,) in connection.execute("SELECT to_jsonb(s) FROM kaltura.suppressions AS s")]
        self._expect_key(connection, "their list")

    def after(self, connection: psycopg.Connection) -> None:
        """Raises `BackupError` where the backup's people are known by another key."""
        connection.execute(
            "INSERT INTO kaltura.suppressions (partner_id, person, kind, erased_at)"
            " SELECT partner_id, person, coalesce(kind, 'person'), erased_at"
            " FROM jsonb_to_recordset(%s) AS kept (partner_id bigint, person text, kind text, erased_at timestamptz)"
            " ON CONFLICT DO NOTHING",
            [Jsonb(self._kept)],
        )
        accounts = connection.execute("SELECT DISTINCT partner_id FROM kaltura.suppressions").fetchall()
        if not accounts:
            return
        if self._kept:
            self._expect_key(connection, "the backup")
        if self.privacy.key:
            for (partner_id,) in accounts:
                self.people += erase_again(connection, self.privacy.of_account(partner_id), self.tables)

    def _expect_key(self, connection: psycopg.Connection, whose: str) -> None:
        made_with = _value(connection, "SELECT key_fingerprint FROM kaltura.privacy")
        fits = self.privacy.key and made_with in (None, self.privacy.fingerprint)
        if self._kept and not fits:
            raise BackupError(_ANOTHER_KEY.format(whose))


def _value(connection: psycopg.Connection, query: str) -> object:
    row = connection.execute(query.encode()).fetchone()
    return row[0] if row else None
