"""A backup of the warehouse: one file that `pg_dump` writes, and beside it what has to be in it.

Schemas `kaltura` and `university` are all there is to keep: the views of `analytics` are made anew from this checkout.
The file is pg_dump's custom format, so `pg_restore` of any server can read it too. `FILE.json` holds its checksum and
the rows of each table, counted in the same snapshot, signed with `PII_KEY` where that is set. Who may read what (GRANT)
is not in it. Loads can go on meanwhile. What the folder of backups holds beside them, `backup_folder` knows.
"""

import datetime as dt
import hashlib
import hmac
import json
import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import psycopg
from psycopg import sql
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from resources.errors import ConfigurationError
from resources.local import postgres as local_postgres
from resources.postgres.backup_folder import manifest_of
from resources.postgres.session import NO_TIME_LIMITS, DatabaseError, connect, refused
from resources.runtime.drafts import alone_in, draft_folder, remove_left_drafts

KALTURA, UNIVERSITY = SCHEMAS = ("kaltura", "university")
POLL_SECONDS = 0.3
BLOCK_BYTES = 1 << 20
# A service's file would count over the variables, which hold all that it said. pg_dump is no program of ours by its name.
_NOT_PASSED_ON = (b"PGSERVICE", b"PGSERVICEFILE", b"PGAPPNAME")
_ADVICE = {
    "server version mismatch": "Set PG_BIN to programs of the server's version.",
    "SSL support is not compiled in": "Set PG_BIN to programs that have it: those of the system's packages, say. For an "
    "image with them, and how Compose takes it, see docs/deployment.md.",
}


class BackupError(ConfigurationError):
    """A backup can't be written or used; the message says why, and what to do."""


@dataclass(frozen=True)
class Manifest:
    """What `FILE.json` says of a backup."""

    made_at: str
    server_version: int
    sha256: str
    rows: dict[str, int]
    migrations: list[str]
    signature: str = ""

    def __post_init__(self) -> None:
        """Raises `TypeError`, and `ValueError` of a half of a character: the file may have been written by anybody."""
        if type(self.rows) is not dict or type(self.migrations) is not list:
            raise TypeError("what has to be an object or a list is none")
        texts = [self.made_at, self.sha256, self.signature, *self.rows, *self.migrations]
        counts = [self.server_version, *self.rows.values()]
        if not all(type(each) is str for each in texts) or not all(type(each) is int for each in counts):
            raise TypeError("a text or a number is none")
        "".join(texts).encode()

    def signed(self, key: str) -> "Manifest":
        """With a signature, where there is a key to make one with."""
        return replace(self, signature=self._signature(key) if key else "")

    def is_signed_with(self, key: str) -> bool:
        return bool(key) and hmac.compare_digest(self.signature.encode(), self._signature(key).encode())

    def _signature(self, key: str) -> str:
        said = json.dumps(asdict(replace(self, signature="")), sort_keys=True)
        return hmac.digest(key.encode(), b"backup\0" + said.encode(), "sha256").hex()

    @staticmethod
    def beside(file: Path) -> Path:
        return manifest_of(file)

    @classmethod
    def of(cls, file: Path) -> "Manifest":
        """Raises `BackupError`."""
        path = cls.beside(file)
        try:
            return cls(**json.loads(path.read_text("utf-8")))
        except FileNotFoundError:
            raise BackupError(
                f"{path} is not there. A backup is both files: copy it from where the first is."
            ) from None
        except (ValueError, TypeError, AttributeError, RecursionError):
            raise BackupError(f"{path} is damaged. Take another backup.") from None


def back_up(url: str, file: Path, console: Console, key: str = "") -> Manifest:
    """Write the two files. They are there whole or not at all. `key` signs them. Raises `BackupError`.

    What others that were killed had begun to write into the folder is removed first: it takes room.
    """
    _refuse_to_overwrite(file)
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    remove_left_drafts(file.parent)
    try:
        with connected(url) as connection, draft_folder(file) as (folder, lock):
            return _written(connection, url, file, folder / file.name, lock, console, key)
    except psycopg.Error as error:
        raise BackupError(f"no backup was written: {refused(error)}") from None


def _written(
    connection: psycopg.Connection, url: str, file: Path, draft: Path, lock: int, console: Console, key: str
) -> Manifest:
    connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    connection.execute(NO_TIME_LIMITS.encode())  # it holds the snapshot, and is idle for as long as pg_dump writes
    snapshot = _value(connection, "SELECT pg_export_snapshot()")
    rows = table_rows(connection)
    if not rows:
        raise BackupError("the database has no schema `kaltura`: there is nothing to back up. Check DATABASE_URL.")
    words = ["--format=custom", *(f"--schema={schema}" for schema in SCHEMAS), "--no-owner", "--no-privileges"]
    # A question for a password would hold the snapshot open, and perhaps nobody is there to answer.
    words += [f"--snapshot={snapshot}", "--no-password", f"--file={draft}"]
    _dump(words, url, environment(connection), lock, sum(rows.values()), console)
    manifest = Manifest(
        made_at=database_time(connection).isoformat(timespec="seconds"),
        server_version=connection.info.server_version,
        sha256=checksum(draft),
        rows=rows,
        migrations=_migrations(connection),
    ).signed(key)
    draft.chmod(0o600)
    Manifest.beside(draft).touch(0o600)
    Manifest.beside(draft).write_text(json.dumps(asdict(manifest), indent=1) + "\n", "utf-8")
    with alone_in(file.parent):
        _refuse_to_overwrite(file)  # another one may have begun when this had
        Manifest.beside(draft).replace(Manifest.beside(file))
        draft.replace(file)
    return manifest


