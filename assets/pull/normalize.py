"""From the strings of a report to typed rows: what each value means, and what can't be used and why.

Rules are those of docs/kaltura-api.md sections 3 and 4. Everything is done a column at a time. A row whose session, key
or time can't be read is refused, with the reason. A figure that can't be used is left out, with the reason, and costs
nobody their row.
"""

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pandera.errors
import pyarrow as pa
import pyarrow.compute as pc

from assets.pull.stages import COLUMN, EXTRA, LINE, NORMALIZED, REASON, REPAIR, names_column
from assets.report import Report
from resources.kaltura.csv import Rows
from resources.kaltura.windows import Window
from resources.privacy.pseudonyms import EVERYTHING, People
from resources.table import EARLIEST, LATEST, UNKNOWN, Column, Kind

INTEGER_MOST = 2**31 - 1  # Postgres's integer
ROUNDING = 1e-9  # a ratio above 1 by less is 1
MOST_MINUTES = (LATEST - EARLIEST) / 60
OFF_SECONDS = 5.0  # a duration may be, from the start and end that it was made of
DEVICES_AT_ONCE = 1000  # under one user id: each counts its own minutes

NO_KEY = "is empty or unknown"
AHEAD = "is in the future"
AHEAD_SECONDS = 86_400.0  # what is ahead by less may be a clock: a session that has begun stays in


def most_minutes_in(window: Window) -> float:
    """Of one user id: more is no figure."""
    return (window.end - window.start) / 60 * DEVICES_AT_ONCE


def normalize(
    rows: Rows,
    report: Report,
    people: People = EVERYTHING,
    most_minutes: float = MOST_MINUTES,
    latest: float = LATEST,
) -> pd.DataFrame:
    """Typed columns of the table, `extra` (JSON of the columns that the table lacks, or null), and what is wrong.

    Times are UTC, durations seconds, ratios 0 to 1. `reason` says why a row can't be used, `repair` why figures of a row
    that can be used are left out, `column_name` which columns are to blame; each is null where nothing is. `line` is the
    row's place in `rows`. The lines that were no rows come last, with nothing but place and reason. Ids of people are as
    `people` has them stored; names that came unasked for are dropped. What is after `latest` (Unix seconds) has not been yet:
    no session began then, and none has ended.
    """
    sent = rows.frame
    problems = _Problems(sent.index)
    typed = {}
    for column in report.table.columns:
        if column.name in sent:
            typed[column.name] = _typed(sent[column.name], column, problems, most_minutes, latest)
        else:
            typed[column.name] = pd.Series(None, index=sent.index, dtype=column.kind.frame)
    frame = pd.DataFrame(typed, index=sent.index)
    _finish_times(frame, problems)
    frame[EXTRA] = _extra(sent, report)
    frame = people.stored(frame, report.table)
    _check(frame, problems, report)
    problems.write_to(frame)
    frame[LINE] = np.arange(len(frame), dtype="int64")
    return NORMALIZED.of(_with_line_rejects(frame, rows))


class _Problems:
    """What is found wrong, by row. Of what makes a row unusable the first stays; figures that are left out add up."""

    def __init__(self, index: pd.Index) -> None:
        nothing = pd.Series(pd.NA, index=index, dtype="str")
        self.reasons, self.columns = nothing, nothing
        self.repairs, self.repaired = nothing, nothing

    def refuse(self, bad: pd.Series, column: str, what: str) -> None:
        new = bad & self.reasons.isna() if bad.any() else bad
        if new.any():
            self.reasons = self.reasons.mask(new, what)
            self.columns = self.columns.mask(new, column)

    def repair(self, bad: pd.Series, column: str, what: str) -> None:
        if bad.any():
            self.repairs = _appended(self.repairs, bad, f"{column} {what}", "; ")
            self.repaired = _appended(self.repaired, bad, column, ", ")

    def has_repaired(self, column: str) -> pd.Series:
        return names_column(self.repaired, column)

    def write_to(self, frame: pd.DataFrame) -> None:
        is_refused = self.reasons.notna()
        frame[REASON] = self.reasons
        frame[REPAIR] = self.repairs.mask(is_refused) if is_refused.any() else self.repairs
        frame[COLUMN] = self.columns.where(is_refused, self.repaired) if is_refused.any() else self.repaired


