"""Drafts: a file is written in a folder beside its place, of which others can tell whether anybody still writes in it.

What is killed can't take its draft away, and rows with names may stand in it: whoever next writes a file into that folder
does. A lock tells, and not the id of a process: those of two containers are the same.
"""

import fcntl
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

_LOCK = "lock"
_LOCK_NEW = f"{_LOCK}.new"
UNLOCKED_SECONDS = 24 * 3600  # a draft without a lock that was not written to for so long is nobody's
_DRAFT = re.compile(r"\.(?P<file>.+)\.[a-z0-9_]{8}\.draft")
_PART = re.compile(r"tmp[a-z0-9_]{8}")  # what a library puts there of its own, by `tempfile`
# Of earlier versions, which took no lock: a backup's folder, a sheet's, and a file of an export.
_BACKUP_BEFORE = re.compile(r"\.(?P<file>kaltura-\d{4}-\d\d-\d\dT\d{6}Z\.dump)\.[a-z0-9_]{8}")
_SHEET_BEFORE = re.compile(r"\.[a-z_]+\.[a-z0-9_]{8}")
_FILE_BEFORE = re.compile(r"\.(?:[a-z_]+\.(?:parquet|csv|xlsx)|export\.json)\.\d+")


@contextmanager
def draft_folder(file: Path) -> Iterator[tuple[Path, int]]:
    """A folder beside the file to write it in, and the lock that says so: an open file, for other processes that write.

    Nothing else is to stand in it than the file, one of its name and `.json`, and what `tempfile` names.
    """
    with tempfile.TemporaryDirectory(
        prefix=f".{file.name}.", suffix=".draft", dir=file.parent, ignore_cleanup_errors=True
    ) as name:
        new = Path(name) / _LOCK_NEW
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


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """While drafts take their places in it: another one that puts its files there is waited for, a moment."""
    with ExitStack() as stack:
        with suppress(OSError):  # a file system that knows no locks, a folder that may be written to and not read
            opened = os.open(folder, os.O_RDONLY)
            stack.callback(os.close, opened)
            fcntl.flock(opened, fcntl.LOCK_EX)
        yield


def remove_left_drafts(folder: Path) -> None:
    """Remove the drafts of processes that were killed: they take room, and hold rows with names in them.

    No write fails over it: what is wrong with the folder itself, the write says.
    """
    with suppress(OSError):  # a folder that may be written to and not read
        for path in folder.iterdir():
            with suppress(OSError):  # another user's, or just removed by its process, on this machine or another
                if not path.name.startswith(".") or path.is_symlink():
                    continue
                if path.is_dir() and _is_left(path):
                    shutil.rmtree(path)
                elif _FILE_BEFORE.fullmatch(path.name) and path.is_file() and _is_old(path):
                    path.unlink()


def _is_left(draft: Path) -> bool:
    inside = list(draft.iterdir())
    others = {path.name for path in inside if not _PART.fullmatch(path.name)}
    if found := _DRAFT.fullmatch(draft.name) or _BACKUP_BEFORE.fullmatch(draft.name):
        if not others <= {found["file"], f"{found['file']}.json", _LOCK, _LOCK_NEW}:
            return False
        return _is_free(draft / _LOCK) if _LOCK in others else _is_old(draft, *inside)
    return bool(inside and not others and _SHEET_BEFORE.fullmatch(draft.name)) and _is_old(draft, *inside)


def _is_old(*paths: Path) -> bool:
    return max(path.stat().st_mtime for path in paths) < time.time() - UNLOCKED_SECONDS


def _is_free(lock: Path) -> bool:
    with lock.open("r+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
    return True
