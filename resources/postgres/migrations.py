"""Brings a database to this version's schema: `sql/migrations/*.sql` in order, then `sql/views/*.sql`.

One transaction a file, under an advisory lock, so that several starting processes apply each once. A file that was
edited after it was applied is refused. The files hold plain SQL and also run with `psql -f`.

    python -m resources.postgres.migrations [--database-url URL]
"""

import argparse
import hashlib
import sys
from dataclasses import dataclass
from pathlib import Path

import psycopg

from resources.errors import ConfigurationError
from resources.postgres.url import database_url, libpq_url
from resources.settings import CHECKOUT, load_env_file

FOLDER = CHECKOUT / "sql"
CONNECT_TIMEOUT_SECONDS = 10
LOCK = 0x6B616C7475726100  # one number that all runners agree on

_BOOKS = """
CREATE SCHEMA IF NOT EXISTS kaltura;
CREATE TABLE IF NOT EXISTS kaltura.migrations (
    name text PRIMARY KEY,
    checksum text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE kaltura.migrations IS 'Which files of sql/ have been applied, and what was in them.';
COMMENT ON COLUMN kaltura.migrations.name IS 'The file, from sql/ on.';
COMMENT ON COLUMN kaltura.migrations.checksum IS 'SHA-256 of its content when it was applied.';
COMMENT ON COLUMN kaltura.migrations.applied_at IS 'When it was applied.';
"""


class MigrationError(ConfigurationError):
    """A migration can't be applied: edited after it was, or refused by the database."""


@dataclass(frozen=True)
class File:
    name: str
    text: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()


def files(kind: str, folder: Path = FOLDER) -> list[File]:
    """The files of `sql/<kind>/`, in the order of their names."""
    return [File(f"{kind}/{path.name}", path.read_text("utf-8")) for path in sorted((folder / kind).glob("*.sql"))]


class Migrations:
    """The schema of one database. The connection is the caller's."""

    def __init__(self, connection: psycopg.Connection, folder: Path = FOLDER) -> None:
        self._connection = connection
        self._migrations = files("migrations", folder)
        self._views = files("views", folder)

    def pending(self) -> list[str]:
        """Files that the database lacks or has in another version."""
        applied = self._applied()
        return [file.name for file in (*self._migrations, *self._views) if applied.get(file.name) != file.checksum]

    def apply(self) -> list[str]:
        """Apply what is pending and return its names. Raises `MigrationError`; what came before the bad file stays."""
        with self._connection.transaction():
            self._connection.execute("SELECT pg_advisory_lock(%s)", [LOCK])
        try:
            with self._connection.transaction():
                self._connection.execute(_BOOKS)
            self._refuse_edited()
            return [*self._apply_migrations(), *self._apply_views()]
        finally:
            self._connection.execute("SELECT pg_advisory_unlock(%s)", [LOCK])

    def has(self, file: File) -> bool:
        return self._applied().get(file.name) == file.checksum

    def note(self, file: File) -> None:
        """Write down that the file has been applied."""
        self._connection.execute(
            "INSERT INTO kaltura.migrations (name, checksum) VALUES (%s, %s)"
            " ON CONFLICT (name) DO UPDATE SET checksum = excluded.checksum, applied_at = now()",
            [file.name, file.checksum],
        )

    def _applied(self) -> dict[str, str]:
        exists = self._connection.execute("SELECT to_regclass('kaltura.migrations') IS NOT NULL").fetchone()
        if not exists or not exists[0]:
            return {}
        return dict(self._connection.execute("SELECT name, checksum FROM kaltura.migrations").fetchall())

    def _refuse_edited(self) -> None:
        applied = self._applied()
        edited = [file.name for file in self._migrations if applied.get(file.name, file.checksum) != file.checksum]
        if edited:
            raise MigrationError(
                f"sql/{edited[0]} was edited after it had been applied here. "
                "Restore it, and write the change as a new file."
            )

    def _apply_migrations(self) -> list[str]:
        applied = self._applied()
        new = [file for file in self._migrations if file.name not in applied]
        for file in new:
            with self._connection.transaction():
                self._execute(file)
        return [file.name for file in new]

    def _apply_views(self) -> list[str]:
        """All views again if one has changed: a view may build on another. They hold no data, so nothing is lost."""
        applied = self._applied()
        recorded = {name: checksum for name, checksum in applied.items() if name.startswith("views/")}
        if recorded == {file.name: file.checksum for file in self._views}:
            return []
        with self._connection.transaction():
            self._drop_views()
            self._connection.execute("DELETE FROM kaltura.migrations WHERE name LIKE 'views/%'")
            for file in self._views:
                self._execute(file)
        return [file.name for file in self._views]

    def _drop_views(self) -> None:
        """Only views that are ours: those an analyst built on them make this fail, and are named in the error."""
        names = self._connection.execute(
            "SELECT format('%I.%I', schemaname, viewname) FROM pg_views WHERE schemaname = 'analytics'"
        ).fetchall()
        if names:
            self._run(f"DROP VIEW {', '.join(name for (name,) in names)}", "sql/views")

    def _execute(self, file: File) -> None:
        self._run(file.text, f"sql/{file.name}")
        self.note(file)

    def _run(self, text: str, what: str) -> None:
        try:
            self._connection.execute(text.encode())
        except psycopg.Error as error:
            detail = f" {error.diag.message_detail}" if error.diag.message_detail else ""
            raise MigrationError(f"{what}: {error.diag.message_primary or error}.{detail}") from error


def migrate(url: str) -> list[str]:
    """Bring the database at `url` to this version's schema; the names of the files applied. Raises `MigrationError`."""
    try:
        connection = psycopg.connect(libpq_url(url), autocommit=True, connect_timeout=CONNECT_TIMEOUT_SECONDS)
    except psycopg.Error as error:
        reason = str(error).strip().splitlines()[0]
        raise MigrationError(f"the database can't be reached: {reason}. Check DATABASE_URL.") from None
    with connection:
        return Migrations(connection).apply()


def main() -> int:
    load_env_file()
    parser = argparse.ArgumentParser(
        prog="python -m resources.postgres.migrations", description="Bring a database to this version's schema."
    )
    parser.add_argument("--database-url", help="default: DATABASE_URL, else the private Postgres")
    given = parser.parse_args()
    try:
        applied = migrate(given.database_url or database_url())
    except ConfigurationError as error:
        print(f"migrate: {error}", file=sys.stderr)
        return 1
    print("\n".join(f"applied sql/{name}" for name in applied) or "the schema is current")
    return 0


if __name__ == "__main__":
    sys.exit(main())
