"""The time by Kaltura's `Date`, whatever this machine's clock does."""

import email.utils

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resources.kaltura.clock import Clock
from resources.kaltura.errors import Refused


class Machine:
    """A world with a true time, and a machine in it whose clock is wrong and may be set."""

    def __init__(self, ahead: float = 0.0) -> None:
        self.true = 1_790_000_000.25
        self.ahead = ahead
        self.clock = Clock(wall=lambda: self.true + self.ahead, steady=lambda: self.true - 1_789_000_000)

    def ask(self, seconds: float = 0.2, date_at: float = 0.5) -> None:
        """A request that takes `seconds`, whose Date is written at that share of them."""
        asked_at = self.clock.steady()
        date = email.utils.formatdate(int(self.true + seconds * date_at), usegmt=True)
        self.true += seconds
        self.clock.heard(date, asked_at)


@given(
    st.floats(-1e8, 1e8),
    st.lists(
        st.tuples(st.floats(0, 300), st.floats(0, 1), st.floats(-1e6, 1e6) | st.just(0.0)), min_size=1, max_size=6
    ),
)
def test_the_time_is_kalturas_within_the_length_of_the_shortest_request_however_the_clock_is_set(
    ahead: float, requests: list[tuple[float, float, float]]
) -> None:
    machine = Machine(ahead)
    for seconds, date_at, jump in requests:
        machine.ask(seconds, date_at)
        machine.ahead += jump
        machine.true += 100
    shortest = min(seconds for seconds, _, _ in requests) + 1.001
    assert abs(machine.clock.now() - machine.true) <= shortest
    assert abs((machine.clock.ahead_seconds or 0.0) - machine.ahead) <= shortest


def test_a_clock_that_agrees_is_not_moved_by_what_a_date_leaves_out() -> None:
    machine = Machine()
    for _ in range(10):
        machine.ask(0.01)
        machine.true += 0.37
    assert machine.clock.now() == pytest.approx(machine.true, abs=1e-6)


@pytest.mark.parametrize("date", ["", "soon", "Thu, 99 Nov 2026 10:00:00 GMT", "Mon, 01 Jan 99999 00:00:00 GMT"])
def test_a_reply_without_a_readable_date_leaves_the_machines_own_time(date: str) -> None:
    machine = Machine(ahead=5000)
    machine.clock.heard(date, machine.clock.steady())
    machine.clock.require_agreement()
    assert machine.clock.ahead_seconds is None
    assert machine.clock.now() == pytest.approx(machine.true + 5000)


@pytest.mark.parametrize(("ahead", "is_refused"), [(590, False), (-590, False), (605, True), (-605, True), (3e8, True)])
def test_more_than_ten_minutes_are_refused_with_what_to_do(ahead: float, is_refused: bool) -> None:
    machine = Machine(ahead)
    machine.ask()
    if not is_refused:
        machine.clock.require_agreement()
        return
    with pytest.raises(Refused, match=r"(ahead of|behind) Kaltura's.*Set the clock"):
        machine.clock.require_agreement()
