"""Each report: whether it answers, its columns, `limit`, a busy day, its filters, the form of an empty one."""

import difflib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import pandas as pd

from resources.kaltura.doctor.probe import (
    DAY_SECONDS,
    SESSIONS,
    Answer,
    Finding,
    Probe,
    ReportUnderTest,
    Requests,
    failed,
)
from resources.kaltura.errors import KalturaError, Refused, TooMuch, Unavailable
from resources.kaltura.header import friendly_names, in_place_of_header, shown
from resources.kaltura.query import NO_SUCH_ID, Filter, Query
from resources.kaltura.windows import HOUR_SECONDS, Window
from resources.table import EARLIEST, LATEST, UNKNOWN

FORBIDDEN = "SERVICE_FORBIDDEN"
HIDDEN_DAYS = 7  # where rows are also looked for without a limit: they can be dropped after the query has counted them
RECENT_DAYS = (7, 35, 366)  # where rows are looked for: a week of term, the last month, a year with its holidays
LONG_AGO = Window.around(1_262_304_000, 1_262_304_000)  # an hour of 2010, before there were Rooms: an empty report
HASH = r"[0-9A-F]{32}"
NO_DAY = "No day of this report can be loaded. Ask Kaltura's support for the columns, with what --json prints."

Probes = dict[int, Probe]


def answering(requests: Requests, reports: Sequence[ReportUnderTest], probes: Probes) -> Iterator[Finding]:
    """Whether each report answers at all, and where its rows are."""
    errors: list[tuple[ReportUnderTest, KalturaError]] = []
    for report in reports:
        try:
            probes[report.source.report_id] = _probe(requests, report, probes)
        except KalturaError as error:
            errors.append((report, error))
    told: set[str] = set()
    for report, problem in errors:
        same = [other for other, its in errors if type(its) is Refused and its.what == problem.what]
        if type(problem) is not Refused or (len(same) == 1 and problem.code != FORBIDDEN):
            yield failed(report.title, problem)
        elif problem.what not in told:  # once: it is the account's or the session's, and no report's own
            told.add(problem.what)
            found = f"may not read {', '.join(other.title for other in same)} ({problem.what})"
            yield Finding("permission", "failed", found, problem.advice_to_the_doctor, problem.kaltura_session)
    if probes and not told:
        yield Finding("permission", "ok", f"may read {', '.join(map(str, probes))}")
    for probe in probes.values():
        yield _probe_finding(probe)


def _probe(requests: Requests, report: ReportUnderTest, probes: Probes) -> Probe:
    """Asks wider and wider until there is a row; a year that times out is left at what the month told.

    Where the week is too much for one question, as in a large account, its days are asked for, the newest first.
    """
    now = requests.clock()
    probe: Probe | None = None
    asking = [(days, Window.around(now - days * DAY_SECONDS, now)) for days in RECENT_DAYS]
    while asking:
        days, window = asking.pop(0)
        try:
            answer = requests.ask(Query(report.source, window, limit=1))
            hidden = not answer.rows and (days <= HIDDEN_DAYS or report.source.may_be_thinned)
            answer = requests.ask(Query(report.source, window)) if hidden else answer
        except TooMuch:
            if probe is not None:
                return probe
            if window.end - window.start < 2 * DAY_SECONDS:
                raise
            begins = [now - day * DAY_SECONDS for day in range(1, days + 1)]
            asking = [(days, Window.around(begin, begin + DAY_SECONDS)) for begin in begins]
            continue
        if answer.rows:
            return Probe(report, answer, days, _busy_day(answer, window, probes), is_thinned=hidden)
        probe = Probe(report, answer, None, window)
    assert probe is not None  # noqa: S101 - RECENT_DAYS is not empty
    return probe


def _busy_day(answer: Answer, window: Window, probes: Probes) -> Window:
    """The day of the row that came first. Attendees have no time: theirs is the day of the room session."""
    start = _start(answer.frame)
    if start is None:
        return probes[SESSIONS].window if SESSIONS in probes else window
    return Window.around(start - HOUR_SECONDS, start + DAY_SECONDS)


