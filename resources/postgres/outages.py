"""A database that restarts, or fails over to another machine, is waited for in the middle of a run."""

from collections.abc import Callable, Iterable

import stamina

WAITED_FOR_SECONDS = 180


def attempts(is_outage: Callable[[Exception], bool]) -> Iterable[stamina.Attempt]:
    """What `for attempt in attempts(...): with attempt: ...` does again, with pauses, while it raises an outage."""
    return stamina.retry_context(
        on=is_outage, attempts=None, timeout=WAITED_FOR_SECONDS, wait_initial=0.5, wait_max=10, wait_jitter=1
    )
