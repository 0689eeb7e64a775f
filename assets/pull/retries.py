"""Which failures pass by themselves, and how a run says so to Dagster.

Dagster knows three ways of trying again, and they do not know of each other:

- a step's `RetryPolicy` reads `Failure(allow_retries=False)`. There is none here: it would pull a whole range again;
- the run-retry daemon (`run_retries` in dagster.yaml) does not read it. It goes by tags of the failed run alone, which
  the instance reads in the moment in which the run's failure is stored: `dagster/retry_on_asset_or_op_failure` overrides
  the setting of the same name, `dagster/max_retries` the number. A run whose process was killed is retried whatever the
  first of them says, for its reason is another;
- a person, who re-executes the run. That run inherits the tags of the one before it.

So a run that fails sets that one tag, to `true` or to `false`, always: without it, an installation whose dagster.yaml
leaves Dagster's default of `true` would ask three times with a password that is wrong, and a re-execution would inherit
what an earlier run decided. `dagster/max_retries` is left alone: inherited as 0, it would keep a re-executed run whose
process is killed from being started again.

Whether a failure passes is a matter of its class. What Kaltura could not answer now it may answer in five minutes:
timeouts, rate limits, gateways' errors, a database that is being restarted. What it refused, or answered in a way that
is not understood, it will refuse again until a person changes something; every retry would only ask in vain, and say so
in one more alert. An error that nobody thought of is taken to be a fault of the program, and stays.

The daemon knows no pause between a run and its retry. The retried run makes it, before its first request. It holds the
API's pool meanwhile, which is as well: other runs would ask the same ailing server.
"""

import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import psycopg

from resources.errors import ConfigurationError
from resources.kaltura.errors import EmptyReply, FiguresLost, KalturaError, TimedOut, Unavailable
from resources.postgres import outages
from resources.postgres.session import refused
from resources.warehouse.warehouse import DayLost, WarehouseUnreachable

RETRY_NUMBER_TAG = "dagster/retry_number"  # set by the daemon alone, on the runs that it starts
RETRY_ON_FAILURE_TAG = "dagster/retry_on_asset_or_op_failure"
MAX_RETRIES_TAG = "dagster/max_retries"

# Before the first retry, and before each after it. The client has asked for some two minutes by then: what lasts longer is a
# restart (a minute) or a disturbance (longer than anyone wants a schedule's run to wait).
BACKOFF_SECONDS = (60, 300)

_PASSING = (Unavailable, TimedOut, EmptyReply, FiguresLost, WarehouseUnreachable, DayLost)


class Transient(dg.Failure):
    """Asking again later may help: the run is retried for the days that are missing."""


class Permanent(dg.Failure):
    """Asking again is of no use before a person has changed something."""


def passes(error: BaseException) -> bool:
    """Whether the same may well succeed a few minutes later.

    A reply that could not be made small enough counts as the timeout that it was made smaller for.
    """
    return isinstance(error, _PASSING) or isinstance(error.__cause__, TimedOut) or outages.is_outage(error)


def failure(
    context: dg.AssetExecutionContext,
    errors: Iterable[BaseException],
    description: str,
    metadata: Mapping[str, dg.MetadataValue] | None = None,
) -> dg.Failure:
    """The one that decides: what to raise for a run that ends with these errors. Tags the run for the retry daemon.

    One error that passes is enough: the retry asks for all days that are missing, so also for those that won't come.
    """
    is_passing = any(passes(error) for error in errors)
    has_daemon = context.run.remote_job_origin is not None  # a command line's run has none behind it
    context.instance.add_run_tags(context.run.run_id, {RETRY_ON_FAILURE_TAG: str(is_passing and has_daemon).lower()})
    kind = Transient if is_passing else Permanent
    return kind(
        description=f"{description}\n{_what_next(context, is_passing)}",
        metadata=metadata,
        allow_retries=False,
    )


@contextmanager
def classified(context: dg.AssetExecutionContext) -> Iterator[None]:
    """Whatever ends the run before its days are counted, as a failure of the right kind."""
    try:
        yield
    except dg.Failure:
        raise
    except Exception as error:
        if isinstance(error, KalturaError | ConfigurationError):
            raise failure(context, [error], str(error)) from error
        if isinstance(error, psycopg.Error):
            shown = refused(error)
            described = failure(context, [shown], str(shown))
        else:
            context.log.error("".join(traceback.format_tb(error.__traceback__)))
            described = failure(context, [error], str(Unforeseen(error)))
    else:
        return
    raise described from None  # nothing carries the error itself, which may quote a row


class Unforeseen(Exception):
    """An error that is none of ours. Its own text may quote a row, and rows belong in no log: where it arose is told."""

    def __init__(self, error: Exception) -> None:
        at = traceback.extract_tb(error.__traceback__)[-1:]
        where = "".join(f" in {Path(frame.filename).name}, line {frame.lineno}" for frame in at)
        super().__init__(f"{type(error).__name__}{where}. This is a fault of the pipeline: please report it.")


def wait_before_retry(
    context: dg.AssetExecutionContext, scale: float = 1.0, sleep: Callable[[float], None] = time.sleep
) -> None:
    """Where the daemon has started this run as a retry: the pause that it does not make. `scale` shortens it."""
    number = context.run.tags.get(RETRY_NUMBER_TAG, "")
    if not number.isdecimal() or not int(number):
        return
    pause = scale * _pause_seconds(int(number))
    context.log.info(f"Retry {number}: waits {pause:.0f} s before its first request")
    sleep(pause)


def _what_next(context: dg.AssetExecutionContext, is_passing: bool) -> str:
    if not is_passing:
        return "It is not retried by itself: asking again does not help before the cause is mended."
    number = _next_retry(context)
    if not number:
        return "This may pass: run it again later for what is missing."
    minutes = _pause_seconds(number) // 60
    return f"This may pass: the run is retried by itself, in {minutes} min or so, for what is missing alone."


def _pause_seconds(retry_number: int) -> int:
    return BACKOFF_SECONDS[min(retry_number, len(BACKOFF_SECONDS)) - 1]


def _next_retry(context: dg.AssetExecutionContext) -> int:
    """The number that the daemon will give this run's retry; 0 where there will be none, or no daemon launched it."""
    instance, run = context.instance, context.run
    if not instance.run_retries_enabled or run.remote_job_origin is None:
        return 0
    most = run.tags.get(MAX_RETRIES_TAG, "")
    allowed = int(most) if most.isdecimal() else instance.run_retries_max_retries
    group = instance.get_run_group(run.run_id)
    number = len(list(group[1])) if group else 1
    return number if number <= allowed else 0
