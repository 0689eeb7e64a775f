"""Dagster's home: where its instance keeps runs, events and schedules; made from `dagster.yaml` and the environment."""

from __future__ import annotations

import fcntl
import logging
import math
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from resources.errors import ConfigurationError
from resources.runtime.atomic_file import atomic_file
from resources.runtime.printable import printable
from resources.settings import CHECKOUT, LOCAL, SettingError, folder_of

if TYPE_CHECKING:
    import dagster as dg

# The URL's scheme is spelled out: SQLAlchemy 2.1 reads a bare one as psycopg 3, with which Dagster's storage fails.
POSTGRES_STORAGE = """
storage:
  postgres:
    postgres_db:
      scheme: postgresql+psycopg2
      hostname: {env: DAGSTER_POSTGRES_HOST}
      port: {env: DAGSTER_POSTGRES_PORT}
      db_name: {env: DAGSTER_POSTGRES_DB}
      username: {env: DAGSTER_POSTGRES_USER}
      password: {env: DAGSTER_POSTGRES_PASSWORD}
"""
# How every dagster.yaml begins that this project has written, of whatever version. The rest of that line may change: a file
# that is not known for ours is never brought up to date again.
OURS_BEGINS = b"# Dagster's instance. `python -m pipelines"
SQLITE_FILES = ("history/runs.db", "history/runs/index.db", "schedules/schedules.db")
DEFAULT_HISTORY = "history"  # in a home whose dagster.yaml names no storage, as ours always does
HISTORY_ADVICE = (
    "Days that were loaded are in the warehouse, whole. Mend that (a full disk: make room, or set DAGSTER_HOME to another "
    "folder), run `python -m pipelines status --mend`, which marks those days, and then this again."
)
REASON_CHARACTERS = 300
_VALUE = re.compile(r'Value ".*?" of type', re.DOTALL)
_ALL_THERE_IS = re.compile(r"""Failure condition: |\s+(?:Expected: "\{|In order for this execution).*""", re.DOTALL)


class InstanceError(ConfigurationError):
    """Dagster can make no instance of what its home holds; the message says why, and what to do."""


def home_folder() -> Path:
    """`DAGSTER_HOME`, or `.local/dagster` in the checkout."""
    return folder_of("DAGSTER_HOME") or LOCAL / "dagster"


def prepare() -> Path:
    """Make the folder ready, point `DAGSTER_HOME` at it and return it. Safe to repeat, also while Dagster runs.

    From here on, files of this process and of those that it starts are its own user's alone. A Dagster that was there
    before stays as it is: its owner, or a Helm chart, has set it up, be it with an empty file or with none.
    """
    folder = home_folder()
    if folder.is_relative_to(LOCAL):
        LOCAL.mkdir(exist_ok=True)  # before the umask: root's private Postgres, which is another account's, has to pass
    os.umask(0o077)
    folder.mkdir(parents=True, exist_ok=True)
    if folder == LOCAL / "dagster":  # made by an earlier version, open to all; another folder is its owner's
        folder.chmod(0o700)
    os.environ["DAGSTER_HOME"] = str(folder)
    target, text = folder / "dagster.yaml", _project_text() + _storage(folder)
    if not _is_ours(folder):
        return folder
    if not target.exists() or target.read_bytes() != text.encode():
        with atomic_file(target) as draft:
            draft.write_text(text, "utf-8")
    if not os.environ.get("DAGSTER_POSTGRES_HOST"):
        _make_files(folder)
    return folder


def instance() -> dg.DagsterInstance:
    """Dagster's, of the home, which is made ready. Raises `InstanceError`, or the errors of a database or a file."""
    prepare()
    return _opened()


def expect_usable() -> None:
    """Raises as `instance` does. For what starts Dagster's own programs: they end in a traceback.

    A home of ours with its files is taken to be good, as Dagster takes a second to import.
    """
    home = folder_of("DAGSTER_HOME")
    if home:
        os.environ["DAGSTER_HOME"] = str(home)  # Dagster takes none but an absolute path
    if not home or (_is_ours(home) and not os.environ.get("DAGSTER_POSTGRES_HOST") and _has_files(home)):
        return
    with _opened():
        pass


def unusable(home: str, error: Exception) -> str:
    """What to say of a home of which Dagster can make no instance: in one line, without what may be a password."""
    from resources.kaltura.errors import redacted

    database = _of_database(error)
    of_settings = [str(getattr(each, "message", each)) for each in getattr(error, "errors", None) or ()]
    said = str(database) if database else " ".join(of_settings or [str(error)])
    said = _VALUE.sub("A value of type", said.replace(f"{home}/dagster.yaml", "dagster.yaml"))
    said = redacted(_ALL_THERE_IS.sub("", said), os.environ.get("DAGSTER_POSTGRES_PASSWORD", ""))
    reason = said[:REASON_CHARACTERS].rstrip(" .") or type(error).__name__
    return f"Dagster can't use {printable(home)}/dagster.yaml: {reason}."


