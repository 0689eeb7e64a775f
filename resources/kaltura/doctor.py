"""An account examined: does it behave as docs/kaltura-api.md says, and if not, what to change.

A few dozen small requests, read-only. What is printed is made for a terminal and for a ticket to Kaltura's support: it
holds counts, column names and the ids that were asked for, and neither secrets nor anything about a person.
"""

import dataclasses
import datetime as dt
import difflib
import email.utils
import json
import os
import re
import textwrap
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import httpx
import pandas as pd
from rich.console import Console
from rich.text import Text

from resources.errors import ConfigurationError
from resources.kaltura import csv
from resources.kaltura.client import Client, RequestStats
from resources.kaltura.errors import KalturaError, ServerFault, TooMuch, Unavailable, redacted
from resources.kaltura.query import CAMEL_DATES, SNAKE_DATES, Filter, Query, Source
from resources.kaltura.reply import Raw, http_error
from resources.kaltura.session import LIFETIME_SECONDS
from resources.kaltura.windows import HOUR_SECONDS, Window
from resources.settings import SettingError, Settings
from resources.table import UNKNOWN

SESSIONS, ATTENDEES, BREAKOUTS = 6000, 6001, 6002
FORBIDDEN = "SERVICE_FORBIDDEN"
DAY_SECONDS = 86_400
RECENT_DAYS = (7, 35, 366)  # where rows are looked for: a week of term, the last month, a year with its holidays
QUARTER_DAYS = 92  # the widest window asked for on the way back: a whole year may be too much for one query
QUARTERS_BACK = 24
LONG_AGO = Window.around(1_262_304_000, 1_262_304_000)  # an hour of 2010, before there were Rooms: an empty report
CLOCK_TOLERANCE_SECONDS = 60
NO_SUCH_ID = "0_nosuchid"
SAME_SHARE = 0.01  # figures that differ by less are taken for equal: an event may still arrive between two requests
NAME_OF_COLUMN = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,59}")  # anything else in a header may be a row's value
SECRET_SETTINGS = ("KALTURA_APP_TOKEN", "KALTURA_ADMIN_SECRET", "KALTURA_KS")
REGIONS = {
    "www.kaltura.com": "US",
    "api.eu.kaltura.com": "EU",
    "api.de.kaltura.com": "DE",
    "api.sg.kaltura.com": "SG",
    "api.ca.kaltura.com": "CA",
    "api.ap.kaltura.com": "AU",
}

Verdict = Literal["ok", "differs", "failed", "unknown"]


@dataclass(frozen=True)
class Finding:
    """What a check found. `differs` can be lived with, `failed` can't; `unknown` is what this account can't tell."""

    check: str
    verdict: Verdict
    found: str
    advice: str = ""
    kaltura_session: str = ""


class ReportUnderTest(NamedTuple):
    """A report to examine: the name of its table, what Kaltura is expected to send, and its key."""

    name: str
    source: Source
    key: tuple[str, ...]

    @property
    def title(self) -> str:
        return f"{self.source.report_id} {self.name}"


@dataclass(frozen=True)
class Asked:
    """A request as Kaltura's support needs it."""

    at: str
    report_id: int
    params: str
    outcome: str
    rows: int | None
    seconds: float
    kaltura_session: str


@dataclass(frozen=True)
class Answer:
    """A reply's rows as strings, under whatever columns came. An empty report may come without a header."""

    frame: pd.DataFrame
    rows: int
    has_header: bool
    kaltura_session: str


@dataclass
class Probe:
    """What is known of a subject so far: some rows, and a window that is sure to hold rows and is small."""

    subject: ReportUnderTest
    recent: Answer
    within_days: int | None  # None: there are no rows in the last year
    window: Window
    sample: Answer | None = None