def _start(frame: pd.DataFrame) -> float | None:
    """When the first row's session began, in whatever unit it came: what is wrong with it is told elsewhere."""
    if "session_start_time" not in frame or frame.empty:
        return None
    value = float(pd.to_numeric(frame["session_start_time"], errors="coerce").iloc[0])
    return next((value / unit for unit in (1, 1e3, 1e6) if EARLIEST <= value / unit < LATEST), None)


def _probe_finding(probe: Probe) -> Finding:
    session = probe.recent.kaltura_session
    if probe.within_days is None:
        advice = "Check that Rooms are used in this account and that its region is right."
        found = "answers, but has no rows in the last 366 days"
        return Finding(probe.report.title, "unknown", found, advice, session)
    found = f"answers, with rows in the last {probe.within_days} days"
    return Finding(probe.report.title, "ok", found, kaltura_session=session)


def _columns(requests: Requests, probe: Probe) -> Iterator[Finding]:
    if not probe.recent.has_header:
        yield Finding("", "unknown", "an empty report shows no columns")
        return
    came, expected = list(probe.recent.frame.columns), probe.report.source.columns
    missing = [name for name in expected if name not in came]
    more = [name for name in came if name not in expected]
    session = probe.recent.kaltura_session
    if len(missing) == len(expected):
        found = f"none of the {len(expected)} came; {in_place_of_header(probe.recent.header, expected)}"
        yield Finding("", "failed", f"{found}; expected is {','.join(expected)}", NO_DAY, session)
        return
    if not missing and not more:
        yield Finding("", "ok", f"all {len(expected)} are there, and no other", kaltura_session=session)
    if missing:
        found = f"missing: {', '.join(_with_candidates(missing, more))}"
        advice = NO_DAY
        yield Finding("", "failed", found, advice, session)
    if more:
        advice = "Nothing to do: values of columns that are not known are kept under `extra`, in PII_MODE=full."
        yield Finding("", "differs", f"additional: {', '.join(shown(more))}", advice, session)


def _limit(requests: Requests, probe: Probe) -> Iterator[Finding]:
    if probe.within_days is None:
        return
    if probe.is_thinned:
        found = "limit=1 gave no row, though there are some: rows are dropped after the query has counted them"
        if probe.report.source.may_be_thinned:
            yield Finding("", "ok", f"{found}; a pull sends no limit, and judges this report by another's rows")
        else:
            advice = "A reply of this report may be cut without a sign. Ask Kaltura's support, with what --json prints."
            yield Finding("", "differs", found, advice)
        return
    two = requests.ask(Query(probe.report.source, probe.window, limit=2), lean=True)
    counts = f"limit=1 gave {probe.recent.rows:,}, limit=2 gave {two.rows:,}"
    if probe.recent.rows == 1 and two.rows == 2:
        yield Finding("", "ok", f"heeded ({counts})", kaltura_session=two.kaltura_session)
    elif max(probe.recent.rows - 1, two.rows - 2) > 0:
        advice = "The report pins its size. A pull sends no limit, but rely on the row cap only after asking Kaltura."
        yield Finding("", "differs", f"not heeded ({counts})", advice, two.kaltura_session)
    else:
        yield Finding("", "unknown", f"too few rows to tell ({counts})")


def _one_day(requests: Requests, probe: Probe) -> Iterator[Finding]:
    """The day's rows, on which other checks rest: rows with equal keys, and columns that were left out."""
    if probe.within_days is None:
        return
    source, key = probe.report.source, list(probe.report.key)
    probe.sample = sample = requests.ask(Query(source, probe.window), lean=True)
    if sample.rows >= requests.client.row_cap:
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


def _values(requests: Requests, probe: Probe) -> Iterator[Finding]:
    """What a pull would do with the day's rows."""
    if probe.sample is not None and probe.sample.rows:
        for finding in probe.report.judge(probe.sample.parsed, probe.window):
            yield replace(finding, kaltura_session=probe.sample.kaltura_session)


