"""How large the worlds of the tests are: as small as the case, or with `TESTS=deep` (`make test-deep`) as large as life.

What is marked `larger` runs in both. What takes long in any size is marked `deep`, and runs in `make test-deep` alone.
With `HYPOTHESIS_PROFILE=fuzz` (`make fuzz`) the property tests take as many examples as the time allows.
"""

import functools
import os
import time
from collections.abc import Callable

from hypothesis.errors import HypothesisException

DEEP = os.environ.get("TESTS") == "deep"
FUZZ = os.environ.get("HYPOTHESIS_PROFILE") == "fuzz"


def examples(number: int) -> int:
    """How many examples a property takes, where a thorough run is one of twice the number."""
    return number * 15 if FUZZ else number * 2 if DEEP else max(number // 4, 5)


FUZZ_SECONDS = 600
_TESTS = 9  # that take their whole time, on all workers together
SECONDS_A_TEST = FUZZ_SECONDS / _TESTS * int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))


def in_time(test: Callable[..., None]) -> Callable[..., None]:
    """The test of an example; in `make fuzz` it passes unseen once the time is over, unless one has failed."""
    if not FUZZ:
        return test
    began: dict[str, float] = {}
    failed: set[str] = set()

    @functools.wraps(test)
    def tried(*args: object, **more: object) -> None:
        name = os.environ["PYTEST_CURRENT_TEST"]
        is_over = time.monotonic() - began.setdefault(name, time.monotonic()) > SECONDS_A_TEST
        if is_over and name not in failed:
            return
        try:
            test(*args, **more)
        except HypothesisException:
            raise
        except Exception:
            failed.add(name)  # from now on the same example is looked at again, to make it smaller
            raise

    return tried
