"""Ctrl-C, and *Terminate* in Dagster's UI, where Python loses them, what it prints after them, and what else is heard so.

The exception of a signal that arrives while a finalizer, a weak reference's callback or a callback of the garbage
collector runs is printed and dropped, and what was to be stopped goes on: one in eight at the end of a window, when
`gc.collect` runs such callbacks by the hundred. Here the signal is sent anew until it is heard.
"""

import _thread
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

# Until the callback in which it was lost has ended; where it has not, it is lost and sent once more.
PAUSE_SECONDS = 0.02


@contextmanager
def sent_until_heard() -> Iterator[None]:
    """Every interrupt of the block ends something: none is lost in a callback. Whoever handles SIGINT is asked again."""
    print_and_drop = sys.unraisablehook
    is_over = False
    is_on_its_way = _thread.allocate_lock()

    def send() -> None:
        time.sleep(PAUSE_SECONDS)
        is_on_its_way.release()
        if not is_over:
            os.kill(os.getpid(), signal.SIGINT)

    def heard_of(lost: "sys.UnraisableHookArgs") -> None:
        if not _is_interrupt(lost.exc_type):
            print_and_drop(lost)
        elif is_on_its_way.acquire(blocking=False):
            # Not by `threading`: the callback may have broken into it while it held the lock that a new thread needs.
            _thread.start_new_thread(send, ())

    sys.unraisablehook = heard_of
    try:
        yield
    finally:
        sys.unraisablehook = print_and_drop
        is_over = True


@contextmanager
def also_on_termination() -> Iterator[None]:
    """In this block SIGTERM and SIGHUP, as of a pod that is deleted and a terminal that is closed, are heard as Ctrl-C.

    So what was begun is taken away. Whoever ignores one (`nohup`) or handles it goes on doing so. The first counts alone:
    a second would break into the tidying up.
    """
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    ours = [number for number, handler in before.items() if handler is signal.SIG_DFL]

    def interrupt(number: int, frame: FrameType | None) -> None:
        for each in ours:
            signal.signal(each, signal.SIG_IGN)
        heard = signal.getsignal(signal.SIGINT)
        (heard if callable(heard) else signal.default_int_handler)(signal.SIGINT, frame)

    for number in ours:
        signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)


def leave_no_traceback() -> None:
    """From the first Ctrl-C to the end of the process, no error of a finalizer is printed below what was said last.

    What was being made when it came is half made, and finalizers of Dagster's contexts stumble over that.
    """
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:  # ignored, or somebody's own
        return
    tell = sys.unraisablehook
    has_come = False

    def interrupt(number: int, frame: FrameType | None) -> None:
        nonlocal has_come
        has_come = True
        signal.default_int_handler(number, frame)

    signal.signal(signal.SIGINT, interrupt)
    sys.unraisablehook = lambda lost: None if has_come else tell(lost)


def _is_interrupt(kind: type[BaseException]) -> bool:
    """Python's own, or Dagster's for a step, which is no `Exception` either. It handles SIGTERM as it does SIGINT."""
    return not issubclass(kind, Exception | SystemExit | GeneratorExit)
