"""Dagster's history in SQLite files, kept open while a run writes to it.

Dagster opens a file for each event and closes it again. Whoever is the last to close one moves its log into it and has
both written to disk, which takes longer than the event. As long as somebody else has the file open, nobody is the last.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

import dagster as dg

ALL_RUNS = "index"  # the file of what is asked across runs; each run has one besides, by its id


@contextmanager
def kept_open(instance: dg.DagsterInstance, *run_ids: str) -> Iterator[None]:
    """The file of all runs, and those of some. Nothing where the history is in Postgres, or in memory."""
    path_of = getattr(instance.event_log_storage, "path_for_shard", None)
    with ExitStack() as opened:
        for path in [Path(path_of(name)) for name in (ALL_RUNS, *run_ids)] if path_of else []:
            if path.exists():
                connection = opened.enter_context(closing(sqlite3.connect(path)))
                with suppress(sqlite3.Error):
                    connection.execute("SELECT 1 FROM sqlite_schema").fetchall()  # before that a file is not open
        yield
