"""Which rows belong to which day: whole sessions, each on its own local day, from as wide a window as it takes.

A reply to a window holds the window's days and fragments of their neighbours; this module keeps the ones and counts the
others. A session that ends after its day's window is pulled again by its ids, with a window that covers it.
"""

import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pandas as pd

from assets.attendees import ATTENDEES
from assets.breakout_sessions import BREAKOUT_SESSIONS
from assets.pull.normalize import EXTRA, RAW, REASON, merged, normalize
from assets.report import Report
from assets.room_sessions import ROOM_SESSIONS
from resources.arrivals import Arrivals, Pull
from resources.kaltura.client import Client, Reply, RequestStats
from resources.kaltura.complete import Completion, Part
from resources.kaltura.query import Filter
from resources.kaltura.windows import EDGE_SECONDS, Calendar, Days, Window
from resources.privacy.pseudonyms import EVERYTHING, People

# How long a session without an end is taken to run on: its figures are pulled up to now, but not for ever.
RUNNING_SESSION = pd.Timedelta(days=7)
EDGE = pd.Timedelta(seconds=EDGE_SECONDS)

DAY = "partition_date"  # the local day of a row's session; missing where the row can't be tied to one
COUNTED_ON = "counted_on"  # the day that counts a row which belongs to no day of the pull: the first of its reply
DISPOSITION = "disposition"
ARRIVING = ("window_start", "window_end", "ends_at", EXTRA)  # beside the report's columns, what a load asks for
KEPT, NEIGHBOUR, REPLACED = "kept", "neighbour", "replaced"


@dataclass(frozen=True)
class Filters:
    """What a pull is restricted to: lists of ids, by the setting's name. An empty list restricts nothing."""

    ids: Mapping[str, Sequence[str]]

    def of(self, report: Report) -> dict[Filter, Sequence[str]]:
        return {filter_: self.ids[name] for name, filter_ in report.filters.items() if self.ids.get(name)}

    @property
    def active(self) -> dict[str, Sequence[str]] | None:
        return {name: list(ids) for name, ids in self.ids.items() if ids} or None


@dataclass(frozen=True)
class Extract:
    """Some days, whole. `pull` began before the first request; `most_rows` are the rows of the largest reply."""

    days: Days
    pull: Pull
    by_day: Mapping[dt.date, Sequence[Arrivals]]
    most_rows: int


def extract(
    days: Days,
    reports: Sequence[Report],
    client: Client,
    calendar: Calendar,
    filters: Filters,
    *,
    number: int,
    people: People = EVERYTHING,
    now: Callable[[], float] | None = None,
) -> Extract:
    """The days' rows for each of `reports`. Raises what `Completion.days` raises; then there is nothing of any day.

    `number` is the pull's, given out before. When it began is told by `now`, by default in Kaltura's own time.
    """
    pull = _Pull(days, client, calendar, filters, people, now)
    rows: dict[str, _Rows] = {}
    with ThreadPoolExecutor(max_workers=1) as thread:
        breakouts = thread.submit(pull.sessions, BREAKOUT_SESSIONS) if BREAKOUT_SESSIONS in reports else None
        if ROOM_SESSIONS in reports or ATTENDEES in reports:
            sessions = pull.sessions(ROOM_SESSIONS)
            rows[ROOM_SESSIONS.table.name] = sessions
        if ATTENDEES in reports:
            rows[ATTENDEES.table.name] = pull.attendees(sessions)
        if breakouts:
            rows[BREAKOUT_SESSIONS.table.name] = breakouts.result()
    arrived = {report.table.name: pull.by_day(rows[report.table.name], report) for report in reports}
    return Extract(
        days,
        Pull(number, dt.datetime.fromtimestamp(pull.now, dt.UTC), client.clock.ahead_seconds),
        {day: [arrived[report.table.name][day] for report in reports] for day in days},
        pull.most_rows,
    )


@dataclass
class _Rows:
    """Everything received for one report, each row with its disposition; `windows` are those that the days were asked in."""

    frame: pd.DataFrame
    windows: list[tuple[Days, Window]]


