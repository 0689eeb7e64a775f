"""Ctrl-C, remembered: Python drops the exception of a signal that arrives while a finalizer or a weak reference's
callback runs, and what was to be stopped goes on.
"""

import os
import signal
from types import TracebackType
from typing import Self


class Interrupts:
    """Notes each SIGINT as it arrives, whoever handles it and whatever becomes of that. For the main thread."""

    def __enter__(self) -> Self:
        self._read, self._write = os.pipe()
        os.set_blocking(self._read, False)
        os.set_blocking(self._write, False)
        self._before = signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        signal.set_wakeup_fd(self._before)
        os.close(self._read)
        os.close(self._write)

    def any_since_asked(self) -> bool:
        """Whether there was one since this was last asked."""
        try:
            return signal.SIGINT in os.read(self._read, 1024)
        except BlockingIOError:
            return False
