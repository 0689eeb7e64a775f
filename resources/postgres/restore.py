"""A backup put back, in one transaction: the warehouse is what it was then, or stays what it is now.

A backup is SQL that runs as the owner of the warehouse, so only one that `PII_KEY` has signed is believed by itself.
The file is checked before anything is touched. What it holds goes through the driver, never through psql; the rows of
each table are counted and the schema is brought to this version's before it is committed. The database may be empty, or
of any version: what of the schema is in no backup is made as the backup's version had it. Rights (GRANT) are in none: the
roles get theirs again where they had them in the warehouse that is replaced, and in no other database unasked.
"""

import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

import psycopg
from rich.console import Console

from resources.local import postgres as local_postgres
from resources.postgres import roles, script, statistics
from resources.postgres.backup import (
    POLL_SECONDS,
    BackupError,
    Manifest,
    RowsDone,
    checksum,
    connected,
    progress,
    table_rows,
)
from resources.postgres.locks import keep_loads_off, keep_readers_off, take_schema_lock
from resources.postgres.migrations import MigrationError, Migrations, files
from resources.postgres.refusals import NOT_ALLOWED
from resources.postgres.session import commit, refused
from resources.postgres.table_locks import patiently
from resources.postgres.views import QUERIES, Views, ViewsStay
from resources.runtime.printable import printable
from resources.table import Table

_BORN_FILLED = {"migrations", "privacy"}  # a warehouse without a single row of Kaltura's has rows in these

_DROP = """
SET LOCAL client_min_messages = warning;
DROP SCHEMA IF EXISTS kaltura, university CASCADE;
"""
# What is not in a backup is not noted as made, either: the views, and the rights of roles.
_AFTER_LOAD = """
RESET ALL;
DELETE FROM kaltura.migrations WHERE name LIKE 'views/%' OR name = 'roles.sql';
"""
# They are of the server that the backup was taken from. An older version had none before it is migrated.
_NO_ROW_VERSIONS = "UPDATE kaltura.loads SET row_versions = NULL WHERE row_versions IS NOT NULL"
_WHO_RESTORES = {
    NOT_ALLOWED: "restoring wants the owner of the schemas kaltura, university and analytics, who may make schemas"
}
_NO_RIGHTS = "Rights (GRANT) are not in a backup: `make roles` gives the roles theirs."
_HOW_TO_TRUST = (
    "A backup is SQL that runs as the owner of the warehouse: restore none that you do not trust. "
    "If you know where it comes from: --trust."
)


class RestoreHook(Protocol):
    """What of the warehouse that is there has to outlive its replacement."""

    def before(self, connection: psycopg.Connection) -> None:
        """Reads what is to be kept, and holds off loads. May refuse by raising `BackupError`."""

    def after(self, connection: psycopg.Connection) -> None:
        """Puts it into the restored warehouse, in the same transaction."""


@dataclass(frozen=True)
class Restored:
    """What was put back. `rights` says in a sentence what became of those of the roles."""

    manifest: Manifest
    rights: str


def restore(
    url: str,
    file: Path,
    console: Console,
    *,
    keeper: RestoreHook,
    tables: Sequence[Table],
    replace: bool = False,
    key: str = "",
    trust: bool = False,
) -> Restored:
    """Put the backup, but for the comments of `tables`, in the place of what is there. On a `BackupError` nothing has changed."""
    manifest = _believed(file, key, trust)
    with connected(url) as connection:
        keep_loads_off(connection, "would be lost or mixed with what is put back")
        take_schema_lock(connection)
        _refuse_to_lose_rows(connection, replace)
        keeper.before(connection)
        keep_readers_off(connection)
        try:
            views = Migrations(connection).views_made()
            views.expect_rights()
            had_roles = roles.are_noted(connection)
            patiently(connection, partial(_take_away, connection, views))
            _make_what_no_backup_holds(connection, manifest)
            _load_dump(connection, url, file, manifest, console)
            _bring_up_to_date(connection, manifest, tables)
            views.restore()
            statistics.take_anew(connection)  # what follows looks people up in tables that nobody has sampled
            keeper.after(connection)
            statistics.take_anew(connection)  # of those who are left
            rights = _rights_again(connection) if had_roles else _NO_RIGHTS
            views.fill()  # by what their owners may see, once the erased are out
        except psycopg.Error as error:
            raise BackupError(f"nothing was restored: {refused(error, _WHO_RESTORES)}") from None
        except (MigrationError, ViewsStay) as error:
            raise BackupError(f"nothing was restored. {error}") from None
        _commit(connection)
    return Restored(manifest, rights)


