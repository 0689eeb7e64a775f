"""Ctrl-C is heard even where Python drops its exception."""

import gc
import signal
import sys
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from itertools import permutations

import dagster as dg
import pytest
from dagster._utils.interrupts import raise_interrupts_as

from resources.runtime import interrupts


@pytest.fixture(autouse=True)
def python_own_handler() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


class InterruptedAsItGoes:
    """Ctrl-C arrives in its finalizer, and before that in `times - 1` others."""

    def __init__(self, times: int = 1) -> None:
        self.times = times
        self.itself = self  # so that the collector is needed to find it

    def __del__(self) -> None:
        if self.times > 1:
            InterruptedAsItGoes(self.times - 1).itself = None  # type: ignore[assignment]
        signal.raise_signal(signal.SIGINT)


class FailsAsItGoes:
    def __init__(self, kind: type[BaseException] = ValueError) -> None:
        self.kind = kind

    def __del__(self) -> None:
        raise self.kind


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[type[BaseException]]:
    told: list[type[BaseException]] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda lost: told.append(lost.exc_type))
    return told


class Referred:
    pass


def in_a_finalizer() -> None:
    InterruptedAsItGoes()
    gc.collect()


def in_three_finalizers() -> None:
    InterruptedAsItGoes(times=3)
    gc.collect()


def in_a_callback_of_a_weak_reference() -> None:
    referred = Referred()
    kept = weakref.ref(referred, lambda _: signal.raise_signal(signal.SIGINT))
    del referred
    assert kept() is None


def in_a_callback_of_the_collector() -> None:
    def callback(phase: str, _: dict[str, int]) -> None:
        if phase == "start":
            signal.raise_signal(signal.SIGINT)

    gc.callbacks.append(callback)
    try:
        gc.collect()
    finally:
        gc.callbacks.remove(callback)


PLACES = [in_a_finalizer, in_three_finalizers, in_a_callback_of_a_weak_reference, in_a_callback_of_the_collector]


def work_with_one(place: Callable[[], None]) -> None:
    """For a minute, in small steps: a signal is handled between two of them."""
    place()
    for _ in range(6000):
        time.sleep(0.01)


@pytest.mark.parametrize("place", PLACES)
def test_one_that_arrives_where_python_drops_it_ends_the_work_all_the_same(place: Callable[[], None]) -> None:
    with interrupts.sent_until_heard(), pytest.raises(KeyboardInterrupt):
        work_with_one(place)


@pytest.mark.parametrize("place", PLACES)
def test_the_same_within_a_step_of_dagster_which_has_an_error_of_its_own_for_it(place: Callable[[], None]) -> None:
    interrupted = dg.DagsterExecutionInterruptedError
    with interrupts.sent_until_heard(), pytest.raises(interrupted), raise_interrupts_as(interrupted):
        work_with_one(place)


@pytest.mark.parametrize("kind", [ValueError, SystemExit])
def test_another_error_that_python_drops_is_told_as_before_and_interrupts_nothing(
    kind: type[BaseException], told: list[type[BaseException]]
) -> None:
    before = sys.unraisablehook
    with interrupts.sent_until_heard():
        FailsAsItGoes(kind)
        time.sleep(3 * interrupts.PAUSE_SECONDS)
    assert told == [kind]
    assert sys.unraisablehook is before


def test_a_finalizer_that_fails_is_told_of_until_ctrl_c_has_come_and_not_afterwards(
    told: list[type[BaseException]],
) -> None:
    interrupts.leave_no_traceback()
    FailsAsItGoes()
    assert told == [ValueError]
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    FailsAsItGoes()
    assert told == [ValueError]


@pytest.mark.parametrize("handler", [signal.SIG_IGN, lambda *_: None], ids=["ignored", "somebody's own"])
def test_whoever_handles_ctrl_c_already_goes_on_doing_so(
    handler: Callable[..., None], told: list[type[BaseException]]
) -> None:
    signal.signal(signal.SIGINT, handler)
    interrupts.leave_no_traceback()
    signal.raise_signal(signal.SIGINT)
    FailsAsItGoes()
    assert told == [ValueError]


@pytest.fixture
def pythons_own_for_others() -> Iterator[None]:
    before = {number: signal.signal(number, signal.SIG_DFL) for number in (signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def ended_by(*numbers: signal.Signals) -> None:
    with interrupts.also_on_termination():
        try:
            signal.raise_signal(numbers[0])
        finally:
            for each in numbers:  # while it tidies up
                signal.raise_signal(each)


@pytest.mark.usefixtures("pythons_own_for_others")
@pytest.mark.parametrize("numbers", list(permutations((signal.SIGTERM, signal.SIGHUP))))
def test_what_else_ends_a_process_is_heard_as_ctrl_c_once_and_only_in_the_block(
    numbers: Sequence[signal.Signals],
) -> None:
    with pytest.raises(KeyboardInterrupt) as heard:
        ended_by(*numbers)
    assert heard.value.__context__ is None
    assert {signal.getsignal(each) for each in numbers} == {signal.SIG_DFL}


@pytest.mark.usefixtures("pythons_own_for_others")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("handler", [signal.SIG_IGN, lambda *_: None], ids=["ignored", "somebody's own"])
def test_whoever_handles_or_ignores_it_goes_on_doing_so(number: signal.Signals, handler: Callable[..., None]) -> None:
    signal.signal(number, handler)
    ended_by(number)
    assert signal.getsignal(number) is handler
