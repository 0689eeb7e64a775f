"""A run of some days in this process, and what its time went to: `python -m bench.year_run FIRST LAST REPORT`.

Writes a JSON of seconds to REPORT: `wall` (the run), `api` (of it, with a request under way), `waiting` (nothing else
going on meanwhile), `postgres`, `dagster` (events), `pandas` (the rest of bringing days in), and `peak_bytes`.
"""

import json
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

Span = tuple[float, float]

_spans: dict[str, list[Span]] = defaultdict(list)
_lock = threading.Lock()


def main() -> None:
    first, last, report = sys.argv[1:]
    import dagster as dg

    from assets.pull.extract import _Pull
    from assets.reports import REPORTS
    from pipelines.definitions import defs
    from resources.kaltura.client import Client
    from resources.warehouse.warehouse import Warehouse

    _watch(Client, Client.post, "api")
    _watch(Warehouse, Warehouse.upsert, "postgres")
    _watch(dg.DagsterInstance, dg.DagsterInstance.handle_new_event, "dagster")
    for method in (_Pull.sessions, _Pull.tied, _Pull.arrived):
        _watch(_Pull, method, "bringing")
    with dg.DagsterInstance.get() as instance:
        job = defs.resolve_implicit_global_asset_job_def()
        started = time.perf_counter()
        result = job.execute_in_process(
            instance=instance,
            asset_selection=[report.key for report in REPORTS],
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            tags={"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last},
        )
        wall = time.perf_counter() - started
    assert result.success
    Path(report).write_text(json.dumps(_seconds(wall)), "utf-8")


def _watch(owner: type, method: Callable[..., Any], kind: str) -> None:
    """Record when each call of a method of `owner` begins and ends."""

    def watched(*given: Any, **named: Any) -> Any:
        started = time.perf_counter()
        try:
            return method(*given, **named)
        finally:
            with _lock:
                _spans[kind].append((started, time.perf_counter()))

    setattr(owner, method.__name__, watched)


def _seconds(wall: float) -> dict[str, float]:
    api, postgres, dagster, bringing = (_merged(_spans[kind]) for kind in ("api", "postgres", "dagster", "bringing"))
    busy = _merged([*postgres, *dagster, *_without(bringing, api)])
    return {
        "wall": wall,
        "requests": len(_spans["api"]),
        "api": _length(api),
        "waiting": _length(_without(api, busy)),
        "postgres": _length(postgres),
        "dagster": _length(dagster),
        "pandas": _length(_without(bringing, api)),
        "peak_bytes": _peak_bytes(),
    }


def _peak_bytes() -> int:
    """Of this process alone. What getrusage tells begins with what the process had that started this one."""
    status = Path("/proc/self/status").read_text("utf-8")
    [line] = [line for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) * 1024


def _merged(spans: list[Span]) -> list[Span]:
    """The same time, each moment once."""
    merged: list[Span] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _without(spans: list[Span], others: list[Span]) -> list[Span]:
    """`spans` as far as no other covers them. Both are merged."""
    left: list[Span] = []
    for start, end in spans:
        reached = start
        for other_start, other_end in others:
            if other_end <= reached or other_start >= end:
                continue
            if other_start > reached:
                left.append((reached, other_start))
            reached = other_end
        if reached < end:
            left.append((reached, end))
    return left


def _length(spans: list[Span]) -> float:
    return sum(end - start for start, end in spans)


if __name__ == "__main__":
    main()
