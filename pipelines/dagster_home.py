"""Dagster's home: where its instance keeps runs, events and schedules; made from `dagster.yaml` and the environment."""

import fcntl
import os
from pathlib import Path

from resources.settings import CHECKOUT, LOCAL

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
SQLITE_STORAGE = """
storage:
  sqlite:
    base_dir: {folder}
"""
SQLITE_FILES = ("history/runs.db", "history/runs/index.db", "schedules/schedules.db")


def prepare() -> Path:
    """Make the folder ready, point `DAGSTER_HOME` at it and return it. Safe to repeat, also while Dagster runs.

    From here on, files of this process and of those that it starts are its own user's alone. A `dagster.yaml` there that
    is not from here stays as it is: its owner, or a Helm chart, wrote it.
    """
    folder = Path(os.environ.get("DAGSTER_HOME") or LOCAL / "dagster").absolute()
    if folder.is_relative_to(LOCAL):
        LOCAL.mkdir(exist_ok=True)  # before the umask: root's private Postgres, which is another account's, has to pass
    os.umask(0o077)
    folder.mkdir(parents=True, exist_ok=True)
    if folder == LOCAL / "dagster":  # made by an earlier version, open to all; another folder is its owner's
        folder.chmod(0o700)
    os.environ["DAGSTER_HOME"] = str(folder)
    text = (CHECKOUT / "dagster.yaml").read_text("utf-8") + _storage(folder)
    target = folder / "dagster.yaml"
    there = target.read_text("utf-8") if target.exists() else ""
    if target.resolve() == CHECKOUT / "dagster.yaml" or (there and there.partition("\n")[0] != text.partition("\n")[0]):
        return folder
    if there != text:
        draft = target.with_suffix(f".{os.getpid()}")
        draft.write_text(text, "utf-8")
        draft.replace(target)
    if not os.environ.get("DAGSTER_POSTGRES_HOST"):
        _make_files(folder)
    return folder


def _make_files(folder: Path) -> None:
    """SQLite's files, made by one process: of two that do it at once, one fails on the other's tables."""
    with (folder / "new.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if all((folder / "storage" / name).exists() for name in SQLITE_FILES):
            return
        import dagster as dg  # takes seconds

        with dg.DagsterInstance.get() as instance:
            instance.get_run_ids(limit=1)


def _storage(folder: Path) -> str:
    if not os.environ.get("DAGSTER_POSTGRES_HOST"):
        return SQLITE_STORAGE.format(folder=folder / "storage")
    for name, default in (("PORT", "5432"), ("DB", "dagster"), ("USER", "dagster"), ("PASSWORD", "")):
        os.environ.setdefault(f"DAGSTER_POSTGRES_{name}", default)
    return POSTGRES_STORAGE
