"""What can be asked of a report: its id, its columns, its filters; and one question put to it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from resources.kaltura.errors import Refused
from resources.kaltura.windows import Window

SEPARATORS = ",;\r\n"  # a list is joined by commas and `params` by semicolons, and nothing can be escaped
SNAKE_DATES = ("from_date", "to_date")
CAMEL_DATES = ("fromDate", "toDate")
NO_SUCH_ID = "0_nosuchid"  # that nothing and nobody has: a filter that lets rows through for it is ignored


@dataclass(frozen=True)
class Filter:
    """A filter of a report. `column` is where a reply shows whether the server heeded it; None where none does.

    What `names_people` is asked for with stands in no message.
    """

    name: str
    column: str | None
    names_people: bool = False

    def strangers(self, came: Iterable[str], asked: Iterable[str]) -> int:
        """How many ids came that were not asked for. People's are matched without case, and come in their own."""
        as_matched = str.casefold if self.names_people else str
        return len(set(map(as_matched, came)) - set(map(as_matched, asked)))


@dataclass(frozen=True)
class Source:
    """A report as Kaltura offers it.

    `columns` have to be in the header, others may be; the `personal_columns` can be left out on request; in the values of
    `one_line` no newline stands, as it may in those that people type, and in columns that nobody has declared. `split_by` is
    the filter by which a day that is too much for one reply is asked for in parts. `may_be_thinned`: the server drops rows
    after it has applied its cap, where it is not asked by that filter. `unknown_is_useless`: a row without a known id of
    `split_by` can't be loaded anyway. The figures `never_all_0` are of people who were there: where none of a reply's rows
    has one, the store has lost them.
    """

    report_id: int
    columns: tuple[str, ...]
    personal_columns: tuple[str, ...]
    one_line: frozenset[str]
    split_by: Filter
    filters: tuple[Filter, ...]
    may_be_thinned: bool = False
    unknown_is_useless: bool = False
    never_all_0: tuple[str, ...] = ()


@dataclass(frozen=True)
class Query:
    """One question: a report, a window, the ids to keep to, at most `limit` rows.

    Dates go under both spellings, for unknown keys are ignored in silence and guides differ on 6002 (section 1).
    """

    source: Source
    window: Window
    ids: Mapping[Filter, Sequence[str]] = field(default_factory=dict, repr=False)  # people's are in no message
    chosen: frozenset[Filter] = frozenset()  # those of `ids` that a setting or a run's config asks for
    limit: int | None = None
    dates: tuple[tuple[str, str], ...] = (SNAKE_DATES, CAMEL_DATES)

    def __str__(self) -> str:
        only = "".join(f", {len(ids):,} {filter_.name}" for filter_, ids in self.ids.items())
        return f"report {self.source.report_id}, events in {self.window}{only}"

    @property
    def people(self) -> tuple[str, ...]:
        """The ids of people that are asked for."""
        return tuple(value for filter_, ids in self.ids.items() if filter_.names_people for value in ids)

    def params(self) -> str:
        """The `params` string. Raises `Refused` for ids that the format can't carry or that would not filter."""
        start, end = self.window.start, self.window.end
        pairs = [pair for names in self.dates for pair in (f"{names[0]}={start}", f"{names[1]}={end}")]
        for filter_, ids in self.ids.items():
            self._expect_sendable(filter_, ids)
            pairs.append(f"{filter_.name}={','.join(ids)}")
        if self.limit is not None:
            pairs.append(f"limit={self.limit}")
        return ";".join(pairs)

    def _expect_sendable(self, filter_: Filter, ids: Sequence[str]) -> None:
        """An empty value would be no filter at all, and a blank at an id's edge would be cut off or never match."""
        if not ids:
            raise Refused(f"{filter_.name} has no ids, which would filter nothing", about=str(self))
        for value in ids:
            if not value or value != value.strip() or any(separator in value for separator in SEPARATORS):
                shown = "one of its ids" if filter_.names_people else repr(value)
                raise Refused(
                    f"{filter_.name} can't hold {shown}: it is empty, or has a comma, a semicolon, a line break or "
                    "a blank at its edge",
                    about=str(self),
                    advice="Correct that id in the KALTURA_*_IDS settings or in the run's config.",
                )
