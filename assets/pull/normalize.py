"""From the strings of a report to typed rows: what each value means, and which rows can't be used and why.

Rules are those of docs/kaltura-api.md sections 3 and 4. Everything is done a column at a time; a row that fails a rule
is set aside with the reason and never changed into something that passes.
"""

import numpy as np
import pandas as pd
import pandera.errors
import pyarrow as pa
import pyarrow.compute as pc

from assets.report import Report
from resources.kaltura.csv import Rows
from resources.privacy.pseudonyms import EVERYTHING, People
from resources.table import Column, Kind

# Seconds since 1970 that a session can have started at. Milliseconds taken for seconds give the year 58132.
EARLIEST = pd.Timestamp("2000-01-01", tz="UTC").timestamp()
LATEST = pd.Timestamp("2100-01-01", tz="UTC").timestamp()
INTEGER_MOST = 2**31 - 1  # Postgres's integer

UNKNOWN = ("", "0", "Unknown")  # how a session, a room or a time that Kaltura does not know is written

RAW, REASON, EXTRA = "raw", "reason", "extra"


def normalize(rows: Rows, report: Report, people: People = EVERYTHING) -> pd.DataFrame:
    """Typed columns of the table, `extra` (JSON of the columns that the table lacks, or null), `reason`, `raw`.

    Times are UTC, durations seconds, ratios 0 to 1. `reason` is null for a row that can be used; the others carry it
    with the line as it came. The lines that were no rows come last, with nothing but those two. Ids of people are as
    `people` has them stored; names that came unasked for are dropped.
    """
    sent = rows.frame
    typed, reasons = {}, pd.Series(pd.NA, index=sent.index, dtype="str")
    for column in report.table.columns:
        values = sent[column.name] if column.name in sent else pd.Series("", index=sent.index, dtype="str")
        typed[column.name], bad = _typed(values, column)
        reasons = _noted(reasons, bad, f"{column.name} is not {_WANTED[column.kind]}")
    frame = pd.DataFrame(typed, index=sent.index)
    _finish_times(frame)
    frame[EXTRA] = _extra(sent, report)
    frame = people.stored(frame, report.table)
    frame[REASON] = _checked(frame, reasons, report)
    unusable = frame[REASON].notna()
    frame[RAW] = pd.Series(pd.NA, index=frame.index, dtype="str")
    if unusable.any():
        frame.loc[unusable, RAW] = sent[unusable].agg(",".join, axis=1)
    return _with_line_rejects(frame, rows)


_WANTED = {
    Kind.TEXT: "text",
    Kind.COUNT: "a whole number",
    Kind.MINUTES: "a number",
    Kind.RATIO: "a number",
    Kind.TIME: "a time in Unix seconds",
    Kind.SECONDS: "a number",
}


def _typed(values: pd.Series, column: Column) -> tuple[pd.Series, pd.Series]:
    """The column in its own type, and which of its values could not be read."""
    if column.kind is Kind.TEXT:
        unknown = () if column.empty_is_a_value else ("",) if column.nullable else UNKNOWN
        return values.mask(values.isin(unknown)), pd.Series(False, index=values.index)
    empty = values.isin(UNKNOWN) if column.kind is Kind.TIME else values == ""
    numbers = _numbers(values)
    if column.kind is Kind.TIME:
        fits = numbers.between(EARLIEST, LATEST)
        seconds = numbers.where(fits & ~empty)
        return pd.to_datetime(seconds, unit="s", utc=True).astype("datetime64[us, UTC]"), ~fits & ~empty
    fits = numbers.notna() & ~numbers.isin([np.inf, -np.inf])
    if column.kind is Kind.COUNT:
        fits = fits & (numbers % 1 == 0) & (numbers.abs() <= INTEGER_MOST)
        return numbers.where(fits).astype("Int64"), ~fits & ~empty
    return numbers.where(fits), ~fits & ~empty


def _numbers(values: pd.Series) -> pd.Series:
    """The values as float64, NaN where they are no numbers. Arrow reads them at once, or not at all."""
    strings = pa.array(values)
    try:
        numbers = pc.cast(pc.if_else(pc.equal(strings, ""), None, strings), pa.float64()).to_numpy(zero_copy_only=False)
    except pa.ArrowInvalid:
        return pd.to_numeric(values, errors="coerce").astype("float64")
    return pd.Series(numbers, index=values.index)


def _finish_times(frame: pd.DataFrame) -> None:
    """A session that ends when it starts is still running; a duration needs an end."""
    if "session_end_time" not in frame:
        return
    start, end = frame["session_start_time"], frame["session_end_time"]
    end = end.mask(end == start)
    frame["session_end_time"] = end
    if "duration" in frame:
        sent = frame["duration"]
        frame["duration"] = sent.where(sent > 0, (end - start).dt.total_seconds()).where(end.notna())


