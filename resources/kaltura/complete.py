"""A report of some days, whole: what the server cuts off or gives up on is asked for again in parts.

First the range of days is halved. A single day is split by ids, never by time, for figures of unique users do not add
up (docs/kaltura-api.md section 2). Where the day's ids are not known from another report, narrower windows tell them:
such replies serve for their ids alone.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from resources.kaltura.client import Client, Reply, RequestStats
from resources.kaltura.csv import no_rows
from resources.kaltura.errors import KalturaError, ServerFault, TimedOut, TooMuch, Unsplittable
from resources.kaltura.query import Filter, Query, Source
from resources.kaltura.windows import Calendar, Days, Window

IDS_PER_REQUEST = 500  # some 6 kB of a request's body
HEAVY = (TooMuch, ServerFault)  # how a single day that is too much may be answered: a server's bug looks alike

Ids = Mapping[Filter, Sequence[str]]
KnownIds = Callable[[Days], list[str]]
"""The ids by which a day of a report can be split, if another report has told them already."""


@dataclass(frozen=True)
class Part:
    """A reply and the days whose rows it holds whole; rows of other days in it are fragments."""

    days: Days
    reply: Reply


@dataclass(frozen=True)
class Completion:
    """Asks for one report, with the filters and exclusions of one pull; counts what it takes."""

    client: Client
    source: Source
    calendar: Calendar
    stats: RequestStats
    ids: Ids
    excluded_columns: tuple[str, ...] = ()

    def days(self, days: Days, known_ids: KnownIds | None = None) -> list[Part]:
        """Replies that together hold every row of every day.

        Raises `Unsplittable` where even one id is too much, and what `Client.ask` raises.
        """
        window = self.calendar.window(days)
        try:
            return [Part(days, self._ask(window, self.ids))]
        except HEAVY as error:
            if len(days) > 1 and isinstance(error, ServerFault):
                raise
            if len(days) > 1:
                return [part for half in days.halves() for part in self.days(half, known_ids)]
            if isinstance(error, TimedOut):
                try:  # a passing weakness is likelier than a day that is too much
                    return [Part(days, self._ask(window, self.ids))]
                except TooMuch:
                    pass
            ids = known_ids(days) if known_ids else sorted(self._ids_in_halves(window, error))
            replies = self.of_ids(window, ids) or [self._nothing(window)]
            return [Part(days, reply) for reply in replies]

    def of_ids(self, window: Window, ids: Sequence[str]) -> list[Reply]:
        """Replies that together hold every row of the `split_by` ids. Raises like `days`."""
        batches = (ids[start : start + IDS_PER_REQUEST] for start in range(0, len(ids), IDS_PER_REQUEST))
        return [reply for batch in batches for reply in self._batch(window, batch)]

    def _batch(self, window: Window, ids: Sequence[str]) -> Iterator[Reply]:
        try:
            yield self._ask(window, {**self.ids, self.source.split_by: ids})
        except HEAVY as error:
            if len(ids) == 1 and isinstance(error, ServerFault):
                raise  # what even the least meets is no matter of size
            if len(ids) == 1:
                raise Unsplittable(
                    f"{self.source.split_by.name}={ids[0]} alone is more than Kaltura sends", about=error.about
                ) from error
            middle = len(ids) // 2
            yield from self._batch(window, ids[:middle])
            yield from self._batch(window, ids[middle:])

    def _ids_in(self, window: Window) -> set[str]:
        """Every `split_by` id that occurs in the window, found through windows narrow enough to be answered whole."""
        try:
            reply = self._ask(window, self.ids)
        except HEAVY as error:
            return self._ids_in_halves(window, error)
        ids = set(reply.rows.frame[self.source.split_by.column].unique())
        if "" in ids:
            raise Unsplittable(
                f"a row without {self.source.split_by.name} can't be asked for by it", about=str(reply.query)
            )
        return ids

    def _ids_in_halves(self, window: Window, error: KalturaError) -> set[str]:
        halves = window.halves()
        if halves is None and isinstance(error, ServerFault):
            raise error
        if halves is None:
            raise Unsplittable("a single hour is more than Kaltura sends", about=error.about) from error
        return self._ids_in(halves[0]) | self._ids_in(halves[1])

    def _nothing(self, window: Window) -> Reply:
        """The reply of a day that has no id to ask for: what was too much were its neighbours' fragments."""
        columns = (name for name in self.source.columns if name not in self.excluded_columns)
        return Reply(Query(self.source, window, self.ids), no_rows(columns))

    def _ask(self, window: Window, ids: Ids) -> Reply:
        query = Query(self.source, window, ids)
        return self.client.ask(query, self.stats, excluded_columns=self.excluded_columns)