def _take_away(connection: psycopg.Connection, views: Views) -> None:
    views.drop()
    _refuse_to_lose_what_is_built_on_it(connection)
    connection.execute(_DROP)


def _make_what_no_backup_holds(connection: psycopg.Connection, manifest: Manifest) -> None:
    """Schema `analytics` and its functions, on which tables and views rest, as the backup's version had them.

    Migrations make them, and those that the backup has are not applied again after it. Their tables make way for its own.
    """
    Migrations(connection).begin_at(manifest.migrations)
    connection.execute(_DROP)


def _bring_up_to_date(connection: psycopg.Connection, manifest: Manifest, tables: Sequence[Table]) -> None:
    _expect_rows(connection, manifest)
    connection.execute(_AFTER_LOAD)
    Migrations(connection).apply(tables)
    connection.execute(_NO_ROW_VERSIONS)


def _rights_again(connection: psycopg.Connection) -> str:
    try:
        roles.give_again(connection)
    except roles.RolesError as error:
        return f"The roles had rights here, and could not be given them again: {error}"
    return "The roles have their rights again."


def _commit(connection: psycopg.Connection) -> None:
    try:
        commit(connection)
    except psycopg.Error as error:
        raise refused(error) from None


def _believed(file: Path, key: str, trust: bool) -> Manifest:
    manifest = Manifest.of(file)
    if not manifest.is_signed_with(key) and not trust:
        raise BackupError(f"{Manifest.beside(file).name} is not signed with this PII_KEY. {_HOW_TO_TRUST}")
    if not file.exists() or checksum(file) != manifest.sha256:
        raise BackupError(f"{file} is damaged or not there: it is not what {Manifest.beside(file).name} says.")
    newer = set(manifest.migrations) - {migration.name for migration in files("migrations")}
    if newer:
        raise BackupError(f"the backup is of a newer version: it has {', '.join(sorted(newer))}. Restore it with that.")
    return manifest


def _refuse_to_lose_what_is_built_on_it(connection: psycopg.Connection) -> None:
    """Raises `BackupError`. Our views, and what is built on those, are gone by then: they are made anew."""
    query = (QUERIES / "built_on_the_tables.sql").read_text("utf-8")
    others = [printable(name) for (name,) in connection.execute(query.encode()).fetchall()]
    if others:
        raise BackupError(
            f"nothing was restored: built on the warehouse's tables, and not on its views, are {', '.join(others)}. "
            "Drop them first, and make them anew: they would go with the tables, or lose what they have of them."
        )


def _refuse_to_lose_rows(connection: psycopg.Connection, replace: bool) -> None:
    filled = {name: count for name, count in table_rows(connection).items() if count and name not in _BORN_FILLED}
    if filled and not replace:
        there = ", ".join(f"{name} ({count:,})" for name, count in filled.items())
        raise BackupError(f"the warehouse holds rows: {there}. To put the backup in their place: --replace.")


def _load_dump(connection: psycopg.Connection, url: str, file: Path, manifest: Manifest, console: Console) -> None:
    """The backup as SQL, from pg_restore to the driver. pg_restore itself is given no database and no secret."""
    out = [str(local_postgres.binary("pg_restore")), "--no-owner", "--no-privileges", "--file=-", "--", str(file)]
    with (
        tempfile.TemporaryFile() as said,
        connected(url) as watching,
        progress(console, "Restoring", sum(manifest.rows.values())) as done,
    ):
        watching.autocommit = True
        reader = subprocess.Popen(out, stdout=subprocess.PIPE, stderr=said, env={})
        assert reader.stdout  # noqa: S101 (it is a pipe)
        try:
            script.run(connection, reader.stdout, _Glances(done, watching))
            code = reader.wait()
        finally:
            reader.kill()
            reader.wait()
            reader.stdout.close()
        said.seek(0)
        if code:
            raise BackupError(f"nothing was restored. {said.read().decode('utf-8', 'replace').strip()}")


class _Glances:
    """Looks at how far the rows are, a few times a second."""

    def __init__(self, done: RowsDone, watching: psycopg.Connection) -> None:
        self._done, self._watching, self._next = done, watching, 0.0

    def __call__(self) -> None:
        if time.monotonic() >= self._next:
            self._done.look(self._watching)
            self._next = time.monotonic() + POLL_SECONDS


def _expect_rows(connection: psycopg.Connection, manifest: Manifest) -> None:
    """By the catalog's names: those of the manifest go into no statement."""
    there = table_rows(connection)
    lacking = sorted(name for name in {*there, *manifest.rows} if there.get(name) != manifest.rows.get(name))
    if lacking:
        raise BackupError(
            f"nothing was restored: rows of {', '.join(map(ascii, lacking))} are missing.".replace("'", "")
        )
