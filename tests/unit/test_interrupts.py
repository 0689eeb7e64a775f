"""Ctrl-C is heard even where Python loses it."""

import gc
import signal
from collections.abc import Iterator

import pytest

from pipelines.interrupts import Interrupts


@pytest.fixture(autouse=True)
def python_own_handler() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


class InterruptedAsItGoes:
    def __del__(self) -> None:
        signal.raise_signal(signal.SIGINT)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_one_that_is_lost_in_a_finalizer_is_told_of() -> None:
    with Interrupts() as interrupts:
        lost = InterruptedAsItGoes()
        del lost
        gc.collect()
        assert interrupts.any_since_asked()
        assert not interrupts.any_since_asked()


def test_without_one_there_is_none_and_other_signals_are_not_meant() -> None:
    before = signal.signal(signal.SIGUSR1, lambda *_: None)
    with Interrupts() as interrupts:
        assert not interrupts.any_since_asked()
        signal.raise_signal(signal.SIGUSR1)
        assert not interrupts.any_since_asked()
    signal.signal(signal.SIGUSR1, before)


def test_whoever_listened_before_listens_again_afterwards() -> None:
    with Interrupts() as outer:
        with Interrupts():
            pass
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        assert outer.any_since_asked()
