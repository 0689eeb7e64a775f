"""The account as a whole, asked through its reports: the spelling of dates, the oldest day, whether hours are cut."""

import datetime as dt
from collections.abc import Callable, Iterator, Mapping

import pandas as pd

from resources.kaltura.doctor.probe import (
    ATTENDEES,
    DAY_SECONDS,
    SESSIONS,
    Answer,
    Finding,
    Probe,
    ReportUnderTest,
    Requests,
)
from resources.kaltura.errors import ServerFault, TooMuch
from resources.kaltura.query import CAMEL_DATES, SNAKE_DATES, Query
from resources.kaltura.windows import HOUR_SECONDS, Window
from resources.table import EARLIEST, LATEST, UNKNOWN

QUARTER_DAYS = 92  # the widest window asked for on the way back: a whole year may be too much for one query
QUARTERS_BACK = 24
LIGHT_DAYS = QUARTER_DAYS // 2  # an empty reply for no more days than these is believed
SAME_SHARE = 0.01  # figures that differ by less are taken for equal: an event may still arrive between two requests


def date_spelling(requests: Requests, probe: Probe) -> Iterator[Finding]:
    """Which of the two spellings report 6002 heeds. It is asked for with each alone; a pull sends both."""
    heeded: list[str] = []
    for names in (SNAKE_DATES, CAMEL_DATES):
        try:
            answer = requests.ask(Query(probe.report.source, probe.window, dates=(names,)), lean=True, once=True)
        except ServerFault:  # how a missing date is answered
            continue
        if answer.rows or probe.within_days is None:
            heeded.append(names[0])
    if not heeded:
        advice = "Neither spelling alone brings rows. Ask Kaltura's support which dates report 6002 takes."
        yield Finding("", "failed", "neither from_date nor fromDate is heeded", advice)
    else:
        found = " and ".join(heeded) + (" are both heeded" if len(heeded) > 1 else " alone is heeded")
        yield Finding("", "ok", f"{found}; a pull sends both", kaltura_session=requests.asked[-1].kaltura_session)


def oldest_day(requests: Requests, probe: Probe, start_date: dt.date) -> Iterator[Finding]:
    """Bisected over quarters, taking it that no two in a row are empty between two that are not; then over days."""
    if probe.within_days is None:
        return
    end = int(requests.clock()) // DAY_SECONDS * DAY_SECONDS + DAY_SECONDS

    def has_rows(quarter: int, surely: bool = False) -> bool:
        start = end - (quarter + 1) * QUARTER_DAYS * DAY_SECONDS
        return quarter < QUARTERS_BACK and _has_rows(requests, probe, start, QUARTER_DAYS, surely)

    quarter = (end - probe.window.end) // (QUARTER_DAYS * DAY_SECONDS) if probe.window.end < end else 0
    older: int | None = quarter
    while older is not None:
        quarter = _last_true(older, QUARTERS_BACK, has_rows)
        older = next((each for each in (quarter + 1, quarter + 2) if has_rows(each, surely=True)), None)
    start = end - (quarter + 1) * QUARTER_DAYS * DAY_SECONDS
    if quarter == QUARTERS_BACK - 1:
        yield Finding("", "ok", f"rows reach back to {_day(start)} at least; START_DATE is {start_date}")
        return
    days = _days_without(requests, probe, start)
    if days and _has_rows(requests, probe, start, days, surely=True):
        days = _days_without(requests, probe, start, surely=True)
    oldest = _day(start + days * DAY_SECONDS)
    if oldest > start_date:
        advice = f"No older rows were found. If you know of none either, START_DATE={oldest} spares a backfill the days before."
        yield Finding("", "differs", f"{oldest} has the oldest rows; START_DATE is {start_date}", advice)
    else:
        yield Finding("", "ok", f"{oldest} has the oldest rows; START_DATE is {start_date}")


def _days_without(requests: Requests, probe: Probe, start: int, surely: bool = False) -> int:
    return _last_true(-1, QUARTER_DAYS, lambda n: n < 0 or not _has_rows(requests, probe, start, n + 1, surely)) + 1


def _has_rows(requests: Requests, probe: Probe, start: int, days: int, surely: bool = False) -> bool:
    """An empty reply to a heavy question is no proof. Where it has to be sure, it is asked without a limit, of which the
    server counts first and may lose the count, and in halves. What is too much for one question is asked in halves too.
    """
    window = Window.around(start, start + days * DAY_SECONDS)
    try:
        if requests.ask(Query(probe.report.source, window, limit=None if surely else 1), lean=True).rows:
            return True
    except TooMuch:
        if days == 1:
            raise
    else:
        if not surely or days <= LIGHT_DAYS:
            return False
    half = days // 2
    return _has_rows(requests, probe, start, half, surely) or _has_rows(
        requests, probe, start + half * DAY_SECONDS, days - half, surely
    )


def hours(requests: Requests, probes: Mapping[int, Probe]) -> Iterator[Finding]:
    """Whether a window cuts within the hour: an hour of a session that was on for all of it, whole and in halves.

    Where events keep their time, the halves add up to the hour. Where they are kept by the hour, the half that
    holds the hour's beginning has everything. Where windows are widened to hours, each half has everything.
    """
    session = _session_of_an_hour(probes[SESSIONS].sample)
    if session is None:
        yield Finding("", "unknown", "no session in sight was on for a whole hour by the clock")
        return
    cue_point_id, hour = session
    middle, end = hour + HOUR_SECONDS // 2, hour + HOUR_SECONDS
    spans = (Window(hour, end), Window(hour, middle), Window(middle, end))
    whole, first, second = (_minutes(requests, probes[ATTENDEES].report, span, cue_point_id) for span in spans)
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


def _session_of_an_hour(sample: Answer | None) -> tuple[str, int] | None:
    if sample is None or not {"cue_point_id", "session_start_time", "session_end_time"} <= set(sample.frame):
        return None
    frame = sample.frame[~sample.frame["cue_point_id"].isin(UNKNOWN)]
    start = pd.to_numeric(frame["session_start_time"], errors="coerce")
    start = start.where(start.between(EARLIEST, LATEST))
    hour = -(-start // HOUR_SECONDS) * HOUR_SECONDS
    fits = frame[pd.to_numeric(frame["session_end_time"], errors="coerce") >= hour + HOUR_SECONDS]
    return (str(fits["cue_point_id"].iloc[0]), int(hour[fits.index[0]])) if len(fits) else None


def _minutes(requests: Requests, attendees: ReportUnderTest, window: Window, cue_point_id: str) -> float:
    source = attendees.source
    answer = requests.ask(Query(source, window, {source.split_by: [cue_point_id]}), lean=True)
    if not answer.rows:
        return 0.0
    return float(pd.to_numeric(answer.frame["meeting_view_time"], errors="coerce").sum())


def _last_true(low: int, high: int, holds: Callable[[int], bool]) -> int:
    """The last number below `high` for which `holds` is true, given that it is for `low` and up to where it stops."""
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


def _day(seconds: int) -> dt.date:
    return dt.datetime.fromtimestamp(seconds, dt.UTC).date()
