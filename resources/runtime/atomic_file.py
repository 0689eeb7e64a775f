"""Files that are there whole or not at all, and readable by their owner alone: they may name people."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from resources.runtime.drafts import alone_in, draft_folder, remove_left_drafts


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """A draft to write, beside `path`. It takes that name when the block ends well, and is gone where it does not.

    Where the process is killed, the next one that writes a file into the folder takes the draft away.
    """
    remove_left_drafts(path.parent)
    with draft_folder(path) as (folder, _):
        draft = _draft(folder, path)
        yield draft
        _sync(draft)
        draft.replace(path)


@contextmanager
def atomic_files(folder: Path) -> Iterator[Callable[[str], Path]]:
    """What gives a draft to write for a name in the folder. All take their names if the block ends well, and none if not.

    The last one tells of the others: while they take their places there is none of that name.
    """
    remove_left_drafts(folder)
    drafts: dict[Path, Path] = {}
    with ExitStack() as stack:

        def draft(name: str) -> Path:
            inside, _ = stack.enter_context(draft_folder(folder / name))
            drafts[folder / name] = _draft(inside, folder / name)
            return drafts[folder / name]

        yield draft
        for each in drafts.values():
            _sync(each)
        with alone_in(folder):
            [*_, last] = drafts
            last.unlink(missing_ok=True)
            for path, each in drafts.items():
                each.replace(path)


def _draft(folder: Path, path: Path) -> Path:
    draft = folder / path.name
    draft.touch(0o600)
    return draft


def _sync(draft: Path) -> None:
    """A name that outlives a power cut is to have its content."""
    with draft.open("rb") as written:
        os.fsync(written.fileno())
