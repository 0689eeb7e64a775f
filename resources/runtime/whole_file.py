"""A file that is there whole or not at all, and readable by its owner alone: it may name people."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A draft to write, beside `path`. It takes that name when the block ends well, and is gone where it does not."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.touch(0o600)
        yield draft
        draft.replace(path)
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
