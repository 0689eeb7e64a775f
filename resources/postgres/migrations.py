"""Brings a database to this version's schema: `sql/migrations/*.sql` in order, `sql/views/*.sql`, and declared comments.

One transaction a file, under an advisory lock of the transaction, so that several starting processes apply each once: a
lock of the session would be left behind with a pooler's connection. A file that was edited after it was applied is
refused. A schema that is current is only read. The files hold plain SQL and also run with `psql -f`.

A schema with a file that this version does not know is of a newer version, and left alone: its tables may hold what
this version's loader knows nothing of. A file whose first lines say `-- oldest code: 0.3.0` lets that version, and those
since, go on beside the newer one: for an upgrade in which both run for a while.
"""

import hashlib
import re
import tomllib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache, cached_property, partial
from pathlib import Path
from typing import TypeVar

import psycopg
from psycopg import sql

from resources.errors import ConfigurationError
from resources.postgres import comments, refusals
from resources.postgres.locks import take_schema_lock
from resources.postgres.session import connect, transaction, unreachable
from resources.postgres.table_locks import patiently
from resources.postgres.views import QUERIES, Views, ViewsStay, created_by
from resources.settings import CHECKOUT
from resources.table import Table

FOLDER = CHECKOUT / "sql"
Done = TypeVar("Done")

_HISTORY = "history_of_schema.sql"
_ADVICE = {
    refusals.NOT_ALLOWED: "changing the schema wants the owner of the schemas kaltura, university and analytics and of what is "
    "in them: the login that made them by the first `make migrate`"
}
_FILES_NAMED = 5  # of those that the database lacks; an empty one lacks them all
_OLDEST_CODE = re.compile(r"^-- oldest code: *(\d+(?:\.\d+)*) *$", re.MULTILINE)

FORMER_VIEWS = frozenset({"views/21_room_retention.sql"})
"""Files of views that an older version had and this one has not, as `views/42_name.sql`: not of a newer version."""


class MigrationError(ConfigurationError):
    """A migration can't be applied: edited after it was, or refused by the database."""


@cache
def code_version() -> str:
    """The version of this checkout or image."""
    return str(tomllib.loads((CHECKOUT / "pyproject.toml").read_text("utf-8"))["project"]["version"])


def _named(files: Sequence[str]) -> str:
    more = len(files) - _FILES_NAMED
    return f"{', '.join(files[:_FILES_NAMED])} and {more} more files" if more > 1 else ", ".join(files)


def _numbers(version: str | None) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version or ""))


@dataclass(frozen=True)
class Applied:
    """What the database says of a file that was applied."""

    checksum: str
    version: str | None
    oldest_code: str | None

    def lets(self, version: str) -> bool:
        """Whether code of this version may go on although it does not know the file."""
        return self.oldest_code is not None and _numbers(version) >= _numbers(self.oldest_code)


@dataclass(frozen=True)
class File:
    name: str
    text: str

    @cached_property
    def oldest_code(self) -> str | None:
        said = _OLDEST_CODE.search(self.text)
        return said.group(1) if said else None

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()


def files(kind: str, folder: Path = FOLDER) -> list[File]:
    """The files of `sql/<kind>/`, in the order of their names."""
    return [File(f"{kind}/{path.name}", path.read_text("utf-8")) for path in sorted((folder / kind).glob("*.sql"))]


@dataclass(frozen=True)
class Code:
    """What one version of the code knows of the schema: its files, by name, with their checksums."""

    version: str
    checksums: Mapping[str, str]

    def require_known(self, applied: Mapping[str, Applied]) -> bool:
        """Raises `MigrationError` where the schema is of a newer version. Whether it is, and lets this one go on."""
        newer = self._newer(applied)
        if not newer:
            return False
        migrations = [file for name, file in newer.items() if name.startswith("migrations/")]
        goes_on = bool(migrations) and all(file.lets(self.version) for file in migrations)  # views read only
        refused = [] if goes_on else [name for name, file in newer.items() if not file.lets(self.version)]
        if refused:
            raise MigrationError(
                f"the database is of a newer version: it has {', '.join(f'sql/{name}' for name in sorted(refused))}, "
                f"which this version ({self.version}) does not know. Nothing was changed. Update this checkout or "
                "image; or, to go back, restore a backup that was made before the upgrade (docs/operations.md)."
            )
        return True

    def _newer(self, applied: Mapping[str, Applied]) -> dict[str, Applied]:
        """What was applied and is not of this version: unknown files, and views as a newer version has them."""
        own = self.checksums
        return {
            name: file
            for name, file in applied.items()
            if (name.startswith(("migrations/", "views/")) and name not in own and name not in FORMER_VIEWS)
            or (
                name.startswith("views/")
                and own.get(name) != file.checksum
                and _numbers(file.version) > _numbers(self.version)
            )
        }