def _appended(texts: pd.Series, where: pd.Series, more: str, between: str) -> pd.Series:
    return texts.mask(where, (texts + between).fillna("") + more)


def _typed(values: pd.Series, column: Column, problems: _Problems, most_minutes: float, latest: float) -> pd.Series:
    """The column in its own type. What can't be read is null, and a problem."""
    if column.kind is Kind.TEXT:
        _refuse_too_long(values, column, problems)
        if column.empty_is_a_value:
            return values
        is_unknown = (values == "") if column.nullable else values.isin(UNKNOWN)
        return values.mask(is_unknown) if is_unknown.any() else values
    numbers = _numbers(values)
    if column.kind is Kind.TIME:
        empty = values.isin(UNKNOWN)
        fits = numbers.between(EARLIEST, LATEST)
        problems.refuse(~fits & ~empty, column.name, f"{column.name} is not a time in Unix seconds")
        is_ahead = fits & (numbers > latest)
        if is_ahead.any():
            if column.nullable:
                problems.repair(is_ahead, column.name, AHEAD)
            else:
                problems.refuse(is_ahead, column.name, f"{column.name} {AHEAD}")
        seconds = numbers.where(fits & ~empty & ~is_ahead)
        return pd.to_datetime(seconds, unit="s", utc=True).astype("datetime64[us, UTC]")
    if column.kind is Kind.RATIO:
        numbers = numbers.mask((numbers > 1) & (numbers <= 1 + ROUNDING), 1.0)
    fits = _fits(numbers, column.kind, most_minutes)
    bad = ~fits
    if column.kind is Kind.SECONDS:
        # It is looked up, as its start is: of a session that Kaltura does not know it reads Unknown or Error, or is empty.
        # Other figures are never empty: each null of Kaltura's store is printed as 0.
        bad = bad & ~values.isin(UNKNOWN)
    if bad.any():
        for what, which in _wrong(values, numbers, column.kind):
            problems.repair(bad & which, column.name, what)
            bad = bad & ~which
    numbers = numbers.where(fits)
    return numbers.astype("Int64") if column.kind is Kind.COUNT else numbers


def _refuse_too_long(values: pd.Series, column: Column, problems: _Problems) -> None:
    lengths = pc.binary_length(pa.array(values))
    if (pc.max(lengths).as_py() or 0) > column.most_bytes:
        bad = pd.Series(lengths.to_numpy(zero_copy_only=False) > column.most_bytes, index=values.index)
        problems.refuse(bad, column.name, f"{column.name} is longer than {column.most_bytes:,} bytes")


def _fits(numbers: pd.Series, kind: Kind, most_minutes: float) -> pd.Series:
    """Which of the numbers are figures of their kind."""
    if kind is Kind.SECONDS:  # of a session without an end Kaltura sends the start, negative
        return numbers.between(-LATEST, LATEST - EARLIEST)
    most = {Kind.RATIO: 1.0, Kind.MINUTES: most_minutes, Kind.COUNT: float(INTEGER_MOST)}[kind]
    fits = numbers.between(0, most)
    return fits & (numbers % 1 == 0) if kind is Kind.COUNT else fits


def _wrong(values: pd.Series, numbers: pd.Series, kind: Kind) -> Iterator[tuple[str, pd.Series]]:
    """What can be wrong with a figure, the first that fits."""
    yield "is empty", values == ""
    unreadable = ~np.isfinite(numbers)
    if kind is Kind.COUNT:
        yield "is not a whole number", unreadable | (numbers % 1 != 0) | (numbers.abs() > INTEGER_MOST)
    yield "is not a number", unreadable
    if kind is Kind.RATIO:
        yield "is not a ratio from 0 to 1", pd.Series(True, index=numbers.index)
    if kind in (Kind.COUNT, Kind.MINUTES):
        yield "is below 0", numbers < 0
    yield "is more than can be", pd.Series(True, index=numbers.index)


