"""A report of some days, whole: what the server cuts off or gives up on is asked for again in parts.

First fewer days are asked for: one, and then by what it has. A single day is split by ids, never by time, for figures
of unique users do not add up (docs/kaltura-api.md section 2). Where the day's ids are not known from another report,
narrower windows tell them: such replies serve for their ids alone.

An empty report is no proof that there was nothing (section 3): it is believed only where nothing speaks against it. Else
it is asked for again, at once and then in parts, as one that is too much; the day for which that brings nothing fails.

Where narrower windows tell a day's ids, another report tells what an empty one of them hides: it names the ids too. And
parts of what was cut off at the cap are as many rows as the cap, or some of them are missing.

A report that the server thins after its query may be cut and yet short (section 3). It is whole where its rows and all
that can have been dropped are fewer than the cap; else it is asked for in parts like one that is too much.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from resources.kaltura.client import Client, Reply, RequestStats
from resources.kaltura.csv import Rows, no_rows
from resources.kaltura.errors import (
    CutOff,
    EmptyReply,
    FiguresLost,
    KalturaError,
    PerhapsCut,
    ServerFault,
    TimedOut,
    TooMuch,
    TooWide,
    Unsplittable,
)
from resources.kaltura.heeded import require_heeded
from resources.kaltura.lost import Believes0, believes_none, lost_in
from resources.kaltura.query import Filter, Query, Source
from resources.kaltura.windows import Calendar, Days, Window
from resources.runtime.counted import counted
from resources.table import UNKNOWN

log = logging.getLogger("kaltura")

FULLNESS = 0.5  # of the cap, that a window is planned to fill: days differ, a cut reply is a request for nothing
WIDEST_IN_PARTS = 7  # days, each of which may be as much as a reply holds: they lie in memory together
IDS_PER_REQUEST = 500  # some 6 kB of a request's body
HEAVY = (TooMuch, ServerFault)  # how a single day that is too much may be answered: a server's bug looks alike

Ids = Mapping[Filter, Sequence[str]]
KnownIds = Callable[[Days], list[str]]
"""The ids by which a day of a report can be split, if another report has told them already."""


EvidenceAgainstEmpty = Callable[[Days], str]
"""What speaks against an empty report for these days; empty if nothing does."""


def no_doubt(days: Days) -> str:
    return ""


def never_asks_twice(days: Days) -> bool:
    return False


MostDropped = Callable[[Window, int], int]
"""How many rows the server can have dropped at most from a report that has so many rows in this window."""


def nothing_dropped(window: Window, kept: int) -> int:
    return 0


Named = Callable[[Window], set[str]]
"""The `split_by` ids that another report names in this window. Raises what `Client.ask` raises."""


def names_nothing(window: Window) -> set[str]:
    return set()


@dataclass(frozen=True)
class Part:
    """A reply and the days whose rows it holds whole; rows of other days in it are fragments."""

    days: Days
    reply: Reply


@dataclass(frozen=True)
class _Told:
    """What narrower windows tell of a day: the ids to ask for, and rows without any that no table can hold."""

    ids: set[str]
    useless: list[pd.DataFrame] = field(default_factory=list)


def rows_a_day(parts: Iterable[Part]) -> float:
    """Of the fullest of the parts: the mean of its days. A day that was asked for by ids has several replies."""
    rows: Counter[Days] = Counter()
    for part in parts:
        rows[part.days] += part.reply.rows.line_count
    return max((count / len(days) for days, count in rows.items()), default=0.0)


def days_at_once(rows_a_day: float, row_cap: int) -> int:
    """How many days a window is planned to hold that have so many rows each."""
    return max(1, int(FULLNESS * row_cap / max(1.0, rows_a_day)))


@dataclass(frozen=True)
class Completion:
    """Asks for one report, with the filters and exclusions of one pull; counts what it takes."""

    client: Client
    source: Source
    calendar: Calendar
    stats: RequestStats
    ids: Ids
    excluded_columns: tuple[str, ...] = ()
    doubt: EvidenceAgainstEmpty = field(default=no_doubt)
    asks_twice: Callable[[Days], bool] = field(default=never_asks_twice)  # before an empty report is believed
    most_dropped: MostDropped = field(default=nothing_dropped)
    named: Named = field(default=names_nothing)
    accepts_empty: bool = False  # whatever speaks against it
    believes_0: Believes0 = field(default=believes_none)  # with `accepts_empty` all are believed
    is_narrowed: bool = False  # by a filter that the ids did not come through, so that one of them may have no rows

    def days(self, days: Days, known_ids: KnownIds | None = None, *, is_part: bool = False) -> list[Part]:
        """Replies that together hold every row of every day. `is_part`: of days that were too much together.

        Raises `TooWide` where more days than `WIDEST_IN_PARTS` would have to be put together, `Unsplittable` where even
        one id is too much, `EmptyReply` where a day stays empty against what is known of it, `FiguresLost` where ids have
        lost their figures, and what `Client.ask` raises.
        """
        window = self.calendar.window(days)
        try:
            return [Part(days, self._believed(window, days, is_part=is_part))]
        except HEAVY as error:
            if len(days) > 1 and isinstance(error, ServerFault):
                raise
            if len(days) > WIDEST_IN_PARTS:
                raise TooWide(f"{len(days)} days are more than one reply holds", about=error.about) from error
            if len(days) > 1:
                return self._in_parts(days, known_ids, error)
            if isinstance(error, TimedOut):
                try:  # a passing weakness is likelier than a day that is too much
                    return [Part(days, self._believed(window, days))]
                except TooMuch:
                    pass
            return self._by_ids(days, window, known_ids, error)

    def _believed(self, window: Window, days: Days, *, is_part: bool = False) -> Reply:
        """A reply with rows, or an empty one against which nothing speaks. Raises `EmptyReply` for one that stays so."""
        reply = self._ask(window, self.ids)
        against = "" if reply.rows.received else self.doubt(days)
        if reply.rows.received or not (against or is_part or self.asks_twice(days)):
            return reply
        reply = self._ask(window, self.ids)
        if against and not reply.rows.received:
            raise _empty(against, days, str(reply.query))
        return reply

    def _in_parts(self, days: Days, known_ids: KnownIds | None, error: KalturaError) -> list[Part]:
        log.info("%s Its %d days are asked for in parts.", error.what_and_where, len(days))
        if isinstance(error, CutOff | PerhapsCut):
            parts = self._one_day_first(days, known_ids)
        else:
            parts = [part for half in days.halves() for part in self.days(half, known_ids, is_part=True)]
        empty = [part.days for part in parts if not part.reply.rows.received]
        rows = sum(part.reply.rows.line_count for part in parts)
        if isinstance(error, CutOff) and empty and rows < self.client.row_cap and not self.accepts_empty:
            against = f"with the days around it there were {self.client.row_cap:,} rows and more, in parts {rows:,}"
            raise _empty(against, Days(empty[0].first, empty[-1].last), error.about) from error
        return parts

    def _one_day_first(self, days: Days, known_ids: KnownIds | None) -> list[Part]:
        """A day, then as many as what came lets expect: no two replies in a row are cut, but of a day that is too much."""
        parts: list[Part] = []
        rest: Days | None = days
        width, fullest = 1, 0.0
        while rest:
            some, rest = rest.leading(width)
            came = self.days(some, known_ids, is_part=True)
            parts += came
            fullest = max(fullest, rows_a_day(came))
            missing = self.client.row_cap - sum(part.reply.rows.line_count for part in parts)
            width = days_at_once(max(fullest, missing / len(rest)) if rest else fullest, self.client.row_cap)
        return parts

    def _by_ids(self, days: Days, window: Window, known_ids: KnownIds | None, error: KalturaError) -> list[Part]:
        log.info("%s The day is asked for by %s.", error.what_and_where, self.source.split_by.name)
        try:
            told = _Told(set(known_ids(days))) if known_ids else self._ids_in_halves(window, error)
            replies = self.of_ids(window, sorted(told.ids), have_rows=True)
            replies += [self._unusable(window, rows) for rows in told.useless]
            replies = replies or [self._nothing(window)]
        except EmptyReply as empty:
            if isinstance(error, EmptyReply):
                error.days = (days.first, days.last)
                raise error from empty
            empty.days = (days.first, days.last)
            raise
        stays_empty = isinstance(error, EmptyReply) and not any(reply.rows.received for reply in replies)
        if stays_empty and not self.accepts_empty:
            raise error
        if known_ids is None:
            self._require_cap(replies, days, error)
        return [Part(days, reply) for reply in replies]

    def _require_cap(self, replies: Sequence[Reply], days: Days, error: KalturaError) -> None:
        """Raises `EmptyReply` where a day was cut off at the cap, and all of its ids together have fewer rows."""
        rows = sum(reply.rows.line_count for reply in replies)
        if isinstance(error, CutOff) and rows < self.client.row_cap and not self.accepts_empty:
            against = (
                f"together there were {self.client.row_cap:,} rows and more, by {self.source.split_by.name} {rows:,}"
            )
            raise _empty(against, days, error.about, "a part of the report") from error

    def halves_with_rows(self, window: Window) -> str:
        """What a lighter question tells of a window of which the report is empty; empty if it has no rows there."""
        for half in window.halves() or ():
            try:
                count = self._ask(half, self.ids).rows.received
            except (CutOff, PerhapsCut):
                count = self.client.row_cap
            except TooMuch:
                continue
            if count:
                return f"a half of its window has {counted(count, 'row')}"
        return ""

    def of_ids(
        self, window: Window, ids: Sequence[str], *, have_rows: bool = False, beside: str | None = None
    ) -> list[Reply]:
        """Replies that together hold every row of the `split_by` ids.

        With `have_rows` each of them is known to have some, or, of ids of which nothing is known, the one `beside` them:
        every request asks for it too, so that no empty reply can pass for an answer. Raises like `days`.
        """
        size = IDS_PER_REQUEST - 1 if beside else IDS_PER_REQUEST
        batches = (ids[start : start + size] for start in range(0, len(ids), size))
        return [reply for batch in batches for reply in self._batch(window, batch, have_rows, beside)]

    def of_window(self, window: Window, *, have_rows: bool = False) -> list[Reply]:
        """All rows of the window, for those that have no `split_by` id to ask for. Raises like `of_ids`."""
        return [*self._batch(window, (), have_rows, None)]

    def _batch(self, window: Window, ids: Sequence[str], have_rows: bool, beside: str | None) -> Iterator[Reply]:
        try:
            yield self._of_batch(window, ids, have_rows, beside)
        except HEAVY as error:
            if len(ids) <= 1 and isinstance(error, ServerFault | EmptyReply):
                raise  # what even the least meets is no matter of size
            if not ids:
                raise self._not_asked_by_id(error.about) from error
            if len(ids) == 1:
                raise Unsplittable(
                    f"{self.source.split_by.name}={ids[0]} alone is more than Kaltura sends", about=error.about
                ) from error
            middle = len(ids) // 2
            yield from self._batch(window, ids[:middle], have_rows, beside)
            yield from self._batch(window, ids[middle:], have_rows, beside)

    def _of_batch(self, window: Window, ids: Sequence[str], have_rows: bool, beside: str | None) -> Reply:
        asked = sorted({*ids, beside}) if beside else ids
        for _ in range(2):
            reply = self._ask(window, {**self.ids, self.source.split_by: asked} if asked else self.ids)
            if reply.rows.received or not have_rows or self.accepts_empty:
                return reply
        if self.is_narrowed:
            return reply
        whose = f"{self.source.split_by.name} {beside}" if beside else f"all {len(ids):,} {self.source.split_by.name}"
        against = (
            f"other replies have rows of {whose} that were asked for" if asked else "other replies have rows of it"
        )
        raise EmptyReply(f"the report is empty, though {against}", about=str(reply.query))

    def _ids_in(self, window: Window) -> "_Told":
        """Every `split_by` id that occurs in the window, found through windows narrow enough to be answered whole.

        Raises `Unsplittable` where a row without one would be lost: what Kaltura does not know, no filter finds.
        """
        try:
            reply = self._ask(window, self.ids)
            if not reply.rows.received:
                reply = self._ask(window, self.ids)
            if not reply.rows.received:
                return _Told(self.named(window))
        except HEAVY as error:
            return self._ids_in_halves(window, error)
        frame, column = reply.rows.frame, self.source.split_by.column
        is_unknown = frame[column].isin(UNKNOWN)
        if is_unknown.any() and not self.source.unknown_is_useless:
            raise self._not_asked_by_id(str(reply.query))
        return _Told(set(frame.loc[~is_unknown, column].unique()), [frame[is_unknown]] if is_unknown.any() else [])

    def _not_asked_by_id(self, about: str) -> Unsplittable:
        return Unsplittable(f"a row without {self.source.split_by.name} can't be asked for by it", about=about)

    def _ids_in_halves(self, window: Window, error: KalturaError) -> "_Told":
        halves = window.halves()
        if halves is None and isinstance(error, ServerFault | EmptyReply):
            raise error
        if halves is None:
            raise Unsplittable("a single hour is more than Kaltura sends", about=error.about) from error
        first, second = self._ids_in(halves[0]), self._ids_in(halves[1])
        return _Told(first.ids | second.ids, [*first.useless, *second.useless])

    def _unusable(self, window: Window, rows: pd.DataFrame) -> Reply:
        """The reply of rows that no id asks for, and no day can load: they are set aside as those of other days are."""
        return Reply(Query(self.source, window, self.ids), Rows(rows.reset_index(drop=True), line_count=len(rows)))

    def _nothing(self, window: Window) -> Reply:
        """The reply of a day that has no id to ask for: what was too much were its neighbours' fragments."""
        columns = (name for name in self.source.columns if name not in self.excluded_columns)
        return Reply(Query(self.source, window, self.ids), no_rows(columns))

    def _ask(self, window: Window, ids: Ids) -> Reply:
        query = Query(self.source, window, ids, chosen=frozenset(self.ids))
        reply = self._with_figures(query)
        if reply.rows.received:
            require_heeded(self.client, query, self.stats, self.excluded_columns)
        if self.source.may_be_thinned and self.source.split_by not in ids:
            kept, dropped = reply.rows.line_count, self.most_dropped(window, reply.rows.line_count)
            if kept + dropped >= self.client.row_cap:
                what = f"{kept:,} rows came, and beside {dropped:,} that may have been dropped others may have been cut off"
                raise PerhapsCut(what, about=str(query))
        return reply

    def _with_figures(self, query: Query) -> Reply:
        """The reply. One whose figures were lost is asked for once more.

        Raises `FiguresLost` where those of single ids stay so: among a day's others nobody would see them. Of a whole
        window's rows it is known only later which are of its days.
        """
        reply = self.client.ask(query, self.stats, excluded_columns=self.excluded_columns)
        if self.accepts_empty or not lost_in(reply.rows.frame, self.source.never_all_0, self.believes_0):
            return reply
        reply = self.client.ask(query, self.stats, excluded_columns=self.excluded_columns)
        lost = lost_in(reply.rows.frame, self.source.never_all_0, self.believes_0)
        if lost and self.source.split_by in query.ids:
            raise FiguresLost(lost, about=str(query))
        return reply


def _empty(against: str, days: Days, about: str, what: str = "the report") -> EmptyReply:
    error = EmptyReply(f"{what} is empty, though {against}", about=about)
    error.days = (days.first, days.last)
    return error
