"""A backup put back, in one transaction: the warehouse is what it was then, or stays what it is now.

    python -m resources.postgres.restore FILE [--replace]

The file is checked before anything is touched, and the rows of each table are counted before it is committed. After that
the schema is brought to this version's. The views are made anew; who may read them (GRANT) has to be said again.
"""

import argparse
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import IO

import psycopg
from rich.console import Console

from resources.errors import ConfigurationError
from resources.local import postgres as local_postgres
from resources.postgres.backup import (
    BLOCK_BYTES,
    POLL_SECONDS,
    BackupError,
    Manifest,
    checksum,
    connected,
    environment,
    progress,
    table_rows,
)
from resources.postgres.migrations import files, migrate
from resources.postgres.url import database_url
from resources.settings import SettingError, load_env_file

# What pg_dump 17 and later write, and servers before 17 do not know.
_TOO_NEW = b"SET transaction_timeout = 0;\n"

_BORN_FILLED = {"migrations", "privacy"}  # a warehouse without a single row of Kaltura's has rows in these

# Anything outside of the two schemas that reads them: dropping them would take it along.
_BUILT_ON_IT = """
SELECT DISTINCT format('%I.%I', outside.nspname, dependent.relname)
FROM pg_catalog.pg_depend AS depends
INNER JOIN pg_catalog.pg_rewrite AS rule ON depends.objid = rule.oid
INNER JOIN pg_catalog.pg_class AS dependent ON rule.ev_class = dependent.oid
INNER JOIN pg_catalog.pg_namespace AS outside ON dependent.relnamespace = outside.oid
INNER JOIN pg_catalog.pg_class AS ours ON depends.refobjid = ours.oid
INNER JOIN pg_catalog.pg_namespace AS inside ON ours.relnamespace = inside.oid
WHERE inside.nspname IN ('kaltura', 'analytics') AND outside.nspname NOT IN ('kaltura', 'analytics')
"""
_DROP = """
BEGIN;
SET LOCAL client_min_messages = warning;
DO $$ DECLARE view text; BEGIN
    FOR view IN SELECT format('%I.%I', schemaname, viewname) FROM pg_views WHERE schemaname = 'analytics' LOOP
        EXECUTE 'DROP VIEW IF EXISTS ' || view || ' CASCADE';
    END LOOP;
END $$;
DROP SCHEMA IF EXISTS kaltura CASCADE;
"""
# Row versions are of the server that the backup was taken from, and the views are not in it.
_AFTERWARDS = """
UPDATE kaltura.loads SET row_versions = NULL WHERE row_versions IS NOT NULL;
DELETE FROM kaltura.migrations WHERE name LIKE 'views/%';
COMMIT;
"""


def restore(url: str, file: Path, console: Console, *, replace: bool = False) -> Manifest:
    """Put the backup in the place of what is there. Raises `BackupError`; then nothing has changed."""
    manifest = Manifest.of(file)
    if not file.exists() or checksum(file) != manifest.sha256:
        raise BackupError(f"{file} is damaged or not there: it is not what {Manifest.beside(file).name} says.")
    newer = set(manifest.migrations) - {migration.name for migration in files("migrations")}
    if newer:
        raise BackupError(f"the backup is of a newer version: it has {', '.join(sorted(newer))}. Restore it with that.")
    with connected(url) as connection:
        _refuse_to_lose_anything(connection, replace)
    _pour(url, file, manifest, console)
    migrate(url)
    with connected(url) as connection:
        connection.autocommit = True
        for table in manifest.rows:
            connection.execute(f'ANALYZE kaltura."{table}"'.encode())
    return manifest


def _refuse_to_lose_anything(connection: psycopg.Connection, replace: bool) -> None:
    outside = [name for (name,) in connection.execute(_BUILT_ON_IT.encode()).fetchall()]
    if outside:
        raise BackupError(
            f"{', '.join(outside)} are built on the warehouse's tables. Drop them first, and make them anew."
        )
    filled = {name: count for name, count in table_rows(connection).items() if count and name not in _BORN_FILLED}
    if filled and not replace:
        there = ", ".join(f"{name} ({count:,})" for name, count in filled.items())
        raise BackupError(f"the warehouse holds rows: {there}. To put the backup in their place: --replace.")


def _pour(url: str, file: Path, manifest: Manifest, console: Console) -> None:
    """The backup as SQL, from pg_restore to psql. The COMMIT is only sent when all before it has gone well."""
    out = [str(local_postgres.binary("pg_restore")), "--no-owner", "--no-privileges", "--file=-", str(file)]
    into = [str(local_postgres.binary("psql")), "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--output=/dev/null"]
    given = environment(url)
    with tempfile.TemporaryFile() as said:
        reader = subprocess.Popen(out, stdout=subprocess.PIPE, stderr=said)
        writer = subprocess.Popen(into, env=given, stdin=subprocess.PIPE, stderr=said)
        assert writer.stdin  # noqa: S101 (it is a pipe)
        poured = threading.Thread(target=_pumped, args=(reader, writer.stdin, manifest.rows), daemon=True)
        poured.start()
        try:
            with connected(url) as watching, progress(console, "Restoring", sum(manifest.rows.values())) as done:
                watching.autocommit = True
                while poured.is_alive():
                    poured.join(POLL_SECONDS)
                    done.look(watching)
        except BaseException:
            writer.kill()
            raise
        finally:
            reader.kill()
            writer.wait()
            reader.wait()
        said.seek(0)
        if writer.returncode or reader.returncode:
            raise BackupError(f"nothing was restored. {said.read().decode('utf-8', 'replace').strip()}")


def _pumped(reader: "subprocess.Popen[bytes]", into: IO[bytes], rows: Mapping[str, int]) -> None:
    """Where either side breaks off, the transaction is left open, and the end of the connection rolls it back."""
    assert reader.stdout  # noqa: S101 (it is a pipe)
    try:
        into.write(_DROP.encode())
        first = reader.stdout.read(BLOCK_BYTES)
        into.write(first.replace(_TOO_NEW, b""))
        while block := reader.stdout.read(BLOCK_BYTES):
            into.write(block)
        if reader.wait() == 0:
            into.write((_counted(rows) + _AFTERWARDS).encode())
        into.close()
    except BrokenPipeError:
        return


def _counted(rows: Mapping[str, int]) -> str:
    """SQL that fails where a table does not hold as many rows as the backup was made of."""
    checks = " ".join(
        f"IF (SELECT count(*) FROM kaltura.\"{name}\") <> {count} THEN RAISE 'rows of {name} are missing'; END IF;"
        for name, count in rows.items()
    )
    return f"\nDO $$ BEGIN {checks} END $$;\n"


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m resources.postgres.restore", description="Put a backup of the warehouse back."
    )
    parser.add_argument("file", type=Path, help="the backup; FILE.json has to be beside it")
    parser.add_argument("--replace", action="store_true", help="even if the warehouse holds rows: they are lost")
    parser.add_argument("--database-url", help="default: DATABASE_URL, else the private Postgres")
    given = parser.parse_args()
    try:
        load_env_file()
        url = given.database_url or database_url()
        manifest = restore(url, given.file, Console(stderr=True), replace=given.replace)
    except (ConfigurationError, SettingError) as error:
        sys.stderr.write(f"restore: {error}\n")
        return 1
    except OSError as error:
        sys.stderr.write(f"restore: {error.filename}: {error.strerror}\n")
        return 1
    sys.stdout.write(f"restored {sum(manifest.rows.values()):,} rows of {manifest.made_at}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