class _Pull:
    """One stretch of days on its way in."""

    def __init__(
        self,
        days: Days,
        client: Client,
        calendar: Calendar,
        filters: Filters,
        people: People,
        now: Callable[[], float] | None,
    ) -> None:
        self.days = days
        self.calendar = calendar
        self.filters = filters
        self.people = people
        self._moment = client.clock.steady()
        self._now = now() if now else None
        self.most_rows = 0
        self.stats = {report.report_id: RequestStats() for report in (ROOM_SESSIONS, ATTENDEES, BREAKOUT_SESSIONS)}
        self.client = client

    @property
    def now(self) -> float:
        """When the pull began, by the clock of Kaltura's replies: before the first of them nobody asks."""
        return self.client.clock.at(self._moment) if self._now is None else self._now

    def sessions(self, report: Report) -> _Rows:
        """Rows that carry their own start: reports 6000 and 6002."""
        completion, column = self._completion(report), report.split_by.column
        parts = completion.days(self.days)
        frame = pd.concat([self._dated(part.reply, report, part.days) for part in parts], ignore_index=True)
        windows = _windows(parts)
        for days, window in windows:
            long = self._long(frame[frame[column].notna()], days, window)
            if long:
                replies = completion.of_ids(long.cover, sorted(long.sessions[column].unique()))
                again = pd.concat([self._dated(reply, report, days) for reply in replies], ignore_index=True)
                frame = _replaced(frame, again, long, report)
        return _Rows(frame, windows)

    def attendees(self, sessions: _Rows) -> _Rows:
        """Rows that only their session ties to a day: report 6001.

        Its windows need not be those of `sessions`: it has more rows, its days are the first to be asked one by one.
        """
        completion = self._completion(ATTENDEES)
        parts = completion.days(self.days, lambda days: self._cue_points(sessions, days))
        frame = pd.concat([self._received(part.reply, ATTENDEES, part.days) for part in parts], ignore_index=True)
        frame = self._tied(frame, sessions)
        windows = _windows(parts)
        for days, window in windows:
            long = self._long(sessions.frame, days, window)
            if not long:
                continue
            replies = completion.of_ids(long.cover, self._allowed_cue_points(long.sessions["cue_point_id"]))
            if replies:
                again = pd.concat([self._received(reply, ATTENDEES, days) for reply in replies], ignore_index=True)
                frame = _replaced(frame, self._tied(again, sessions, look_further=False), long, ATTENDEES)
        return _Rows(frame, windows)

    def by_day(self, rows: _Rows, report: Report) -> dict[dt.date, Arrivals]:
        """Every row that was received, on the day that loads it or counts it."""
        frame = rows.frame
        is_kept = frame[DISPOSITION] == KEPT
        is_usable = frame[REASON].isna()
        good = _by_counting_day(frame[[*report.table.column_names, *ARRIVING, COUNTED_ON]], is_kept & is_usable)
        rejected = _by_counting_day(frame[[RAW, REASON, COUNTED_ON]], is_kept & ~is_usable)
        replaced, other = (
            frame.loc[frame[DISPOSITION] == disposition, COUNTED_ON].value_counts()
            for disposition in (REPLACED, NEIGHBOUR)
        )
        stats = self.stats[report.report_id]
        arrivals = {}
        for day in self.days:
            of_day = good(day)
            once = merged(of_day, report)
            window = next(window for days, window in rows.windows if day in days)
            arrivals[day] = Arrivals(
                table=report.table,
                frame=once,
                rejects=self.people.rejects(rejected(day)),
                window_start=window.starts_at,
                window_end=self._known_until(window),
                requests=stats.requests,
                merged=len(of_day) - len(once) + int(replaced.get(pd.Timestamp(day), 0)),
                other_days=int(other.get(pd.Timestamp(day), 0)),
                kaltura_session=stats.kaltura_session,
            )
        return arrivals

    def _completion(self, report: Report) -> Completion:
        return Completion(
            self.client,
            report.source,
            self.calendar,
            self.stats[report.report_id],
            self.filters.of(report),
            self.people.excluded(report.table.personal_columns),
        )

    def _received(self, reply: Reply, report: Report, days: Days) -> pd.DataFrame:
        """A reply's rows, typed, with the window that they are known in and the day that counts what has no day."""
        self.most_rows = max(self.most_rows, reply.rows.line_count)
        window = reply.query.window
        frame = normalize(reply.rows, report, self.people)
        frame["window_start"] = pd.Timestamp(window.starts_at).as_unit("us")
        frame["window_end"] = pd.Timestamp(self._known_until(window)).as_unit("us")
        frame["first_day"], frame["last_day"] = pd.Timestamp(days.first), pd.Timestamp(days.last)
        return frame

    def _dated(self, reply: Reply, report: Report, days: Days) -> pd.DataFrame:
        frame = self._received(reply, report, days)
        frame[DAY] = self._local_day(frame["session_start_time"])
        frame["ends_at"] = frame["session_end_time"]
        return _with_disposition(frame)

    def _tied(self, frame: pd.DataFrame, sessions: _Rows, *, look_further: bool = True) -> pd.DataFrame:
        """Attendee rows with the day and end of their session.

        A session that began between the two requests is not in `sessions` yet: it is asked for by its room, once. A row
        whose session not even that finds is rejected.
        """
        frame = frame.drop(columns=[DAY, "ends_at", DISPOSITION, COUNTED_ON], errors="ignore")
        known = sessions.frame.loc[
            sessions.frame[DAY].notna() & sessions.frame["cue_point_id"].notna(),
            ["entry_id", "cue_point_id", DAY, "ends_at"],
        ]
        exact = known.drop_duplicates(["entry_id", "cue_point_id"], keep="last")
        loose = known.drop_duplicates("cue_point_id", keep="last").drop(columns="entry_id")
        tied = frame.merge(exact, on=["entry_id", "cue_point_id"], how="left")
        if tied[DAY].isna().any():
            by_cue_point = frame[["cue_point_id"]].merge(loose, on="cue_point_id", how="left")
            for column in (DAY, "ends_at"):
                tied[column] = tied[column].fillna(by_cue_point[column])
        orphans = tied[DAY].isna() & tied[REASON].isna()
        if orphans.any() and look_further and self._find(tied[orphans], sessions):
            return self._tied(frame, sessions, look_further=False)
        if orphans.any():
            tied[RAW] = tied[RAW].mask(orphans, _as_sent(tied[orphans]).reindex(tied.index))
            tied[REASON] = tied[REASON].mask(orphans, "report 6000 lists no session with this cue_point_id")
        return _with_disposition(tied)

    def _find(self, orphans: pd.DataFrame, sessions: _Rows) -> bool:
        """Whether asking again for the orphans' rooms told of a session that `sessions` lacked; it is added there."""
        completion = self._completion(ROOM_SESSIONS)
        found = []
        stretches = orphans[["first_day", "last_day"]].apply(lambda column: column.dt.date)
        for days in sorted({Days(first, last) for first, last in stretches.itertuples(index=False, name=None)}):
            of_days = orphans["first_day"] == pd.Timestamp(days.first)
            ids = sorted(orphans.loc[of_days, "entry_id"].dropna().unique())
            replies = completion.of_ids(self.calendar.window(days), ids)
            found += [self._dated(reply, ROOM_SESSIONS, days) for reply in replies]
        if not found:
            return False
        rows = pd.concat(found, ignore_index=True)
        there = pd.MultiIndex.from_frame(sessions.frame[["entry_id", "cue_point_id"]])
        already = pd.MultiIndex.from_frame(rows[["entry_id", "cue_point_id"]]).isin(there)
        rows.loc[(already & (rows[DISPOSITION] == KEPT)) | rows[DAY].isna(), DISPOSITION] = REPLACED
        sessions.frame = pd.concat([sessions.frame, rows], ignore_index=True)
        return bool((~already & rows[DAY].notna()).any())

    def _long(self, sessions: pd.DataFrame, days: Days, window: Window) -> "_Long | None":
        """Those of the days' sessions that `window` does not cover, if there are any."""
        now = pd.Timestamp(self.now, unit="s", tz="UTC")
        running = sessions["session_start_time"] + RUNNING_SESSION
        until = (sessions["ends_at"] + EDGE).where(sessions["ends_at"].notna(), running.where(running < now, now))
        of_days = (sessions[DISPOSITION] == KEPT) & sessions[DAY].between(
            pd.Timestamp(days.first), pd.Timestamp(days.last)
        )
        is_long = of_days & sessions[REASON].isna() & (until > pd.Timestamp(window.ends_at))
        if not is_long.any():
            return None
        first = (sessions["session_start_time"] - EDGE)[is_long].min()
        return _Long(sessions[is_long], Window.around(first.timestamp(), until[is_long].max().timestamp()))

    def _cue_points(self, sessions: _Rows, days: Days) -> list[str]:
        frame = sessions.frame
        of_days = frame[DAY].between(pd.Timestamp(days.first), pd.Timestamp(days.last))
        return self._allowed_cue_points(frame.loc[of_days, "cue_point_id"].dropna())

    def _allowed_cue_points(self, ids: Iterable[str]) -> list[str]:
        asked = self.filters.of(ATTENDEES).get(ATTENDEES.split_by)
        return sorted(set(ids) & set(asked) if asked else set(ids))

    def _local_day(self, times: pd.Series) -> pd.Series:
        local: pd.Series = times.dt.tz_convert(self.calendar.timezone).dt.tz_localize(None).dt.normalize()
        return local

    def _known_until(self, window: Window) -> dt.datetime:
        """A window that reaches into the future tells nothing of it."""
        return min(window.ends_at, dt.datetime.fromtimestamp(self.now, dt.UTC))