def _filters(requests: Requests, probe: Probe) -> Iterator[Finding]:
    """An id that no row has must bring no row; one that rows have must bring those alone."""
    if probe.sample is None or not probe.sample.rows:
        return
    source = probe.report.source
    limit = None if probe.is_thinned else 1
    ignored = [filter_ for filter_ in source.filters if _rows_of(requests, probe, filter_, NO_SUCH_ID, limit).rows]
    names = ", ".join(filter_.name for filter_ in source.filters)
    wrong = _wrong_of_real_id(requests, probe) if source.split_by not in ignored else ""
    session = requests.asked[-1].kaltura_session
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
        is_chosen = not probe.report.chosen.keys().isdisjoint(ignored)
        advice = "Nothing to do: no setting asks for it."
        if is_chosen:
            advice = "Leave the setting for it empty (KALTURA_*_IDS), or whole reports are stored under its name."
        yield Finding("", "failed" if is_chosen else "differs", found, advice, session)


def _people(requests: Requests, probe: Probe) -> Iterator[Finding]:
    """Whether the account shows hashes in place of people, which changes what a filter of people can ask for."""
    filter_ = next((each for each in probe.report.source.filters if each.names_people), None)
    if filter_ is None or probe.sample is None or filter_.column not in probe.sample.frame:
        return
    ids = probe.sample.frame[filter_.column]
    ids = ids[~ids.isin(UNKNOWN)].drop_duplicates()
    if ids.empty:
        return
    if not ids.str.fullmatch(HASH, flags=re.IGNORECASE).all():
        yield Finding("", "ok", "ids as the account has made them")
        return
    found = f"hashes in place of ids (each of {len(ids):,} is 32 hex digits): names are empty, and guests read User"
    chosen = probe.report.chosen.get(filter_, ())
    wrong = sum(not re.fullmatch(HASH, value) for value in chosen)
    if wrong:
        found += f"; {wrong:,} of {len(chosen):,} ids in KALTURA_{filter_.name.upper()} are no such hash in upper case"
        advice = "Those match nobody, without an error: write each as its 32 upper-case hex digits."
        yield Finding("", "failed", found, advice)
        return
    advice = f"Nothing to do. {filter_.name} match nothing but the 32 upper-case hex digits."
    yield Finding("", "differs", found, advice)


def _wrong_of_real_id(requests: Requests, probe: Probe) -> str:
    """What is wrong with the rows of one id that the day's rows have; empty if nothing is."""
    assert probe.sample is not None  # noqa: S101 - `_filters` has looked
    filter_ = probe.report.source.split_by
    if filter_.column not in probe.sample.frame:
        return ""
    ids = probe.sample.frame[filter_.column]
    ids = ids[~ids.isin(UNKNOWN)]
    if ids.empty:
        return ""
    asked = str(ids.mode()[0])
    answer = _rows_of(requests, probe, filter_, asked, limit=None)
    others = filter_.strangers(answer.frame[filter_.column], [asked]) if answer.rows else 0
    if others:
        return f"{filter_.name}={asked} brought rows of {others:,} others"
    return "" if answer.rows else f"{filter_.name}={asked} brought no rows, though the day has some"


def _rows_of(requests: Requests, probe: Probe, filter_: Filter, value: str, limit: int | None) -> Answer:
    return requests.ask(Query(probe.report.source, probe.window, {filter_: [value]}, limit=limit), lean=True)


def _empty_form(requests: Requests, probe: Probe) -> Iterator[Finding]:
    source = probe.report.source
    try:
        answer = requests.ask(Query(source, LONG_AGO, limit=1), once=True)
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


def _with_candidates(missing: Sequence[str], more: Sequence[str]) -> list[str]:
    """The missing names, each with the additional one that it may have become."""
    near = {name: difflib.get_close_matches(name, more, n=1, cutoff=0.6) for name in missing}
    near |= {name: [came] for name, came in friendly_names(more, missing).items()}
    return [f"{name} (renamed {near[name][0]}?)" if near[name] else name for name in missing]


CHECKS: dict[str, Callable[[Requests, Probe], Iterator[Finding]]] = {
    "columns": _columns,
    "limit": _limit,
    "one day": _one_day,
    "values": _values,
    "filters": _filters,
    "people": _people,
    "empty": _empty_form,
}