def _extra(sent: pd.DataFrame, report: Report) -> pd.Series:
    """What Kaltura sent beyond the table's columns, as one JSON object a row."""
    unknown = [name for name in sent.columns if name not in report.table.column_names]
    if not unknown or sent.empty:
        return pd.Series(pd.NA, index=sent.index, dtype="str")
    lines = sent[unknown].to_json(orient="records", lines=True, force_ascii=False).rstrip("\n").split("\n")
    return pd.Series(lines, index=sent.index, dtype="str")


def _checked(frame: pd.DataFrame, reasons: pd.Series, report: Report) -> pd.Series:
    """`reasons`, with those of the rows that the report's schema refuses."""
    readable = frame[reasons.isna()]
    if readable.empty:
        return reasons
    try:
        report.schema.validate(readable, lazy=True)
    except pandera.errors.SchemaErrors as errors:
        cases = errors.failure_cases
        if cases["index"].isna().any():
            raise  # a type or a column is off, which no single row is to blame for
        groups = cases.groupby(["column", "check"], dropna=False)["index"]
        # A missing start comes first: it also fails the comparison with the end.
        for (name, check), failed in sorted(groups, key=lambda group: group[0][1] != "not_nullable"):
            bad = pd.Series(frame.index.isin(failed.astype(frame.index.dtype)), index=frame.index)
            reasons = _noted(reasons, bad, _reason(name, check, report))
    return reasons


def _reason(name: str, check: str, report: Report) -> str:
    if check == "not_nullable":
        return f"{name} is empty or unknown"
    return f"{name} {check}" if name in report.table.column_names and not check.startswith("session_") else check


def _noted(reasons: pd.Series, bad: pd.Series, reason: str) -> pd.Series:
    """The first reason found stays."""
    new = bad & reasons.isna()
    return reasons.mask(new, reason) if new.any() else reasons


def _with_line_rejects(frame: pd.DataFrame, rows: Rows) -> pd.DataFrame:
    if not rows.rejects:
        return frame
    lines = pd.DataFrame(
        {RAW: [reject.raw for reject in rows.rejects], REASON: [reject.reason for reject in rows.rejects]}, dtype="str"
    )
    blank = lines.reindex(columns=frame.columns)
    return pd.concat([frame, blank.astype(frame.dtypes.to_dict())], ignore_index=True)


def merged(frame: pd.DataFrame, report: Report) -> pd.DataFrame:
    """One row a key. Kaltura groups by an internal user number, so one `user_id` can come several times (section 4).

    Minutes are summed; the ratio is weighted by them, or by the estimate of people where the table has no minutes.
    Counts of people do not add up: the largest stands. Of times the earliest start and the latest end stand, and no
    end if one row has none. Texts are the greatest, so that the order of the rows does not matter.
    """
    key = list(report.table.key)
    repeated = frame.duplicated(key, keep=False)
    if not repeated.any():
        return frame
    once, rest = frame[~repeated], frame[repeated]
    return pd.concat([once, _merge(rest, report, key)], ignore_index=True)


def _merge(rows: pd.DataFrame, report: Report, key: list[str]) -> pd.DataFrame:
    groups = rows.groupby(key, sort=False, dropna=False)
    merged = groups.max().drop(columns=[RAW, REASON], errors="ignore")
    weight = next(c.name for c in report.table.columns if c.kind in (Kind.MINUTES, Kind.COUNT))
    for column in report.table.columns:
        if column.kind is Kind.MINUTES:
            merged[column.name] = groups[column.name].sum(min_count=1)
        elif column.kind is Kind.RATIO:
            merged[column.name] = _weighted(rows, column.name, weight, key)
    if "session_start_time" in rows:
        merged["session_start_time"] = groups["session_start_time"].min()
    if "session_end_time" in rows:
        running = rows["session_end_time"].isna().groupby([rows[name] for name in key], sort=False).any()
        merged["session_end_time"] = merged["session_end_time"].mask(running)
    if "duration" in rows:
        merged["duration"] = (merged["session_end_time"] - merged["session_start_time"]).dt.total_seconds()
    return merged.reset_index().reindex(columns=rows.columns).astype(rows.dtypes.to_dict())


def _weighted(rows: pd.DataFrame, ratio: str, weight: str, key: list[str]) -> pd.Series:
    """The mean of `ratio` by `weight`; where all weights are 0, the plain mean."""
    weights = rows[weight].astype("float64").fillna(0.0).where(rows[ratio].notna(), 0.0)
    table = rows[key].assign(product=rows[ratio].fillna(0.0) * weights, weight=weights, plain=rows[ratio])
    sums = table.groupby(key, sort=False, dropna=False).agg(
        product=("product", "sum"), weight=("weight", "sum"), plain=("plain", "mean")
    )
    return (sums["product"] / sums["weight"]).where(sums["weight"] > 0, sums["plain"]).clip(0, 1)
