"""The folder of backups: what they are called, the drafts that they are written in, and which are old enough to go."""

import datetime as dt
import fcntl
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from resources.settings import output_folder

_TIME = "%Y-%m-%dT%H%M%SZ"
_NAME = re.compile(r"kaltura-(?P<time>\d{4}-\d\d-\d\dT\d{6}Z)\.dump")
_DRAFT = re.compile(r"\.(?P<file>.+)\.[a-z0-9_]{8}\.draft")
_DRAFT_BEFORE = re.compile(rf"\.(?P<file>{_NAME.pattern})\.[a-z0-9_]{{8}}")  # of earlier versions, which took no lock
_LOCK = "lock"
UNLOCKED_SECONDS = 24 * 3600  # a draft without a lock that was not written to for so long is nobody's


def new_file(folder: Path | None = None) -> Path:
    """A backup's default name, in that folder or the one where backups go by default."""
    return (folder or output_folder("backups")) / f"kaltura-{dt.datetime.now(dt.UTC):{_TIME}}.dump"


def manifest_of(file: Path) -> Path:
    return file.with_name(f"{file.name}.json")


@contextmanager
def draft_folder(file: Path) -> Iterator[tuple[Path, int]]:
    """A folder beside the file to write it in, and the lock that says so: an open file, for other processes that write."""
    with tempfile.TemporaryDirectory(prefix=f".{file.name}.", suffix=".draft", dir=file.parent) as name:
        new = Path(name) / f"{_LOCK}.new"
        lock = os.open(new, os.O_CREAT | os.O_RDWR, 0o600)
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                new.replace(new.with_name(_LOCK))  # so that whoever sees it sees it taken
            except OSError:  # a file system that knows no locks
                new.unlink()
            yield Path(name), lock
        finally:
            os.close(lock)


def remove_left_drafts(folder: Path) -> None:
    """Remove the drafts of processes that were killed: they take room, and hold rows with names in them."""
    with suppress(PermissionError):  # a folder that may be written to and not read
        for path in folder.iterdir():
            found = _DRAFT.fullmatch(path.name) or _DRAFT_BEFORE.fullmatch(path.name)
            with suppress(FileNotFoundError, PermissionError):  # just removed by its process, or another user's
                if found and path.is_dir() and not path.is_symlink() and _is_left(path, Path(found["file"])):
                    shutil.rmtree(path)


def remove_older(newest: Path, before: dt.datetime) -> list[Path]:
    """Remove the backups beside the newest that have the default name and were made before then, both files of each.

    Returns the dumps among them.
    """
    beside = {path for path in newest.parent.iterdir() if path.is_file()} - {newest, manifest_of(newest)}
    found = [path for path in sorted(beside) if (made := _made_at(path.name.removesuffix(".json"))) and made < before]
    for path in found:  # a dump before its manifest: one that is left alone goes the next time
        path.unlink(missing_ok=True)
    return [path for path in found if path.suffix == ".dump"]


def _made_at(name: str) -> dt.datetime | None:
    """When a backup was made, by its name; None of another's file."""
    found = _NAME.fullmatch(name)
    try:
        return dt.datetime.strptime(found["time"], _TIME).replace(tzinfo=dt.UTC) if found else None
    except ValueError:
        return None


def _is_left(draft: Path, file: Path) -> bool:
    inside = list(draft.iterdir())
    if not {path.name for path in inside} <= {file.name, manifest_of(file).name, _LOCK}:
        return False
    if (draft / _LOCK) in inside:
        return _is_free(draft / _LOCK)
    return max(path.stat().st_mtime for path in (draft, *inside)) < time.time() - UNLOCKED_SECONDS


def _is_free(lock: Path) -> bool:
    with lock.open("r+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
    return True
