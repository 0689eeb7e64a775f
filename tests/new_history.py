"""Dagster's history as it is when it is new, made once for all tests and copied: each file is migrated from nothing else."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import run_folder

MEMORY = Path("/dev/shm")  # Dagster waits for the disk at each event


def put_into(folder: Path) -> None:
    """The files where Dagster's SQLite storage with this folder looks for them, unless it has some already."""
    made = run_folder.folder() / "new history"
    with run_folder.alone("new history"):
        if not (made / "is ready").exists():
            shutil.rmtree(made, ignore_errors=True)
            made.mkdir()
            with dg.DagsterInstance.local_temp(str(made)):
                pass
            (made / "is ready").touch()
    if not (folder / "history").exists():
        for name in ("history", "schedules"):
            shutil.copytree(made / name, folder / name)


@contextmanager
def instance() -> Iterator[dg.DagsterInstance]:
    """A Dagster that has seen nothing, whose history is in files."""
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as home:
        put_into(Path(home))
        with dg.DagsterInstance.local_temp(home) as made:
            yield made
