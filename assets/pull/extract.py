"""Some days out of Kaltura's reports: asked for in one window, long sessions again, and handed over day by day.

A session that ends after its day's window is pulled again by its ids, with a window that covers it (`covers`). Which row
is whose day's is said in `assign`.
"""

import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import pandas as pd

from assets.breakout_sessions import BREAKOUT_SESSIONS
from assets.pull import usable
from assets.pull.assign import (
    NO_SESSION,
    Lines,
    Received,
    WiderWindow,
    asked_again,
    counted_alone,
    replaced,
    tied_to,
    windows_of,
    with_disposition,
)
from assets.pull.by_day import by_day
from assets.pull.dropped_rows import DroppedRows
from assets.pull.empty_replies import AgainstEmpty, EmptyReplyEvidence, RowsSeen, nothing_known
from assets.pull.filters import Filters
from assets.pull.normalize import AHEAD_SECONDS, most_minutes_in, normalize
from assets.pull.stages import (
    COLUMN,
    DISPOSITION,
    ENDS_AT,
    FIRST_DAY,
    KEPT,
    LAST_DAY,
    LINE,
    PARTITION_DATE,
    REASON,
    RECEIVED,
    REPLACED,
    WINDOW_END,
    WINDOW_START,
)
from assets.pull.wider_windows import FOLLOWED, wider_windows
from assets.pull.witnesses import Witnesses
from assets.report import Report
from assets.reports import REPORTS
from assets.room_sessions import ROOM_SESSIONS
from resources.arrivals import Arrivals, Pull
from resources.kaltura.client import Client, Reply, RequestStats
from resources.kaltura.complete import Completion, rows_a_day
from resources.kaltura.windows import Calendar, Days, Window
from resources.privacy.pseudonyms import EVERYTHING, People
from resources.table import UNKNOWN


