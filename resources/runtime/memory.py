"""Memory that a long run has done with, given back to the machine between one window and the next.

A window's rows pass through a few threads, each of which gets an arena of its own from glibc, and keeps it; Arrow's own
pool keeps what it once had; and pandas' groups refer to themselves, so that they hold their rows until somebody looks.
"""

import ctypes
import gc
import sys

import pyarrow as pa

_M_ARENA_MAX = -8  # of glibc's malloc.h
ARENAS = 2  # for two threads at work


def limit_arenas() -> None:
    """Once a process. Where the C library is another, only Arrow's part applies."""
    pa.set_memory_pool(pa.system_memory_pool())
    _libc("mallopt", _M_ARENA_MAX, ARENAS)


def trim() -> None:
    gc.collect()
    _libc("malloc_trim", 0)


def _libc(function: str, *arguments: int) -> None:
    """Does nothing where there is no such function: glibc alone has them."""
    found = getattr(ctypes.CDLL(None), function, None) if sys.platform == "linux" else None
    if found:
        found(*arguments)
