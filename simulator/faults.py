"""Faults to order: what goes wrong with a request, when, and how often.

A `Fault` names its kind and the requests it is for. Of the kinds that replace the reply (`REPLACES_REPLY`) the first
planned one that fits a request is used and the others wait for later requests; those that change a reply add up.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal, get_args

# The reply is something else than the report.
Replacement = Literal[
    "rate_limit", "timeout", "timeout_rows", "bad_gateway", "html", "reset", "zero_bytes", "expired_ks", "echoed_ks",
    "refused_ks", "internal_error", "database_error", "report_not_found", "service_forbidden",
]  # fmt: skip
# The reply is the report, but not as it should be.
Change = Literal[
    "slow", "short_body", "unreadable_store", "count_lost", "ignore_filters", "missing_column",
    "extra_column", "truncate", "null_figures", "estimated_users", "rewritten",
]  # fmt: skip
Kind = Replacement | Change

REPLACES_REPLY: frozenset[str] = frozenset(get_args(Replacement))
KINDS: tuple[str, ...] = (*get_args(Replacement), *get_args(Change))

FAILING_DOCUMENTS: Mapping[Kind, tuple[str, str]] = {
    "rate_limit": ("ACTION_BLOCKED", "Action is blocked for now"),
    "timeout": ("DRUID_QUERY_TIMED_OUT", "The query took too long"),
    "timeout_rows": ("DRUID_QUERY_TIMED_OUT", "The query took too long"),
    "internal_error": ("INTERNAL_SERVERL_ERROR", "Internal server error occurred"),
    "database_error": ("INTERNAL_DATABASE_ERROR", "Internal database error occurred"),
    "service_forbidden": ("SERVICE_FORBIDDEN", "This session may not use this service"),
}


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong. It fits a request that meets all conditions given, `times` times (None: always)."""

    kind: Kind
    times: int | None = 1
    after: int = 0  # how many fitting requests go well first
    on: Literal["report", "session"] = "report"  # reports, or the actions that start a session
    report_id: int | None = None
    min_span_seconds: int | None = None  # only windows at least this wide
    covers: int | None = None  # only windows that hold this Unix second
    min_rows: int | None = None  # only replies of at least this many rows
    filtered: bool | None = None  # only requests with a filter (True), or without one (False)
    seconds: float = 1.0  # slow: the delay
    column: str = ""  # missing_column, extra_column, null_figures: the column's name
    value: str = ""  # extra_column: what its cells hold; refused_ks: the reason
    rows: int = 0  # truncate: how many rows are left
    rewrite: Callable[[str], str] = (
        str  # rewritten: the report's text, without its mark, as Kaltura may come to send it
    )
    percent: float = 2.0  # estimated_users: how far off the counts are
    status: int = 502  # bad_gateway: the HTTP status

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"unknown kind of fault {self.kind!r}; known are {', '.join(KINDS)}")
        if self.kind == "timeout_rows" and self.min_rows is None:
            raise ValueError("a timeout_rows fault needs min_rows")


@dataclass(frozen=True)
class Call:
    """What faults are chosen by. `rows` is None until the report is drawn."""

    on: Literal["report", "session"]
    report_id: int | None = None
    window: range = range(0)
    filtered: bool = False
    rows: int | None = None


class Faults:
    """The plan of faults. It can be changed while the server runs."""

    def __init__(self) -> None:
        self._plan: list[Fault] = []
        self._lock = threading.Lock()

    def add(self, *faults: Fault) -> None:
        with self._lock:
            self._plan.extend(faults)

    def clear(self) -> None:
        with self._lock:
            self._plan.clear()

    @property
    def planned(self) -> tuple[Fault, ...]:
        """What is still to come."""
        with self._lock:
            return tuple(self._plan)

    def due(self, call: Call) -> list[Fault]:
        """The faults that this call meets with; each is used up by one.

        A call is asked about twice: before its report is drawn, and with the number of its rows after that.
        """
        with self._lock:
            due: list[Fault] = []
            left: list[Fault] = []
            for fault in self._plan:
                is_taken = fault.kind in REPLACES_REPLY and any(other.kind in REPLACES_REPLY for other in due)
                if is_taken or not _fits(fault, call):
                    left.append(fault)
                elif fault.after:
                    left.append(replace(fault, after=fault.after - 1))
                else:
                    due.append(fault)
                    if fault.times is None or fault.times > 1:
                        left.append(replace(fault, times=fault.times and fault.times - 1))
            self._plan = left
            return due


def _fits(fault: Fault, call: Call) -> bool:
    return (
        fault.on == call.on
        and fault.report_id in (None, call.report_id)
        and (fault.min_span_seconds is None or len(call.window) >= fault.min_span_seconds)
        and (fault.covers is None or fault.covers in call.window)
        and (fault.filtered is None or fault.filtered == call.filtered)
        and (fault.min_rows is None) == (call.rows is None)
        and (fault.min_rows is None or call.rows is None or call.rows >= fault.min_rows)
    )