def unusable_history(error: BaseException) -> str | None:
    """That Dagster's storage can't be used, and why; None of other errors. The warehouse's own are never these."""
    database = _of_database(error)
    if database is None:
        return None
    host, home = os.environ.get("DAGSTER_POSTGRES_HOST"), os.environ.get("DAGSTER_HOME")
    where = f"in the database on DAGSTER_POSTGRES_HOST={host}" if host else f"in DAGSTER_HOME={home}"
    lines = str(database).strip().splitlines()
    return f"Dagster's history {where} can't be used: {printable(lines[0] if lines else type(database).__name__)}."


def _of_database(error: BaseException) -> BaseException | None:
    """What the driver of Dagster's storage said; None where it is another error.

    A package that was not imported has raised none.
    """
    wrapped = getattr(sys.modules.get("dagster_postgres.utils"), "DagsterPostgresException", ())
    if isinstance(error, wrapped):  # "too many retries", of which the last
        return (error.__cause__ and _of_database(error.__cause__)) or error
    of_sql = getattr(sys.modules.get("sqlalchemy.exc"), "DBAPIError", ())
    return (getattr(error, "orig", None) or error) if isinstance(error, of_sql) else None


def _opened() -> dg.DagsterInstance:
    import dagster as dg  # takes seconds

    try:
        with _said_once():
            return dg.DagsterInstance.get()
    except Exception as error:  # whatever: the file is anybody's, and names classes of any package
        if isinstance(error, OSError) or unusable_history(error):
            raise
        advice = "Mend that file, or set DAGSTER_HOME to another folder."
        raise InstanceError(f"{unusable(os.environ['DAGSTER_HOME'], error)} {advice}") from error


@contextmanager
def _said_once() -> Iterator[None]:
    """Of each try at its Postgres Dagster tells in three lines. What came of them is told by the error."""

    def is_no_retry(record: logging.LogRecord) -> bool:
        return not str(record.msg).startswith("Retrying failed database connection")

    logging.getLogger().addFilter(is_no_retry)
    try:
        yield
    finally:
        logging.getLogger().removeFilter(is_no_retry)


def _is_ours(folder: Path) -> bool:
    """Whether the file is ours to write: it is one of ours already, or no Dagster has been there."""
    has_history_by_default = (folder / DEFAULT_HISTORY).exists()
    try:
        there = (folder / "dagster.yaml").read_bytes()
    except FileNotFoundError:
        return not has_history_by_default
    if (folder / "dagster.yaml").resolve() == CHECKOUT / "dagster.yaml":
        return False
    if not there.strip(b"\0"):
        return _was_cut_off(folder) and not has_history_by_default
    is_a_copy = b"\nstorage:" not in there  # of ours, by somebody whose history is where Dagster has it by default
    return there.startswith(OURS_BEGINS) and not (is_a_copy and has_history_by_default)


def _was_cut_off(folder: Path) -> bool:
    """Whether an empty file is what a power cut has left of ours: beside it is what our settings make."""
    made = "" if os.environ.get("DAGSTER_POSTGRES_HOST") else SQLITE_FILES[0]
    return (folder / "storage" / made).exists()


def _project_text() -> str:
    return (CHECKOUT / "dagster.yaml").read_text("utf-8")


def _has_files(folder: Path) -> bool:
    return all((folder / "storage" / name).exists() for name in SQLITE_FILES)


def _make_files(folder: Path) -> None:
    """SQLite's files, made by one process: of two that do it at once, one fails on the other's tables."""
    with (folder / "new.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _has_files(folder):
            with _opened() as made:
                made.get_run_ids(limit=1)


def _storage(folder: Path) -> str:
    host = os.environ.get("DAGSTER_POSTGRES_HOST", "")
    if not host:
        return _sqlite_storage(folder / "storage")
    if "://" in host or "@" in host[1:]:  # a URL, with a password in it: the host is named where it can't be reached
        raise SettingError(
            "DAGSTER_POSTGRES_HOST is the name of a host alone. Port, database, user and password have settings of their own, "
            "DAGSTER_POSTGRES_PORT, _DB, _USER and _PASSWORD."
        )
    for name, default in (("PORT", "5432"), ("DB", "dagster"), ("USER", "dagster"), ("PASSWORD", "")):
        os.environ.setdefault(f"DAGSTER_POSTGRES_{name}", default)
    return POSTGRES_STORAGE


def _sqlite_storage(folder: Path) -> str:
    """Quoted where it has to be: in a path, ` #` would begin a comment, and `: ` a mapping."""
    import yaml

    return "\n" + yaml.safe_dump({"storage": {"sqlite": {"base_dir": str(folder)}}}, width=math.inf)