@cache
def _this_code() -> Code:
    """As it was when this process first asked: an upgrade may put other files where the program runs."""
    return Code(code_version(), {file.name: file.checksum for kind in ("migrations", "views") for file in files(kind)})


def ask_applied(connection: psycopg.Connection) -> psycopg.Cursor:
    """For `expect_known`. In a pipeline, where the answer may come later."""
    return connection.execute(  # by way of JSON: an older runner made the table without two of the columns
        "SELECT name, checksum, to_jsonb(migrations) ->> 'version', to_jsonb(migrations) ->> 'oldest_code'"
        " FROM kaltura.migrations"
    )


def _told(asked: psycopg.Cursor) -> dict[str, Applied]:
    return {name: Applied(*said) for name, *said in asked.fetchall()}


def expect_known(asked: psycopg.Cursor) -> None:
    """Inside a transaction that writes rows: that no newer version has changed the schema since the run began.

    Raises `MigrationError`.
    """
    _this_code().require_known(_told(asked))


class Migrations:
    """The schema of one database. The connection is the caller's."""

    def __init__(self, connection: psycopg.Connection, folder: Path = FOLDER, version: str | None = None) -> None:
        self._connection = connection
        self._version = version or code_version()
        self._migrations = files("migrations", folder)
        self._views = files("views", folder)
        self._code = Code(self._version, {file.name: file.checksum for file in (*self._migrations, *self._views)})

    def pending(self) -> list[str]:
        """Files that the database lacks or has in another version. Raises `MigrationError` for one that is newer."""
        applied = self._applied()
        is_beside = self._code.require_known(applied)
        wanted = self._migrations if is_beside else [*self._migrations, *self._views]
        return [
            file.name for file in wanted if file.name not in applied or applied[file.name].checksum != file.checksum
        ]

    def require_current(self) -> None:
        """Raises `MigrationError` where the database lacks files of this version, or is of a newer one."""
        if pending := self.pending():
            raise MigrationError(f"the database lacks {_named(pending)}. Run `make migrate`, then this again.")

    def require_known(self) -> bool:
        """Raises `MigrationError` where the schema is of a newer version. Whether it is, and lets this one go on."""
        return self._code.require_known(self._applied())

    def apply(self, tables: Sequence[Table]) -> list[str]:
        """Apply what is pending, comments of `tables` included, and return its names. The connection is in no transaction.

        Raises `MigrationError`; what came before the bad file stays. Nothing is applied to a newer schema that lets this
        version go on.
        """
        with transaction(self._connection):
            applied = self._applied()
            if self._code.require_known(applied):
                return []
            self._refuse_edited(applied)
            has_files = not self._new(applied) and self._has_views(applied)
            if has_files and not comments.differing(self._connection, tables):
                return []
        done = [] if has_files else [f"sql/{name}" for name in self._apply_files()]
        return [*done, *self._alone(partial(self._apply_comments, tables))]

    def begin_at(self, names: Collection[str]) -> None:
        """Give a database without a schema that of the version which had just these files. In the caller's transaction.

        `apply` goes on from there. Raises `MigrationError`.
        """
        self._make_history()
        for file in self._migrations:
            if file.name in names:
                self._execute(file)

    def _apply_files(self) -> list[str]:
        self._alone(self._begin)
        done = []
        while name := self._alone(self._apply_next):
            done.append(name)
        if done:
            self._sample_new_indexes()
        return [*done, *self._alone(self._apply_views)]

    def _sample_new_indexes(self) -> None:
        """Autovacuum does not: a table with a new index has not changed. Until then the planner guesses."""
        query = (QUERIES / "unsampled_tables.sql").read_bytes()
        with suppress(psycopg.Error), transaction(self._connection):
            for name in self._connection.execute(query).fetchall():
                self._connection.execute(sql.SQL("ANALYZE {}").format(sql.Identifier(*name)))

    def _alone(self, work: Callable[[], Done]) -> Done:
        """In a transaction of its own, while nobody else changes the schema."""
        with transaction(self._connection):
            take_schema_lock(self._connection)
            return patiently(self._connection, work)

    def _begin(self) -> None:
        """Tries what the end of an upgrade may be refused: once a file is applied, no older version goes on with the schema."""
        self._make_history()
        applied = self._applied()
        if not self._has_views(applied):
            views = self._changeable_views(applied)
            with _as_migration_error("sql/views"), self._connection.transaction(force_rollback=True):
                views.drop()

    def _make_history(self) -> None:
        self._run((QUERIES / _HISTORY).read_text("utf-8"), "kaltura.migrations")

    def _apply_next(self) -> str | None:
        """The name of the migration that was next."""
        applied = self._applied()
        self._refuse_edited(applied)  # another version may have been at it meanwhile
        for file in self._new(applied)[:1]:
            self._execute(file)
            return file.name
        return None

    def _new(self, applied: Mapping[str, Applied]) -> list[File]:
        return [file for file in self._migrations if file.name not in applied]

    def _has_views(self, applied: Mapping[str, Applied]) -> bool:
        """Just those of this version."""
        recorded = {name: said.checksum for name, said in applied.items() if name.startswith("views/")}
        return recorded == {file.name: file.checksum for file in self._views}

    def views_made(self) -> Views:
        """Those that this project has made in the database, of whatever version, and what is built on them."""
        return self._views_of(self._applied())

    def _views_of(self, applied: Mapping[str, Applied]) -> Views:
        return Views(self._connection, [_made_by(name) for name in applied if name.startswith("views/")])

    def _has_history(self) -> bool:
        row = self._connection.execute("SELECT to_regclass('kaltura.migrations') IS NOT NULL").fetchone()
        return row == (True,)

    def has(self, file: File) -> bool:
        applied = self._applied().get(file.name)
        return applied is not None and applied.checksum == file.checksum

    def has_any_version_of(self, name: str) -> bool:
        return name in self._applied()

    def note(self, file: File) -> None:
        """Write down that the file has been applied."""
        self._connection.execute(
            "INSERT INTO kaltura.migrations (name, checksum, version, oldest_code) VALUES (%s, %s, %s, %s)"
            " ON CONFLICT (name) DO UPDATE SET checksum = excluded.checksum, version = excluded.version,"
            " oldest_code = excluded.oldest_code, applied_at = now()",
            [file.name, file.checksum, self._version, file.oldest_code],
        )

    def _applied(self) -> dict[str, Applied]:
        if not self._has_history():
            return {}
        return _told(ask_applied(self._connection))

    def _refuse_edited(self, applied: Mapping[str, Applied]) -> None:
        edited = [
            file.name
            for file in self._migrations
            if file.name in applied and applied[file.name].checksum != file.checksum
        ]
        if edited:
            raise MigrationError(
                f"sql/{edited[0]} was edited after it had been applied here. "
                "Restore it, and write the change as a new file."
            )

    def _apply_views(self) -> list[str]:
        """All views again if one has changed: a view may build on another. They hold no data, so nothing is lost."""
        applied = self._applied()
        if self._has_views(applied):
            return []
        self._make_anew(self._changeable_views(applied))
        return [file.name for file in self._views]

    def _changeable_views(self, applied: Mapping[str, Applied]) -> Views:
        views = self._views_of(applied)
        strangers = views.strangers(name for file in self._views for name in created_by(file.text))
        if strangers:
            raise MigrationError(
                f"{', '.join(strangers)} is there and is not this project's, which now has a view of that name. "
                "Rename it: ALTER VIEW ... RENAME TO ..., then run `make migrate` again."
            )
        try:
            views.expect_rights()
        except ViewsStay as error:
            raise MigrationError(str(error)) from None
        return views

    def _apply_comments(self, tables: Sequence[Table]) -> list[str]:
        """Of which tables. Whoever held the lock before may have written them, or have brought a newer schema."""
        if self._code.require_known(self._applied()):
            return []
        differing = comments.differing(self._connection, tables)
        for comment in differing:
            with _as_migration_error(comment.subject):
                comment.write(self._connection)
        return [f"comments on kaltura.{name}" for name in dict.fromkeys(comment.table for comment in differing)]

    def _make_anew(self, views: Views) -> None:
        with _as_migration_error("sql/views"):
            views.drop()
        self._connection.execute("DELETE FROM kaltura.migrations WHERE name LIKE 'views/%'")
        for file in self._views:
            self._execute(file)
        try:
            views.restore()
            views.fill()
        except ViewsStay as error:
            raise MigrationError(str(error)) from None

    def _execute(self, file: File) -> None:
        self._run(file.text, f"sql/{file.name}")
        self.note(file)

    def _run(self, text: str, what: str) -> None:
        with _as_migration_error(what):
            self._connection.execute(text.encode())


def _made_by(file: str) -> str:
    """The view that a file of `sql/views/` made, of whatever version: each makes the one that it is named for."""
    return Path(file).stem.partition("_")[2]


@contextmanager
def _as_migration_error(what: str, passing: Collection[str] = refusals.NOT_NOW) -> Iterator[None]:
    """Errors of the states `passing` are let through to whoever tries again."""
    try:
        yield
    except psycopg.Error as error:
        if error.sqlstate is None:
            raise unreachable(error, " any more") from None
        if error.sqlstate in passing:
            raise
        raise MigrationError(f"{what}: {refusals.explained(error, _ADVICE)}.") from None


def migrate(url: str, tables: Sequence[Table]) -> list[str]:
    """Bring the database at `url` to this version's schema; the names of what was applied.

    Raises `MigrationError`, or `DatabaseError` where the database can't be used.
    """
    with connect(url) as connection, _as_migration_error("the schema can't be brought up to date", ()):
        return Migrations(connection).apply(tables)
