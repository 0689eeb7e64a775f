"""What can be asked of a report: its id, its columns, its filters; and one question put to it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from resources.kaltura.errors import Refused
from resources.kaltura.windows import Window

SEPARATORS = ",;\n"  # a list is joined by commas and `params` by semicolons, and nothing can be escaped


@dataclass(frozen=True)
class Filter:
    """A filter of a report. `column` is where a reply shows whether the server heeded it; None where none does."""

    name: str
    column: str | None


@dataclass(frozen=True)
class Source:
    """A report as Kaltura offers it.

    `columns` have to be in the header; the `personal_columns` can be left out on request; `free_text` are those that
    people type, where a newline may stand. `split_by` is the filter by which a day that is too much for one reply is
    asked for in parts.
    """

    report_id: int
    columns: tuple[str, ...]
    personal_columns: tuple[str, ...]
    free_text: frozenset[str]
    split_by: Filter
    filters: tuple[Filter, ...]


@dataclass(frozen=True)
class Query:
    """One question: a report, a window, the ids to keep to, at most `limit` rows."""

    source: Source
    window: Window
    ids: Mapping[Filter, Sequence[str]] = field(default_factory=dict)
    limit: int | None = None

    def __str__(self) -> str:
        only = "".join(f", {len(ids):,} {filter_.name}" for filter_, ids in self.ids.items())
        return f"report {self.source.report_id}, events in {self.window}{only}"

    def params(self) -> str:
        """The `params` string. Both spellings of the dates: unknown keys are ignored in silence (section 1).

        Raises `Refused` for an id that the format can't carry.
        """
        start, end = self.window.start, self.window.end
        pairs = [f"from_date={start}", f"to_date={end}", f"fromDate={start}", f"toDate={end}"]
        for filter_, ids in self.ids.items():
            unfit = [value for value in ids if any(separator in value for separator in SEPARATORS)]
            if unfit:
                raise Refused(
                    f"{filter_.name} can't hold {unfit[0]!r}: it has a comma, semicolon or newline", about=str(self)
                )
            pairs.append(f"{filter_.name}={','.join(ids)}")
        if self.limit is not None:
            pairs.append(f"limit={self.limit}")
        return ";".join(pairs)