@dataclass
class Doctor:
    """The checks, in the order in which one builds on another. `clock` is this machine's."""

    client: Client
    subjects: Sequence[ReportUnderTest]
    start_date: dt.date
    clock: Callable[[], float] = time.time
    asked: list[Asked] = field(default_factory=list)
    probes: dict[int, Probe] = field(default_factory=dict)

    def findings(self) -> Iterator[Finding]:
        """Raises nothing: a check that breaks is a finding, and the others go on."""
        for title, check in (("host", self._host), ("credentials", self._credentials)):
            failed = False
            for finding in self._guarded(title, check):
                failed = failed or finding.verdict == "failed"
                yield finding
            if failed:
                yield Finding("reports", "unknown", f"not examined: first the {title}")
                return
        yield from self._guarded("permission", self._reports)
        for probe in self.probes.values():
            yield from self._of_report(probe)
        if BREAKOUTS in self.probes:
            yield from self._guarded("6002 dates", self._date_spelling)
        if SESSIONS in self.probes:
            yield from self._guarded("oldest day", self._oldest_day)
        if {SESSIONS, ATTENDEES} <= self.probes.keys():
            yield from self._guarded("hours", self._hours)

    def _of_report(self, probe: Probe) -> Iterator[Finding]:
        number = probe.subject.source.report_id
        checks: list[tuple[str, Callable[[Probe], Iterator[Finding]]]] = [
            ("columns", self._columns),
            ("limit", self._limit),
            ("one day", self._one_day),
            ("filters", self._filters),
            ("empty", self._empty_form),
        ]
        for title, check in checks:
            yield from self._guarded(f"{number} {title}", lambda check=check: check(probe))  # type: ignore[misc]

    def _guarded(self, title: str, check: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
        try:
            for finding in check():
                found = redacted(finding.found, *self.client.session.secrets)
                yield dataclasses.replace(finding, check=finding.check or title, found=found)
        except KalturaError as error:
            yield _failed(title, error)
        except Exception as error:  # its text may hold a row's values
            yield Finding(title, "failed", f"the check itself broke ({type(error).__name__})", "Please report this.")

    # --- before any report ------------------------------------------------------------------------------------------

    def _host(self) -> Iterator[Finding]:
        """`system.ping` needs no session; even a version of the API that lacks it answers with a document."""
        url = httpx.URL(self.client.base_url)
        started = self.clock()
        raw = self._ping()
        ended = self.clock()
        if not 200 <= raw.status < 300:
            raise http_error(raw, f"{url.host}")
        region = REGIONS.get(url.host, "a self-hosted Kaltura or a stand-in")
        found = f"{url.host} ({region}) answers in {1000 * (ended - started):,.0f} ms"
        if not _is_document(raw.body):
            advice = "Check KALTURA_BASE_URL: a web page is there, or a proxy's. It has to be the API of your region."
            yield Finding("", "failed", f"{url.host} answers, but not as Kaltura's API does", advice)
            return
        if url.scheme == "http" and self.client.is_remote:
            advice = "Write KALTURA_BASE_URL with https: over http the session token can be read on the way."
            yield Finding("", "differs", f"{found}, unencrypted", advice, raw.kaltura_session)
        else:
            yield Finding("", "ok", found, kaltura_session=raw.kaltura_session)
        yield self._clock_finding(raw, (started + ended) / 2)

    def _ping(self) -> Raw:
        try:
            return self.client.post("system", "ping", {}, about="system.ping")
        except Unavailable:  # once more: a single lost connection should not end the examination
            return self.client.post("system", "ping", {}, about="system.ping")

    def _clock_finding(self, raw: Raw, here: float) -> Finding:
        try:
            there = email.utils.parsedate_to_datetime(raw.headers.get("date", "")).timestamp()
        except ValueError:
            return Finding("clock", "unknown", "the server tells no time")
        ahead = here - there
        if abs(ahead) <= CLOCK_TOLERANCE_SECONDS:
            return Finding("clock", "ok", f"this machine and the server differ by {abs(ahead):.0f} s")
        side = "ahead of" if ahead > 0 else "behind"
        return Finding(
            "clock",
            "differs",
            f"this machine is {dt.timedelta(seconds=round(abs(ahead)))} {side} the server",
            "Set the clock (NTP): it decides which hours are asked for and when the session token is renewed.",
        )

    def _credentials(self) -> Iterator[Finding]:
        session = self.client.session
        session.get()
        granted = session.granted_seconds
        if granted is None:
            found = f"{session.way}; Kaltura does not say how long its session lasts"
        else:
            found = f"{session.way}; a session lasts {granted / HOUR_SECONDS:.1f} h"
        if session.is_users is not None:
            found += f", as {'a user' if session.is_users else 'an admin, or with a role'}"
        if session.is_users:
            advice = "Make the app token with the session type ADMIN, or with a role: setrole in its privileges."
            yield Finding("", "differs", f"{found}, who may read no reports", advice)
        elif granted is not None and granted < LIFETIME_SECONDS / 2:
            asked = LIFETIME_SECONDS / HOUR_SECONDS
            yield Finding("", "differs", f"{found} of the {asked:.0f} h asked for", "Nothing to do: it is renewed.")
        elif not session.is_renewable:
            advice = "It can't be renewed when it ends. For a schedule set an app token instead of KALTURA_KS."
            yield Finding("", "differs", found, advice)
        else:
            yield Finding("", "ok", found)

    # --- each report ------------------------------------------------------------------------------------------------

    def _reports(self) -> Iterator[Finding]:
        """Whether each report answers at all, and where its rows are."""
        errors: list[tuple[ReportUnderTest, KalturaError]] = []
        for subject in self.subjects:
            try:
                self.probes[subject.source.report_id] = self._probe(subject)
            except KalturaError as error:
                errors.append((subject, error))
        forbidden = [(subject, error) for subject, error in errors if error.code == FORBIDDEN]
        if forbidden:
            titles = ", ".join(subject.title for subject, _ in forbidden)
            refusal = forbidden[0][1]
            found = f"may not read {titles} ({FORBIDDEN})"
            yield Finding("permission", "failed", found, refusal.advice, refusal.kaltura_session)
        elif self.probes:
            yield Finding("permission", "ok", f"may read {', '.join(map(str, self.probes))}")
        for subject, problem in errors:
            if problem.code != FORBIDDEN:
                yield _failed(subject.title, problem)
        for probe in self.probes.values():
            yield self._probe_finding(probe)

    def _probe(self, subject: ReportUnderTest) -> Probe:
        """Asks wider and wider until there is a row; a year that times out is left at what the month told."""
        now = self.clock()
        probe: Probe | None = None
        for days in RECENT_DAYS:
            window = Window.around(now - days * DAY_SECONDS, now)
            try:
                answer = self._ask(Query(subject.source, window, limit=1))
            except TooMuch:
                if probe is None:
                    raise
                return probe
            if answer.rows:
                return Probe(subject, answer, days, self._busy_day(answer, window))
            probe = Probe(subject, answer, None, window)
        assert probe is not None  # noqa: S101 - RECENT_DAYS is not empty
        return probe

    def _busy_day(self, answer: Answer, window: Window) -> Window:
        """The day of the row that came first. Attendees have no time: theirs is the day of the room session."""
        start = _number(answer.frame, "session_start_time")
        if start is None:
            return self.probes[SESSIONS].window if SESSIONS in self.probes else window
        return Window.around(start - HOUR_SECONDS, start + DAY_SECONDS)

    def _probe_finding(self, probe: Probe) -> Finding:
        session = probe.recent.kaltura_session
        if probe.within_days is None:
            advice = "Check that Rooms are used in this account and that its region is right."
            found = "answers, but has no rows in the last 366 days"
            return Finding(probe.subject.title, "unknown", found, advice, session)
        found = f"answers, with rows in the last {probe.within_days} days"
        return Finding(probe.subject.title, "ok", found, kaltura_session=session)

    def _columns(self, probe: Probe) -> Iterator[Finding]:
        if not probe.recent.has_header:
            yield Finding("", "unknown", "an empty report shows no columns")
            return
        came, expected = list(probe.recent.frame.columns), probe.subject.source.columns
        missing = [name for name in expected if name not in came]
        more = [name for name in came if name not in expected]
        session = probe.recent.kaltura_session
        if not missing and not more:
            yield Finding("", "ok", f"all {len(expected)} are there, and no other", kaltura_session=session)
        if missing:
            found = f"missing: {', '.join(_with_candidates(missing, more))}"
            advice = (
                "No day of this report can be loaded. Ask Kaltura's support for the columns, with what --json prints."
            )
            yield Finding("", "failed", found, advice, session)
        if more:
            shown = [name if NAME_OF_COLUMN.fullmatch(name) else "one that is no name" for name in more]
            advice = "Nothing to do: values of columns that are not known are kept under `extra`."
            yield Finding("", "differs", f"additional: {', '.join(shown)}", advice, session)

    def _limit(self, probe: Probe) -> Iterator[Finding]:
        if probe.within_days is None:
            return
        two = self._ask(Query(probe.subject.source, probe.window, limit=2), lean=True)
        counts = f"limit=1 gave {probe.recent.rows:,}, limit=2 gave {two.rows:,}"
        if probe.recent.rows == 1 and two.rows == 2:
            yield Finding("", "ok", f"heeded ({counts})", kaltura_session=two.kaltura_session)
        elif max(probe.recent.rows - 1, two.rows - 2) > 0:
            advice = (
                "The report pins its size. A pull sends no limit, but rely on the row cap only after asking Kaltura."
            )
            yield Finding("", "differs", f"not heeded ({counts})", advice, two.kaltura_session)
        else:
            yield Finding("", "unknown", f"too few rows to tell ({counts})")

    def _one_day(self, probe: Probe) -> Iterator[Finding]:
        """The day's rows, on which other checks rest: rows with equal keys, and columns that were left out."""
        if probe.within_days is None:
            return
        source, key = probe.subject.source, list(probe.subject.key)
        probe.sample = sample = self._ask(Query(source, probe.window), lean=True)
        if sample.rows >= self.client.row_cap:
            advice = "Nothing to do: a pull asks again in parts."
            yield Finding("", "differs", f"{probe.window} is cut off at {sample.rows:,} rows", advice)
        if set(key) <= set(sample.frame.columns):
            twice = int(sample.frame.duplicated(key).sum())
            more = f", {twice:,} of them repeat a key: they are merged" if twice else ", each key once"
            yield Finding("", "ok", f"{sample.rows:,} rows{more}", kaltura_session=sample.kaltura_session)
        came = [name for name in source.personal_columns if name in sample.frame.columns]
        if came and sample.has_header:
            found = f"excludedFields is not heeded: {', '.join(came)} came all the same"
            advice = "Names and e-mail addresses can't be kept from being sent; they can still be dropped on arrival."
            yield Finding("", "differs", found, advice, sample.kaltura_session)

    def _filters(self, probe: Probe) -> Iterator[Finding]:
        """An id that no row has must bring no row; one that rows have must bring those alone."""
        if probe.sample is None or not probe.sample.rows:
            return
        source = probe.subject.source
        ignored = [filter_ for filter_ in source.filters if self._rows_of(probe, filter_, NO_SUCH_ID).rows]
        names = ", ".join(filter_.name for filter_ in source.filters)
        wrong = self._wrong_of_real_id(probe) if source.split_by not in ignored else ""
        session = self.asked[-1].kaltura_session
        if not ignored and not wrong:
            yield Finding("", "ok", f"heeded: {names}", kaltura_session=session)
            return
        if source.split_by in ignored or wrong:
            found = wrong or f"ignored: {', '.join(filter_.name for filter_ in ignored)}"
            advice = (
                "Days that are too large for one reply can't be loaded. Ask Kaltura's support, with what --json prints."
            )
            yield Finding("", "failed", found, advice, session)
        else:
            found = f"ignored: {', '.join(filter_.name for filter_ in ignored)}"
            advice = "Leave the setting for it empty (KALTURA_*_IDS), or whole reports are stored under its name."
            yield Finding("", "differs", found, advice, session)

    def _wrong_of_real_id(self, probe: Probe) -> str:
        """What is wrong with the rows of one id that the day's rows have; empty if nothing is."""
        assert probe.sample is not None  # noqa: S101 - `_filters` has looked
        filter_ = probe.subject.source.split_by
        if filter_.column not in probe.sample.frame:
            return ""
        ids = probe.sample.frame[filter_.column]
        ids = ids[~ids.isin(UNKNOWN)]
        if ids.empty:
            return ""
        asked = str(ids.mode()[0])
        answer = self._rows_of(probe, filter_, asked, limit=None)
        others = set(answer.frame[filter_.column]) - {asked} if answer.rows else set()
        if others:
            return f"{filter_.name}={asked} brought rows of {len(others):,} others"
        return "" if answer.rows else f"{filter_.name}={asked} brought no rows, though the day has some"

    def _rows_of(self, probe: Probe, filter_: Filter, value: str, limit: int | None = 1) -> Answer:
        return self._ask(Query(probe.subject.source, probe.window, {filter_: [value]}, limit=limit), lean=True)

    def _empty_form(self, probe: Probe) -> Iterator[Finding]:
        source = probe.subject.source
        try:
            answer = self._ask(Query(source, LONG_AGO, limit=1), once=True)
        except Unavailable as error:
            found = f"a window without rows gave no empty report: {error.what_and_where}"
            advice = "Such a reply counts as an outage: a day without rows would fail. Ask Kaltura's support."
            yield Finding("", "failed", found, advice, error.kaltura_session)
            return
        if answer.rows:
            yield Finding("", "differs", f"{LONG_AGO} has rows", "Ask Kaltura's support whether dates are heeded.")
            return
        form = "a header line alone" if answer.has_header else "an empty line alone"
        yield Finding("", "ok", f"an empty report is {form}; zero bytes would be an error")

    # --- the account as a whole -------------------------------------------------------------------------------------

    def _date_spelling(self) -> Iterator[Finding]:
        """Which of the two spellings report 6002 heeds. It is asked for with each alone; a pull sends both."""
        probe = self.probes[BREAKOUTS]
        heeded: list[str] = []
        for names in (SNAKE_DATES, CAMEL_DATES):
            try:
                answer = self._ask(Query(probe.subject.source, probe.window, limit=1, dates=(names,)), once=True)
            except ServerFault:  # how a missing date is answered
                continue
            if answer.rows or probe.within_days is None:
                heeded.append(names[0])
        if not heeded:
            advice = "Neither spelling alone brings rows. Ask Kaltura's support which dates report 6002 takes."
            yield Finding("", "failed", "neither from_date nor fromDate is heeded", advice)
        else:
            found = " and ".join(heeded) + (" are both heeded" if len(heeded) > 1 else " alone is heeded")
            yield Finding("", "ok", f"{found}; a pull sends both", kaltura_session=self.asked[-1].kaltura_session)

    def _oldest_day(self) -> Iterator[Finding]:
        """Bisected over quarters, taking it that none is empty between two that are not; then over days."""
        probe = self.probes[SESSIONS]
        if probe.within_days is None:
            return
        end = int(self.clock()) // DAY_SECONDS * DAY_SECONDS + DAY_SECONDS
        quarter = _last_true(
            (end - probe.window.end) // (QUARTER_DAYS * DAY_SECONDS) if probe.window.end < end else 0,
            QUARTERS_BACK,
            lambda n: self._has_rows(probe, end - (n + 1) * QUARTER_DAYS * DAY_SECONDS, QUARTER_DAYS),
        )
        start = end - (quarter + 1) * QUARTER_DAYS * DAY_SECONDS
        if quarter == QUARTERS_BACK - 1:
            yield Finding("", "ok", f"rows reach back to {_day(start)} at least; START_DATE is {self.start_date}")
            return
        days = _last_true(-1, QUARTER_DAYS, lambda n: n < 0 or not self._has_rows(probe, start, n + 1)) + 1
        oldest = _day(start + days * DAY_SECONDS)
        if oldest > self.start_date:
            advice = f"Set START_DATE={oldest}: no earlier day has anything to pull."
            yield Finding("", "differs", f"{oldest} has the oldest rows; START_DATE is {self.start_date}", advice)
        else:
            yield Finding("", "ok", f"{oldest} has the oldest rows; START_DATE is {self.start_date}")

    def _has_rows(self, probe: Probe, start: int, days: int) -> bool:
        window = Window.around(start, start + days * DAY_SECONDS)
        return self._ask(Query(probe.subject.source, window, limit=1), lean=True).rows > 0

    def _hours(self) -> Iterator[Finding]:
        """Whether a window cuts within the hour: an hour of a session that was on for all of it, whole and in halves.

        Where events keep their time, the halves add up to the hour. Where they are kept by the hour, the half that
        holds the hour's beginning has everything. Where windows are widened to hours, each half has everything.
        """
        session = self._session_of_an_hour()
        if session is None:
            yield Finding("", "unknown", "no session in sight was on for a whole hour by the clock")
            return
        cue_point_id, hour = session
        middle, end = hour + HOUR_SECONDS // 2, hour + HOUR_SECONDS
        spans = (Window(hour, end), Window(hour, middle), Window(middle, end))
        whole, first, second = (self._minutes(span, cue_point_id) for span in spans)
        if not whole:
            yield Finding("", "unknown", "the hour asked for has no viewing time")
            return
        shares = f"(halves of an hour: {first / whole:.0%} and {second / whole:.0%} of it)"
        near = [abs(part - whole) <= SAME_SHARE * whole for part in (first, second)]
        if near == [True, True]:
            found = "windows are widened to whole hours"
        elif near == [True, False] and not second:
            found = "events are kept by the hour: a window cuts at whole hours alone"
        elif first and second and abs(first + second - whole) <= SAME_SHARE * whole:
            found = "a window cuts within the hour too"
        else:
            yield Finding("", "unknown", f"the halves don't add up {shares}")
            return
        yield Finding("", "ok", f"{found} {shares}; pulls ask for whole hours")

    def _session_of_an_hour(self) -> tuple[str, int] | None:
        sample = self.probes[SESSIONS].sample
        if sample is None or not {"cue_point_id", "session_start_time", "session_end_time"} <= set(sample.frame):
            return None
        frame = sample.frame[~sample.frame["cue_point_id"].isin(UNKNOWN)]
        start = pd.to_numeric(frame["session_start_time"], errors="coerce")
        hour = -(-start // HOUR_SECONDS) * HOUR_SECONDS
        fits = frame[pd.to_numeric(frame["session_end_time"], errors="coerce") >= hour + HOUR_SECONDS]
        return (str(fits["cue_point_id"].iloc[0]), int(hour[fits.index[0]])) if len(fits) else None

    def _minutes(self, window: Window, cue_point_id: str) -> float:
        source = self.probes[ATTENDEES].subject.source
        answer = self._ask(Query(source, window, {source.split_by: [cue_point_id]}), lean=True)
        if not answer.rows:
            return 0.0
        return float(pd.to_numeric(answer.frame["meeting_view_time"], errors="coerce").sum())

    # --- asking -----------------------------------------------------------------------------------------------------

    def _ask(self, query: Query, *, lean: bool = False, once: bool = False) -> Answer:
        """`lean`: without the personal columns. `once`: the error may be the answer, so it is not asked again."""
        excluded = query.source.personal_columns if lean else ()
        started = self.clock()
        try:
            if once:
                raw = self.client.post_report(query, self.client.session.get(), excluded_columns=excluded)
            else:
                raw = self.client.raw(query, RequestStats(), excluded_columns=excluded)
            # Whatever columns came are taken: what is expected is `_columns`' business.
            rows = csv.parse(raw.body, dataclasses.replace(query.source, columns=()), str(query))
        except KalturaError as error:
            self._note(query, started, error.code or type(error).__name__, None, error.kaltura_session)
            raise
        self._note(query, started, "ok", rows.received, raw.kaltura_session)
        has_header = bool(raw.body.removeprefix(csv.BOM).partition(b"\n")[0].strip())
        return Answer(rows.frame, rows.received, has_header, raw.kaltura_session)

    def _note(self, query: Query, started: float, outcome: str, rows: int | None, session: str) -> None:
        at = dt.datetime.fromtimestamp(started, dt.UTC).isoformat(timespec="seconds")
        seconds = round(self.clock() - started, 2)
        self.asked.append(Asked(at, query.source.report_id, query.params(), outcome, rows, seconds, session))


def _failed(check: str, error: KalturaError) -> Finding:
    return Finding(check, "failed", error.what_and_where, error.advice, error.kaltura_session)


def _is_document(body: bytes) -> bool:
    try:
        json.loads(body.decode("utf-8-sig"))
    except ValueError:
        return False
    return True


def _number(frame: pd.DataFrame, column: str) -> float | None:
    if column not in frame or frame.empty:
        return None
    value = pd.to_numeric(frame[column], errors="coerce").iloc[0]
    return float(value) if value > 0 else None


def _with_candidates(missing: Sequence[str], more: Sequence[str]) -> list[str]:
    """The missing names, each with the additional one that it may have become."""
    near = {name: difflib.get_close_matches(name, more, n=1, cutoff=0.6) for name in missing}
    return [f"{name} (renamed {near[name][0]}?)" if near[name] else name for name in missing]


def _last_true(low: int, high: int, holds: Callable[[int], bool]) -> int:
    """The last number below `high` for which `holds` is true, given that it is for `low` and up to where it stops."""
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


def _day(seconds: int) -> dt.date:
    return dt.datetime.fromtimestamp(seconds, dt.UTC).date()


# --- the command -----------------------------------------------------------------------------------------------------


def settings_findings(environment: Mapping[str, str]) -> Iterator[Finding]:
    """Whether the settings can be used at all, and which of them count."""
    given = {name for name, value in environment.items() if value.strip()}
    if "KALTURA_PARTNER_ID" not in given:
        stray = sorted(given & {*SECRET_SETTINGS, "KALTURA_APP_TOKEN_ID", "KALTURA_BASE_URL"})
        if stray:
            found = f"{', '.join(stray)} without KALTURA_PARTNER_ID: the stand-in is examined"
            yield Finding("settings", "differs", found, "Set KALTURA_PARTNER_ID to examine the account.")
        else:
            yield Finding("settings", "ok", "no account is set: the stand-in is examined")
    else:
        secrets = [name for name in SECRET_SETTINGS if name in given]
        unused = f"; {', '.join(secrets[1:])} not used" if len(secrets) > 1 else ""
        yield Finding("settings", "ok", f"{secrets[0] if secrets else 'no secret'} is set{unused}")
    restricting = sorted(name for name in given if re.fullmatch(r"KALTURA_[A-Z_]+_IDS", name))
    if restricting:
        found = f"{', '.join(restricting)} restrict every pull; the doctor looks at the whole account"
        yield Finding("filters set", "ok", found)
    try:
        Settings.from_environment(environment)
    except SettingError as error:
        yield Finding("settings", "failed", str(error), "Correct it in .env or in the environment.")


class Visit:
    """One run of the command: the environment's account, examined."""

    def __init__(self) -> None:
        partner_id = redacted(os.environ.get("KALTURA_PARTNER_ID", ""))
        self.account = partner_id or "the stand-in, for KALTURA_PARTNER_ID is not set"
        self.doctor: Doctor | None = None

    def findings(self) -> Iterator[Finding]:
        failed = False
        for finding in settings_findings(os.environ):
            failed = failed or finding.verdict == "failed"
            yield finding
        if failed:
            yield Finding("account", "unknown", "not examined: first the settings")
            return
        try:
            yield from self._examined()
        except KalturaError as error:
            yield _failed("settings", error)
        except ConfigurationError as error:
            yield Finding("settings", "failed", redacted(str(error)))

    def _examined(self) -> Iterator[Finding]:
        # Imported here, at the command's edge, and handed over as plain values: what the reports are expected to be is
        # said under assets/, which rests on this package, so nothing else in here may know of it.
        from assets.reports import REPORTS
        from resources.kaltura.resource import Kaltura

        subjects = [ReportUnderTest(report.table.name, report.source, report.table.key) for report in REPORTS]
        kaltura = Kaltura.from_environment().process_config_and_initialize()
        with kaltura.client() as client:
            self.doctor = Doctor(client, subjects, Settings.from_environment().start_date)
            yield from self.doctor.findings()

    def document(self, findings: Sequence[Finding]) -> dict[str, object]:
        """Everything, fit for a ticket to Kaltura's support."""
        examination = self.doctor
        return {
            "made_at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
            "account": self.account,
            "base_url": examination.client.base_url if examination else None,
            "findings": [dataclasses.asdict(finding) for finding in findings],
            "requests": [dataclasses.asdict(asked) for asked in examination.asked] if examination else [],
        }


COLOURS: Mapping[Verdict, str] = {"ok": "green", "differs": "yellow", "failed": "bold red", "unknown": "dim"}
VERDICT_WIDTH, CHECK_WIDTH, WIDEST = 8, 23, 100


def shown(finding: Finding, console: Console) -> None:
    """The verdict, the check, what was found; below it what to do."""
    left = VERDICT_WIDTH + CHECK_WIDTH
    width = max(30, min(console.width, WIDEST) - left)
    lines = textwrap.wrap(finding.found, width, break_on_hyphens=False) or [""]
    text = Text(f"{finding.verdict:<{VERDICT_WIDTH}}", style=COLOURS[finding.verdict])
    text.append(f"{finding.check:<{CHECK_WIDTH}}", style="bold")
    text.append(("\n" + " " * left).join(lines), style="default")
    for number, line in enumerate(textwrap.wrap(finding.advice, width - 3, break_on_hyphens=False)):
        text.append("\n" + " " * left + ("-> " if number == 0 else "   ") + line, style="default")
    console.print(text, soft_wrap=True, highlight=False)