@dataclass(frozen=True)
class Extract:
    """Some days, whole. `pull` began before the first request; `rows_a_day` are those of the fullest reply."""

    days: Days
    pull: Pull
    by_day: Mapping[dt.date, Sequence[Arrivals]]
    rows_a_day: float


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
    against_empty: AgainstEmpty = nothing_known,
    holds_zeros: usable.HoldsZeros = usable.holds_nothing,
    seen: RowsSeen | None = None,
    accepts_empty: bool = False,
) -> Extract:
    """The days' rows for each of `reports`. Raises what `Completion.days` raises; then there is nothing of any day.

    `number` is the pull's, given out before. When it began is told by `now`, by default in Kaltura's own time.
    `against_empty` and `holds_zeros` say what the warehouse knows of days whose reply may not be true, `seen` what the run does.
    """
    told = against_empty, holds_zeros, seen or RowsSeen()
    pull = _Pull(days, client, calendar, filters, people, now, *told, accepts_empty)
    rows = pull.received(reports)
    arrived = {report.table.name: pull.arrived(rows[report.table.name], report) for report in reports}
    return Extract(
        days,
        Pull(number, dt.datetime.fromtimestamp(pull.now, dt.UTC), client.clock.ahead_seconds),
        {day: [arrived[report.table.name][day] for report in reports] for day in days},
        max([*pull.rows_a_day.values(), pull.dropped_rows.most_rows / len(days)]),
    )


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
        against_empty: AgainstEmpty,
        holds_zeros: usable.HoldsZeros,
        seen: RowsSeen,
        accepts_empty: bool,
    ) -> None:
        self.days = days
        self.calendar = calendar
        self.filters = filters
        self.people = people
        self._moment = client.clock.steady()
        self._now = now() if now else None
        self.rows_a_day: dict[int, float] = {}
        self.stats = {report.report_id: RequestStats() for report in REPORTS}
        self.lines = {report_id: Lines() for report_id in self.stats}
        self.client = client
        self.witnesses = Witnesses(filters.of)
        self.evidence = EmptyReplyEvidence(self.witnesses, against_empty, seen)
        self.holds_zeros = usable.accepts_zeros if accepts_empty else holds_zeros
        self.accepts_empty = accepts_empty
        self.stretches: Sequence[Days] = (days,)
        held = filters.of(BREAKOUT_SESSIONS)
        shared = {filter_: ids for filter_, ids in filters.of(ROOM_SESSIONS).items() if filter_ in held}
        self.dropped_rows = DroppedRows(
            BREAKOUT_SESSIONS, client, self.stats[BREAKOUT_SESSIONS.report_id], shared, accepts_empty
        )

    def received(self, reports: Sequence[Report]) -> dict[str, Received]:
        """The reports' rows. What all of them came without is asked for once more, in halves, before it is believed."""
        rows = self._asked(reports)
        if len(self.days) == 1 and self._have_lost_figures(rows, reports):
            again = self._asked(reports)  # of several days, each is asked for again anyway
            return {name: asked_again(came, again[name]) for name, came in rows.items()}
        if self.accepts_empty or not all(came.frame.empty for came in rows.values()):
            return rows
        asking = [self._completion(report) for report in reports]
        self.stretches = self.evidence.all_came_empty(self.days, asking, self.calendar)
        return self._asked(reports)

    def _have_lost_figures(self, rows: Mapping[str, Received], reports: Sequence[Report]) -> bool:
        came = ((rows[report.table.name].frame, report) for report in reports)
        return any(usable.lost_figures(*each, self.days, self.holds_zeros) for each in came)

    def _asked(self, reports: Sequence[Report]) -> dict[str, Received]:
        """The reports' rows. One that came empty is asked for again where another report has rows of the same days."""
        rows: dict[str, Received] = {}
        others = [report for report in reports if report.dated_by is None and report is not ROOM_SESSIONS]
        with ThreadPoolExecutor(max_workers=1) as thread:
            needs_rooms = any(ROOM_SESSIONS in (report, report.dated_by) for report in reports)
            rooms = thread.submit(self.sessions, ROOM_SESSIONS) if needs_rooms else None
            if rooms and self.witnesses.may_tell(BREAKOUT_SESSIONS, of=ROOM_SESSIONS):
                self.dropped_rows.received = lambda: None if rooms.exception() else rooms.result()
            for report in others:
                rows[report.table.name] = self.sessions(report)
            if rooms:
                rows[ROOM_SESSIONS.table.name] = rooms.result()
        for report in (ROOM_SESSIONS, *others):
            if report.table.name in rows:
                self.witnesses.heard(report, rows[report.table.name].frame)
        if ROOM_SESSIONS.table.name in rows and self._ask_again_if_contradicted(rows, ROOM_SESSIONS):
            self._rooms_asked_again(rows, others)
        else:
            for report in others:
                self._ask_again_if_contradicted(rows, report)
        for report in reports:
            if report.dated_by:
                self._ask_for_tied(report, rows, others)
        return rows

    def _ask_for_tied(self, report: Report, rows: dict[str, Received], others: Sequence[Report]) -> None:
        """They may name sessions that 6000 left out: then it is asked again, and so is 6002 where these speak against it."""
        sessions = rows[ROOM_SESSIONS.table.name]
        heard = sessions.frame
        rows[report.table.name] = self.tied(report, sessions)
        self.witnesses.heard(report, rows[report.table.name].frame)
        if self._ask_again_if_contradicted(rows, ROOM_SESSIONS):
            now = self.tied(report, rows[ROOM_SESSIONS.table.name])
            rows[report.table.name] = asked_again(rows[report.table.name], now)
        if rows[ROOM_SESSIONS.table.name].frame is not heard:
            self.witnesses.heard(ROOM_SESSIONS, rows[ROOM_SESSIONS.table.name].frame)
            self._rooms_asked_again(rows, others)

    def _rooms_asked_again(self, rows: dict[str, Received], others: Sequence[Report]) -> None:
        """More rooms than before: 6002 may have lost more than it seemed, or was wrongly believed to be empty."""
        if self.dropped_rows.received:
            self.dropped_rows.received = lambda: rows[ROOM_SESSIONS.table.name]
        for report in others:
            came = rows[report.table.name]
            is_asked_again = self._ask_again_if_contradicted(rows, report)
            if report is self.dropped_rows.report and not is_asked_again and self.dropped_rows.has_lost(came):
                rows[report.table.name] = asked_again(came, self.sessions(report))

    def _ask_again_if_contradicted(self, rows: dict[str, Received], report: Report) -> bool:
        came = rows[report.table.name]
        there = set(came.frame[FIRST_DAY].unique())
        empty = [days for days, _ in came.windows if pd.Timestamp(days.first) not in there]
        if not any(self.evidence.by_replies(report, days) or self.evidence.asks_twice(report, days) for days in empty):
            return False
        rows[report.table.name] = came = asked_again(came, self.sessions(report))
        self.witnesses.heard(report, came.frame)
        return True

    @property
    def now(self) -> float:
        """When the pull began, by the clock of Kaltura's replies: before the first of them nobody asks."""
        return self.client.clock.at(self._moment) if self._now is None else self._now

    def sessions(self, report: Report) -> Received:
        """The rows of a report that carry their own start."""
        completion = self._completion(report)
        parts, frames = [], []
        for stretch in self.stretches:  # what one stretch tells of the next is known before that is asked for
            came = completion.days(stretch)
            parts += came
            frames += [self._dated(part.reply, report, part.days) for part in came]
        self.rows_a_day[report.report_id] = rows_a_day(parts)
        frame = pd.concat(frames, ignore_index=True)
        windows = windows_of(parts)
        return Received(self._covered(frame, windows, report), windows)

    def _covered(self, frame: pd.DataFrame, windows: Iterable[tuple[Days, Window]], report: Report) -> pd.DataFrame:
        """`frame` with the sessions that their days' windows do not fit pulled again, each in a window of its own."""
        column, key, lines = report.split_by.column, report.table.session_key, self.lines[report.report_id]
        for days, window in windows:
            has_id = frame[column].notna() & ~frame[column].isin(UNKNOWN)
            for cover in (
                *wider_windows(frame[has_id], days, window, self.now),
                *wider_windows(frame[~has_id], days, window, self.now),
            ):
                ids = sorted(set(cover.sessions[column].dropna()).difference(UNKNOWN))
                replies, control = self._in_wider_window(report, cover, ids or None, window)
                again = pd.concat([self._dated(reply, report, days) for reply in replies], ignore_index=True)
                frame = replaced(frame, again, cover, report, key, lines)
                extra = [counted_alone(self._dated(reply, report, days)) for reply in control]
                frame = pd.concat([frame, *extra], ignore_index=True)
        return frame

    def _in_wider_window(
        self, report: Report, cover: WiderWindow, ids: Sequence[str] | None, window: Window
    ) -> tuple[list[Reply], list[Reply]]:
        """Replies of the cover's window, and those by which it was seen whether empty ones can be believed.

        Where `ids` is None, as of breakouts without a main room, all that the window has is asked for.
        A session without an end may have no event in its week, where `window` reaches beyond that. The window that it
        was found in has some: where that comes empty too, nothing can be read at the moment.
        """
        completion = self._completion(report)
        asked = completion.of_window if ids is None else partial(completion.of_ids, ids=ids)
        may_be_empty = cover.ends_there and cover.window.end < window.end
        replies = asked(cover.window, have_rows=not may_be_empty)
        if not replies or any(reply.rows.received for reply in replies):
            return replies, []
        control = asked(window, have_rows=True)
        return asked(cover.window), control

    def tied(self, report: Report, sessions: Received) -> Received:
        """The rows of a report that only their session ties to a day.

        Its windows need not be those of `sessions`: 6001 has more rows, its days are the first to be asked one by one.
        A session is known by its cue point alone: 6000 need not list every room that one takes place in.
        """
        lines = self.lines[report.report_id]
        completion = self._completion(report)
        parts = [
            part
            for stretch in self.stretches
            for part in completion.days(stretch, lambda days: self._cue_points(report, sessions, days))
        ]
        self.rows_a_day[report.report_id] = rows_a_day(parts)
        frame = pd.concat([self._received(part.reply, report, part.days) for part in parts], ignore_index=True)
        frame = self._tied(report, frame, sessions)
        windows = windows_of(parts)
        for days, window in windows:
            for cover in wider_windows(sessions.frame, days, window, self.now):
                ids = self._allowed_cue_points(report, cover.sessions["cue_point_id"])
                for these, is_control in zip(
                    self._in_wider_window(report, cover, ids, window), (False, True), strict=True
                ):
                    if not these:
                        continue
                    again = pd.concat([self._received(reply, report, days) for reply in these], ignore_index=True)
                    again = self._tied(report, again, sessions, look_further=False)
                    if is_control:
                        frame = pd.concat([frame, counted_alone(again)], ignore_index=True)
                    else:
                        frame = replaced(frame, again, cover, report, ["cue_point_id"], lines)
        return Received(frame, windows, known=sessions.frame)

    def arrived(self, rows: Received, report: Report) -> dict[dt.date, Arrivals]:
        """Every row that was received, on the day that loads it or counts it."""
        of_report = self.lines[report.report_id], self.stats[report.report_id], self._known_until
        return by_day(rows, report, self.days, *of_report, self.filters.names_of(report), self.holds_zeros)

    def _completion(self, report: Report) -> Completion:
        return Completion(
            self.client,
            report.source,
            self.calendar,
            self.stats[report.report_id],
            self.filters.of(report),
            self.people.excluded(report.table.personal_columns),
            doubt=lambda days: self.evidence.of(report, days),
            asks_twice=lambda days: self.evidence.asks_twice(report, days),
            most_dropped=self.dropped_rows.most_dropped,
            named=self.witnesses.names(report, self.client, self.stats[report.report_id]),
            accepts_empty=self.accepts_empty,
            believes_0=partial(self.holds_zeros, report.table),
            is_narrowed=report.dated_by is not None and not self.witnesses.may_tell(report.dated_by, of=report),
        )

    def _received(self, reply: Reply, report: Report, days: Days) -> pd.DataFrame:
        """A reply's rows, typed, with the window that they are known in and the day that counts what has no day."""
        window = reply.query.window
        frame = normalize(reply.rows, report, self.people, most_minutes_in(window), self.now + AHEAD_SECONDS)
        frame[LINE] += self.lines[report.report_id].add(reply.rows)
        frame[WINDOW_START] = pd.Timestamp(window.starts_at).as_unit("us")
        frame[WINDOW_END] = pd.Timestamp(self._known_until(window)).as_unit("us")
        frame[FIRST_DAY], frame[LAST_DAY] = (pd.Timestamp(each).as_unit("us") for each in (days.first, days.last))
        return RECEIVED.of(frame)

    def _dated(self, reply: Reply, report: Report, days: Days) -> pd.DataFrame:
        frame = self._received(reply, report, days)
        frame[PARTITION_DATE] = self._local_day(frame["session_start_time"])
        ended = frame["session_end_time"].where(frame[REASON].isna())
        frame[ENDS_AT] = ended.fillna(frame["session_start_time"] + FOLLOWED)
        self.evidence.seen.heard(report, frame[PARTITION_DATE])
        return with_disposition(frame)

    def _tied(
        self, report: Report, frame: pd.DataFrame, sessions: Received, *, look_further: bool = True
    ) -> pd.DataFrame:
        """The rows with the day and end of their session.

        A session that began between the two requests is not in `sessions` yet: it is asked for by its room, once. A row
        whose session not even that finds is rejected.
        """
        tied = tied_to(sessions.frame, frame)
        self.evidence.seen.heard(report, tied[PARTITION_DATE])
        orphans = tied[PARTITION_DATE].isna() & tied[REASON].isna()
        if orphans.any() and look_further and self._find(tied[orphans], sessions):
            return self._tied(report, frame, sessions, look_further=False)
        if orphans.any():
            tied[REASON] = tied[REASON].mask(orphans, NO_SESSION)
            tied[COLUMN] = tied[COLUMN].mask(orphans, "cue_point_id")
        return with_disposition(tied)

    def _find(self, orphans: pd.DataFrame, sessions: Received) -> bool:
        """Whether asking again for the orphans' rooms told of a session that `sessions` lacked; it is added there."""
        completion = self._completion(ROOM_SESSIONS)
        found = []
        stretches = orphans[[FIRST_DAY, LAST_DAY]].apply(lambda column: column.dt.date)
        asked = sorted({Days(first, last) for first, last in stretches.itertuples(index=False, name=None)})
        for days in asked:
            of_days = orphans[FIRST_DAY] == pd.Timestamp(days.first)
            ids = set(orphans.loc[of_days, "entry_id"].dropna())
            listed = sessions.frame.loc[sessions.frame[FIRST_DAY] == pd.Timestamp(days.first), "entry_id"].dropna()
            beside = min(listed, default=None)  # a room that 6000 lists for sure
            window = self.calendar.window(days)
            replies = completion.of_ids(window, sorted(ids), have_rows=beside is not None, beside=beside)
            found += [self._dated(reply, ROOM_SESSIONS, days) for reply in replies]
        if not found:
            return False
        rows = pd.concat(found, ignore_index=True)
        there = pd.MultiIndex.from_frame(sessions.frame[["entry_id", "cue_point_id"]])
        already = pd.MultiIndex.from_frame(rows[["entry_id", "cue_point_id"]]).isin(there)
        rows.loc[(already & (rows[DISPOSITION] == KEPT)) | rows[PARTITION_DATE].isna(), DISPOSITION] = REPLACED
        has_news = bool((~already & rows[PARTITION_DATE].notna()).any())
        windows = [(days, self.calendar.window(days)) for days in asked]
        sessions.frame = pd.concat([sessions.frame, self._covered(rows, windows, ROOM_SESSIONS)], ignore_index=True)
        return has_news

    def _cue_points(self, report: Report, sessions: Received, days: Days) -> list[str]:
        frame = sessions.frame
        of_days = frame[PARTITION_DATE].between(pd.Timestamp(days.first), pd.Timestamp(days.last))
        return self._allowed_cue_points(report, frame.loc[of_days, "cue_point_id"].dropna())

    def _allowed_cue_points(self, report: Report, ids: Iterable[str]) -> list[str]:
        asked = self.filters.of(report).get(report.split_by)
        return sorted(set(ids) & set(asked) if asked else set(ids))

    def _local_day(self, times: pd.Series) -> pd.Series:
        local: pd.Series = times.dt.tz_convert(self.calendar.timezone).dt.tz_localize(None).dt.normalize()
        return local

    def _known_until(self, window: Window) -> dt.datetime:
        """A window that reaches into the future tells nothing of it."""
        return min(window.ends_at, dt.datetime.fromtimestamp(self.now, dt.UTC))
