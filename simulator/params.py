"""The `params` string of a report request: `key=value` pairs joined by `;`, read as leniently as Kaltura reads it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

BREAKOUT_REPORT_ID = 6002
PARENTS = "parentEntryIds"

BreakoutDates = Literal["both", "fromDate", "from_date"]

_DATE_SPELLINGS = {"from_date": ("from_date", "to_date"), "fromDate": ("fromDate", "toDate")}
_FILTERS: Mapping[int, tuple[str, ...]] = {
    6000: ("entry_ids", "virtual_event_ids"),
    6001: ("entry_ids", "virtual_event_ids", "user_ids", "cue_point_ids"),
    6002: (PARENTS, "virtual_event_ids"),
}


# How ids read that the store does not know: they are no values in it, and no filter finds them.
_NOT_KNOWN = ("", "0", "Unknown", "Error")


class UnreadableError(Exception):
    """A date is absent, or it or the limit is no number, which the API answers with an internal error."""


@dataclass(frozen=True)
class Question:
    """What a report is asked for. A question without a window (`start` >= `end`) has an empty answer."""

    report_id: int
    start: int
    end: int
    filters: Mapping[str, frozenset[str]] = field(default_factory=dict)
    limit: int | None = None

    @property
    def window(self) -> range:
        return range(self.start, self.end)

    def admits(self, name: str, value: str) -> bool:
        if name in self.filters and value in _NOT_KNOWN:
            return False
        if name == "user_ids":  # the database that they are looked up in knows no case
            return name not in self.filters or value.lower() in {each.lower() for each in self.filters[name]}
        return name not in self.filters or value in self.filters[name]

    def admits_all(self) -> "Question":
        return Question(self.report_id, self.start, self.end, {}, self.limit)


def parsed(text: str) -> dict[str, str]:
    """Pieces are trimmed and split on the first `=`; there is no escaping; of a key given twice the last counts.

    A key without `=` voids the pair before it.
    """
    pairs: list[tuple[str, str]] = []
    for piece in filter(None, (piece.strip() for piece in text.split(";"))):
        key, equals, value = piece.partition("=")
        if equals:
            pairs.append((key, value))
        elif pairs:
            pairs.pop()
    return dict(pairs)


def has_control_character(text: str) -> bool:
    return any(ord(character) < 0x20 or ord(character) == 0x7F for character in text)


def question(report_id: int, params: Mapping[str, str], breakout_dates: BreakoutDates = "both") -> Question:
    """The question in a request's params. Keys the report doesn't know are ignored, misspelt filters among them."""
    start, end = _window(report_id, params, breakout_dates)
    filters = {name: frozenset(params[name].split(",")) for name in _FILTERS[report_id] if params.get(name)}
    return Question(report_id, start, end, filters, _number(params["limit"]) if "limit" in params else None)


def known(report_id: int) -> bool:
    return report_id in _FILTERS


def _window(report_id: int, params: Mapping[str, str], breakout_dates: BreakoutDates) -> tuple[int, int]:
    if report_id != BREAKOUT_REPORT_ID:
        spellings = [_DATE_SPELLINGS["from_date"]]
    elif breakout_dates == "both":
        spellings = [_DATE_SPELLINGS["fromDate"], _DATE_SPELLINGS["from_date"]]
    else:
        spellings = [_DATE_SPELLINGS[breakout_dates]]
    for from_name, to_name in spellings:
        if from_name in params and to_name in params:
            start, end = _number(params[from_name]), _number(params[to_name])
            return (start, end) if start else (0, 0)  # from the very beginning there is nothing
    raise UnreadableError


def _number(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise UnreadableError from None