def _refuse_to_overwrite(file: Path) -> None:
    if file.exists():
        raise BackupError(f"{file} is there already. Choose another name, or remove it.")


@contextmanager
def connected(url: str) -> Iterator[psycopg.Connection]:
    """A connection. Raises `BackupError` where there is none to be had."""
    try:
        connection = connect(url)
    except DatabaseError as error:
        raise BackupError(str(error)) from None
    connection.autocommit = False
    connection.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
    connection.read_only = False
    with connection:
        yield connection


def table_rows(connection: psycopg.Connection) -> dict[str, int]:
    """How many rows each table has that is to be kept, by `named`."""
    names = connection.execute(
        "SELECT schemaname, tablename FROM pg_tables WHERE schemaname = ANY(%s) ORDER BY schemaname, tablename",
        [list(SCHEMAS)],
    ).fetchall()
    counted = {}
    for schema, name in names:
        count = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(schema, name))
        row = connection.execute(count).fetchone()
        counted[named(schema, name)] = int(row[0]) if row else 0
    return counted


def named(schema: str, table: str) -> str:
    """What a table is called where it is told: those of Kaltura by their name alone."""
    return table if schema == KALTURA else f"{schema}.{table}"


def environment(connection: psycopg.Connection) -> Mapping[str, str]:
    """By what pg_dump logs in: as this connection did, whether the URL said so, PG* variables, a service or a password file.

    Not on its command line: everybody on the machine can read that. It goes to the very server that answered: of several
    hosts another might, which does not have the snapshot.
    """
    used = connection.pgconn
    given = {option.envvar: option.val for option in used.info if option.envvar and option.val != option.compiled}
    given |= {b"PGHOST": used.host, b"PGPORT": used.port, b"PGPASSWORD": used.password}
    if given.get(b"PGHOSTADDR"):
        given[b"PGHOSTADDR"] = used.hostaddr
    others = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    passed_on = {name: value for name, value in given.items() if value and name not in _NOT_PASSED_ON}
    return others | {os.fsdecode(name): os.fsdecode(value) for name, value in passed_on.items()}


def checksum(file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while block := stream.read(BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


@contextmanager
def progress(console: Console, what: str, rows: int) -> Iterator["RowsDone"]:
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        yield RowsDone(bar, what, rows)


class RowsDone:
    """A bar of rows, told by what Postgres says of the COPYs under way."""

    def __init__(self, bar: Progress, what: str, rows: int) -> None:
        self._bar = bar
        self._task = bar.add_task(what, total=max(rows, 1))
        self._seen: dict[int, int] = {}

    def look(self, connection: psycopg.Connection) -> None:
        query = "SELECT relid, tuples_processed FROM pg_stat_progress_copy WHERE datname = current_database()"
        for relation, done in connection.execute(query).fetchall():
            self._seen[relation] = max(done, self._seen.get(relation, 0))
        self._bar.update(self._task, completed=sum(self._seen.values()))


def _dump(words: list[str], url: str, logging_in: Mapping[str, str], lock: int, rows: int, console: Console) -> None:
    command = [str(local_postgres.binary("pg_dump")), *words]
    with (
        connected(url) as watching,
        tempfile.TemporaryFile("w+") as said,
        progress(console, "Backing up", rows) as done,
    ):
        watching.autocommit = True
        # It holds the lock of the draft too: killed alone, this process leaves it writing.
        process = subprocess.Popen(command, env=logging_in, stderr=said, pass_fds=[lock])
        try:
            while True:
                try:
                    code = process.wait(POLL_SECONDS)
                    break
                except subprocess.TimeoutExpired:
                    done.look(watching)
        except BaseException:
            process.kill()
            process.wait()
            raise
        said.seek(0)
        if code:
            raise BackupError(_why(said.read().strip()))


def _why(said: str) -> str:
    advice = [words for part, words in _ADVICE.items() if part in said]
    return " ".join([f"no backup was written. pg_dump failed: {said}", *advice])


def _migrations(connection: psycopg.Connection) -> list[str]:
    found = connection.execute("SELECT name FROM kaltura.migrations WHERE name LIKE 'migrations/%' ORDER BY name")
    return [name for (name,) in found.fetchall()]


def _value(connection: psycopg.Connection, query: str) -> str:
    row = connection.execute(query).fetchone()
    return str(row[0]) if row else ""


def database_time(connection: psycopg.Connection) -> dt.datetime:
    """By the database's clock: by one that is wrong here, the other backups might look old."""
    row = connection.execute("SELECT now()").fetchone()
    return (row[0] if row else dt.datetime.now(dt.UTC)).astimezone(dt.UTC)
