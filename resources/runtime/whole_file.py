"""A file that is there whole or not at all, and readable by its owner alone: it may name people."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from resources.runtime.drafts import draft_folder, remove_left_drafts


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A draft to write, beside `path`. It takes that name when the block ends well, and is gone where it does not.

    Where the process is killed, the next one that writes a file into the folder takes the draft away.
    """
    remove_left_drafts(path.parent)
    with draft_folder(path) as (folder, _):
        draft = folder / path.name
        draft.touch(0o600)
        yield draft
        with draft.open("rb") as written:  # a name that outlives a power cut is to have its content
            os.fsync(written.fileno())
        draft.replace(path)
