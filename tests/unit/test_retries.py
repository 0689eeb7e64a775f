"""Which failures pass by themselves, and how a run says so."""

from types import SimpleNamespace
from typing import Any

import dagster as dg
import psycopg
import pytest

from assets.pull import retries as failures
from assets.pull.retries import BACKOFF_SECONDS, Permanent, Transient, passes
from assets.pull.windows import NotAsked
from resources.errors import ConfigurationError
from resources.kaltura.errors import (
    BadReply,
    ColumnMissing,
    CutOff,
    FilterIgnored,
    RateLimited,
    Refused,
    ServerFault,
    SessionInvalid,
    TimedOut,
    Unavailable,
    Unsplittable,
)
from resources.settings import SettingError
from resources.warehouse.warehouse import WarehouseError, WarehouseUnreachable


@pytest.mark.parametrize(
    "error",
    [
        Unavailable("x"),
        RateLimited("x"),
        ServerFault("x"),
        TimedOut("x"),
        WarehouseUnreachable("x"),
        psycopg.OperationalError("x"),
        psycopg.errors.AdminShutdown("x"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_may_succeed_in_some_minutes_passes(error: Exception) -> None:
    assert passes(error)


@pytest.mark.parametrize(
    "error",
    [
        Refused("x"),
        SessionInvalid("x"),
        BadReply("x"),
        ColumnMissing("x"),
        FilterIgnored("x"),
        CutOff("x"),
        WarehouseError("x"),
        ConfigurationError("x"),
        SettingError("x"),
        psycopg.errors.CheckViolation("x"),
        NotAsked("x"),
        KeyError("a fault of the program"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_a_person_has_to_mend_stays(error: Exception) -> None:
    assert not passes(error)


def test_too_much_even_for_one_session_passes_only_if_it_was_a_timeout() -> None:
    def caused_by(cause: Exception) -> Exception:
        try:
            raise Unsplittable("x") from cause
        except Unsplittable as error:
            return error

    assert passes(caused_by(TimedOut("x")))
    assert not passes(caused_by(CutOff("x")))


class _Instance:
    """What `failure` asks of an instance."""

    run_retries_enabled = True
    run_retries_max_retries = 2

    def __init__(self, runs: int) -> None:
        self.runs = runs
        self.tags: dict[str, str] = {}

    def add_run_tags(self, _: str, tags: dict[str, str]) -> None:
        self.tags.update(tags)

    def get_run_group(self, run_id: str) -> tuple[str, list[object]]:
        return run_id, [object()] * self.runs


def context(*, runs: int = 1, tags: dict[str, str] | None = None, origin: object = "a code location") -> Any:
    run = SimpleNamespace(run_id="1", tags=tags or {}, remote_job_origin=origin)
    return SimpleNamespace(run=run, instance=_Instance(runs), log=SimpleNamespace(info=lambda _: None))


def test_one_day_that_may_come_later_is_enough_for_a_retry() -> None:
    of = context()
    error = failures.failure(of, [Refused("x"), Unavailable("y")], "2 days")
    assert isinstance(error, Transient)
    assert of.instance.tags == {"dagster/retry_on_asset_or_op_failure": "true"}
    assert "retried by itself, in 1 min" in (error.description or "")


@pytest.mark.parametrize("most", [1, 2, 5])
def test_the_pause_that_is_named_is_the_one_that_the_retry_makes(most: int) -> None:
    for runs in range(1, most + 1):
        description = failures.failure(
            context(runs=runs, tags={"dagster/max_retries": str(most)}), [Unavailable("x")], "1 day"
        ).description
        slept: list[float] = []
        failures.wait_before_retry(context(tags={"dagster/retry_number": str(runs)}), 1.0, slept.append)
        assert f"retried by itself, in {slept[0] / 60:.0f} min" in (description or "")


def test_a_retry_that_meets_something_that_stays_takes_the_inherited_tag_back() -> None:
    of = context(runs=2, tags={"dagster/retry_on_asset_or_op_failure": "true"})
    error = failures.failure(of, [Refused("x")], "1 day")
    assert isinstance(error, Permanent)
    assert of.instance.tags == {"dagster/retry_on_asset_or_op_failure": "false"}
    assert error.allow_retries is False


def test_the_last_retry_and_a_run_of_the_command_line_promise_none() -> None:
    for of in (context(runs=3), context(origin=None)):
        description = failures.failure(of, [Unavailable("x")], "1 day").description or ""
        assert "retried by itself" not in description
        assert "run it again later for what is missing" in description


@pytest.mark.parametrize(("number", "pause"), [("1", BACKOFF_SECONDS[0]), ("2", BACKOFF_SECONDS[1]), ("5", 300)])
def test_a_retry_of_the_daemon_waits_before_it_asks(number: str, pause: float) -> None:
    slept: list[float] = []
    failures.wait_before_retry(context(tags={"dagster/retry_number": number}), 0.5, slept.append)
    assert slept == [pause / 2]


def test_a_run_that_a_person_started_does_not_wait() -> None:
    slept: list[float] = []
    failures.wait_before_retry(context(), 1.0, slept.append)
    assert slept == []


def test_a_failure_is_one_that_dagster_shows_with_its_description() -> None:
    assert issubclass(Transient, dg.Failure)
    assert issubclass(Permanent, dg.Failure)
