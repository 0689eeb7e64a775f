"""What a figure is, and how it comes about: contestants take turns, round after round, and the median stands."""

import gc
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Figure:
    """A number with its unit, what it was measured as, and the most it may be where something was promised."""

    name: str
    value: float
    unit: str = "x"
    at_most: float | None = None
    samples: Sequence[float] = field(default=(), repr=False)

    @classmethod
    def read(cls, json: Mapping[str, Any]) -> "Figure":
        """What `as_json` wrote."""
        return cls(**{each.name: json[each.name] for each in fields(cls)})

    @property
    def is_ratio(self) -> bool:
        return self.unit == "x"

    @property
    def is_kept(self) -> bool | None:
        return None if self.at_most is None else self.value <= self.at_most

    def as_json(self) -> dict[str, object]:
        return {**asdict(self), "samples": [round(sample, 4) for sample in self.samples], "value": round(self.value, 4)}


def seconds(work: Callable[[], object]) -> float:
    """How long `work` takes, without the garbage of what ran before it."""
    gc.collect()
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def median(name: str, samples: Sequence[float], unit: str = "s", at_most: float | None = None) -> Figure:
    return Figure(name, statistics.median(samples), unit, at_most, samples)


def ratio(name: str, upper: Sequence[float], lower: Sequence[float], at_most: float | None = None) -> Figure:
    """The median of the rounds' own ratios: what slows a round down slows both."""
    samples = [above / below for above, below in zip(upper, lower, strict=True)]
    return Figure(name, statistics.median(samples), "x", at_most, samples)


def beside(url: str, database: str) -> str:
    """The URL of another database of the same server."""
    return urlsplit(url)._replace(path=f"/{database}").geturl()


def turns(rounds: int, contestants: Iterable[str]) -> Iterable[tuple[int, str]]:
    """Every contestant in every round; who begins moves on by one each time."""
    names = list(contestants)
    for number in range(rounds):
        shift = number % len(names)
        for name in names[shift:] + names[:shift]:
            yield number, name