@dataclass(frozen=True)
class _Long:
    """Sessions that run past the window of their days, and the window that covers them."""

    sessions: pd.DataFrame
    cover: Window


def _by_counting_day(frame: pd.DataFrame, wanted: pd.Series) -> Callable[[dt.date], pd.DataFrame]:
    """The wanted rows by the day that loads or counts them."""
    rows, counted_on = frame.drop(columns=COUNTED_ON)[wanted], frame.loc[wanted, COUNTED_ON]
    groups = (
        dict(iter(rows.groupby(counted_on))) if counted_on.nunique() > 1 else dict.fromkeys(counted_on.head(1), rows)
    )
    none = rows.iloc[:0]
    return lambda day: groups.get(pd.Timestamp(day), none)


def _windows(parts: Sequence[Part]) -> list[tuple[Days, Window]]:
    """Each once: the replies of a day that was asked for by ids share its window."""
    return list(dict.fromkeys((part.days, part.reply.query.window) for part in parts))


def _with_disposition(frame: pd.DataFrame) -> pd.DataFrame:
    """`KEPT` for rows of the reply's days and rows that have no day at all; the reply's first day counts those."""
    is_kept = frame[DAY].between(frame["first_day"], frame["last_day"])
    frame[DISPOSITION] = pd.Series(KEPT, index=frame.index).where(is_kept | frame[DAY].isna(), NEIGHBOUR)
    frame[COUNTED_ON] = frame[DAY].where(is_kept, frame["first_day"])
    return frame


def _replaced(frame: pd.DataFrame, again: pd.DataFrame, long: _Long, report: Report) -> pd.DataFrame:
    """`frame` with the rows of the `long` sessions taken from `again`, as far as they came back."""
    session_key = list(report.table.session_key)
    is_long = pd.MultiIndex.from_frame(again[session_key]).isin(pd.MultiIndex.from_frame(long.sessions[session_key]))
    again.loc[~is_long, DISPOSITION] = NEIGHBOUR
    came = pd.MultiIndex.from_frame(again.loc[is_long & again[REASON].isna(), session_key])
    frame.loc[pd.MultiIndex.from_frame(frame[session_key]).isin(came) & (frame[DISPOSITION] == KEPT), DISPOSITION] = (
        REPLACED
    )
    return pd.concat([frame, again], ignore_index=True)


def _as_sent(rows: pd.DataFrame) -> pd.Series:
    """Typed attendee rows as a line again, for the record of rejects."""
    names = ATTENDEES.table.column_names
    return rows[names].astype("str").fillna("").agg(",".join, axis=1) if len(rows) else pd.Series(dtype="str")