def _numbers(values: pd.Series) -> pd.Series:
    """The values as float64, NaN where they are no numbers. Arrow reads them at once, or not at all."""
    strings = pa.array(values)
    try:
        numbers = pc.cast(pc.if_else(pc.equal(strings, ""), None, strings), pa.float64()).to_numpy(zero_copy_only=False)
    except pa.ArrowInvalid:
        return pd.to_numeric(values, errors="coerce").astype("float64")
    return pd.Series(numbers, index=values.index)


def _finish_times(frame: pd.DataFrame, problems: _Problems) -> None:
    """A session that ends when it starts is still running; one that ends before has an end that is not known.

    A duration goes from start to end, whatever unit it may come in: one that says otherwise is told.
    """
    if "session_end_time" not in frame:
        return
    start, end = frame["session_start_time"], frame["session_end_time"]
    problems.repair(end < start, "session_end_time", "is before session_start_time")
    end = end.where(end > start)
    frame["session_end_time"] = end
    if "duration" in frame:
        sent, seconds = frame["duration"], (end - start).dt.total_seconds()
        is_other = (sent > 0) & ((sent - seconds).abs() > OFF_SECONDS)
        problems.repair(is_other, "duration", "is not from session_start_time to session_end_time")
        is_unreadable = problems.has_repaired("duration") & ~is_other
        frame["duration"] = seconds.mask(is_unreadable)


def unknown_columns(sent: pd.DataFrame, report: Report) -> list[str]:
    """Those that Kaltura sent beyond the table's."""
    return [name for name in sent.columns if name not in report.table.column_names]


def _extra(sent: pd.DataFrame, report: Report) -> pd.Series:
    """What Kaltura sent beyond the table's columns, as one JSON object a row."""
    unknown = unknown_columns(sent, report)
    if not unknown or sent.empty:
        return pd.Series(pd.NA, index=sent.index, dtype="str")
    lines = sent[unknown].to_json(orient="records", lines=True, force_ascii=False).rstrip("\n").split("\n")
    return pd.Series(lines, index=sent.index, dtype="str")


def _check(frame: pd.DataFrame, problems: _Problems, report: Report) -> None:
    """Refuse the rows that the report's schema does not allow."""
    readable = frame[problems.reasons.isna()]
    if readable.empty:
        return
    try:
        report.schema.validate(readable, lazy=True)
    except pandera.errors.SchemaErrors as errors:
        cases = errors.failure_cases
        if cases["index"].isna().any():
            raise  # a type or a column is off, which no single row is to blame for
        groups = cases.groupby(["column", "check"], dropna=False)["index"]
        for (name, check), failed in groups:
            bad = pd.Series(frame.index.isin(failed.astype(frame.index.dtype)), index=frame.index)
            problems.refuse(bad, *_column_and_reason(name, check))


def _column_and_reason(name: str, check: str) -> tuple[str, str]:
    if check == "not_nullable":
        return name, f"{name} {NO_KEY}"
    return name, f"{name} {check}"


def _with_line_rejects(frame: pd.DataFrame, rows: Rows) -> pd.DataFrame:
    if not rows.rejects:
        return frame
    lines = pd.DataFrame(
        {
            LINE: np.arange(len(frame), len(frame) + len(rows.rejects), dtype="int64"),
            REASON: pd.Series([reject.reason for reject in rows.rejects], dtype="str"),
        }
    )
    blank = lines.reindex(columns=frame.columns)
    return pd.concat([frame, blank.astype(frame.dtypes.to_dict())], ignore_index=True)
