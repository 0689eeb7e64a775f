"""A command in this process, and when its days began and ended: `python -m bench.watched REPORT COMMAND [OPTION ...]`.

Writes a JSON of seconds to REPORT: `wall` and `cpu` of the process from its own start, `before` the first request, `days`
from it to the last commit of a day, and what came `after`.
"""

import importlib.util
import json
import sys
import time
from collections.abc import Callable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

# A module is not imported for being watched: when the command imports it is a part of what is measured.
WATCHED = {"resources.kaltura.client": ("Client", "post"), "resources.warehouse.warehouse": ("Warehouse", "upsert")}

_begun: list[float] = []
_ended: list[float] = []


class _Watch(MetaPathFinder):
    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name not in WATCHED:
            return None
        sys.meta_path.remove(self)
        try:
            spec = importlib.util.find_spec(name)
        finally:
            sys.meta_path.insert(0, self)
        if spec and spec.loader:
            spec.loader = _Watching(spec.loader, *WATCHED[name])
        return spec


class _Watching(Loader):
    def __init__(self, loader: Loader, owner: str, method: str) -> None:
        self._loader, self._owner, self._method = loader, owner, method

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)
        owner = getattr(module, self._owner)
        setattr(owner, self._method, _timed(getattr(owner, self._method)))


def _timed(method: Callable[..., Any]) -> Callable[..., Any]:
    def timed(*given: Any, **named: Any) -> Any:
        _begun.append(time.time())
        try:
            return method(*given, **named)
        finally:
            _ended.append(time.time())

    return timed


def main() -> None:
    import psutil

    report, *command = sys.argv[1:]
    started = psutil.Process().create_time()
    sys.meta_path.insert(0, _Watch())
    sys.argv[1:] = command
    from pipelines.command_line import front_door

    try:
        front_door(prog_name="python -m pipelines")
    finally:
        first, last, now = min(_begun), max(_ended), time.time()
        seconds = {"wall": now - started, "before": first - started, "days": last - first, "after": now - last}
        Path(report).write_text(json.dumps({**seconds, "cpu": time.process_time()}), "utf-8")


if __name__ == "__main__":
    main()
