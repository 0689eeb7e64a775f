"""What a pull would make of a day's rows: what of them could not be used, as what it came, and what is expected.

The doctor asks this of an account before any day is loaded. It tells columns, counts and units, never a value.
"""

import csv as quoted_csv
import datetime as dt
from collections.abc import Callable, Iterator

import pandas as pd

from assets.pull import usable
from assets.pull.normalize import most_minutes_in, normalize
from assets.pull.stages import COLUMN, DISPOSITION, KEPT, PARTITION_DATE, REASON, REPAIR, names_column
from assets.report import Report
from resources.kaltura.csv import Rows
from resources.kaltura.doctor.probe import Finding
from resources.kaltura.errors import FiguresLost
from resources.kaltura.windows import Days, Window
from resources.table import EARLIEST, LATEST, Column, Kind

FAILS = (
    "A day like this one fails, and nothing of it is loaded. Kaltura may have changed the report: look for a newer "
    "version of this pipeline, and ask Kaltura's support, with what --json prints."
)
IS_SHARED = (
    "Where each of these ids is shared by many devices, as in a hall, there is nothing to do. Else Kaltura sends another "
    "unit, and a day like this one fails: look for a newer version of this pipeline, and ask Kaltura's support, with what "
    "--json prints."
)
IS_SET_ASIDE = (
    "Nothing to do: such rows go to kaltura.rejects, and of those that lack only a figure the rest is loaded."
)


def judge(rows: Rows, report: Report, window: Window) -> Iterator[Finding]:
    """The verdict on the rows as a whole, with what is wrong with each column."""
    frame = normalize(rows, report, most_minutes=most_minutes_in(window))
    frame[DISPOSITION], frame[PARTITION_DATE] = KEPT, pd.Timestamp(_A_DAY)
    found = list(_wrong(frame, rows, report))
    too_long, is_far = _too_long(frame, report, window)
    if too_long:
        found.append(too_long)
    if not found:
        of_no_session = int(usable.is_of_no_session(frame[REASON]).sum())
        good = f"{rows.received - of_no_session:,} of {rows.received:,} rows can be used"
        note = f"; {of_no_session:,} are of no session that Kaltura knows" if of_no_session else ""
        yield Finding("", "ok", good + note)
        return
    fails = is_far or _fails(frame, report)
    for what in found:
        advice = FAILS if fails else IS_SHARED if what == too_long else IS_SET_ASIDE
        yield Finding("", "failed" if fails else "differs", what, advice)


def _too_long(frame: pd.DataFrame, report: Report, window: Window) -> tuple[str, bool]:
    """Which minutes are more than the whole window has, in words, and whether a day like that fails whatever sessions ran.

    Of which session a row is, this report alone does not tell. One device is not there for longer than all of the window.
    """
    minutes = (window.end - window.start) / 60
    day = Days(_A_DAY, _A_DAY)
    most = usable.FAR * minutes + usable.AROUND_MINUTES
    if found := usable.too_long(frame, report, day, most, "any session"):
        return found, True
    return usable.too_long(frame, report, day, minutes, "the window"), False


def _fails(frame: pd.DataFrame, report: Report) -> bool:
    """Whether a day of these rows would be red."""
    try:
        usable.require(frame, report, Days(_A_DAY, _A_DAY))
        usable.require_figures(frame, report, Days(_A_DAY, _A_DAY), usable.holds_nothing)
    except (usable.MostlyUnusable, FiguresLost):
        return True
    return False


_A_DAY = dt.date(2000, 1, 1)  # any: the rows are judged as those of one day


def _wrong(frame: pd.DataFrame, rows: Rows, report: Report) -> Iterator[str]:
    if rows.rejects:
        yield _wrong_lines(rows)
    if lost := usable.lost_figures(frame, report, Days(_A_DAY, _A_DAY), usable.holds_nothing):
        yield lost
    unreadable = (frame[REASON].notna() & ~usable.is_of_no_session(frame[REASON])) | frame[REPAIR].notna()
    for column in report.table.columns:
        which = unreadable & names_column(frame[COLUMN], column.name)
        if column.name not in rows.frame or not which.any():
            continue
        sent = rows.frame[column.name].iloc[frame.index[which]]
        expected = column.kind.expected
        came = _as_what(sent, column) or _reasons(frame[which], column)
        yield (
            f"{column.name} {came} in {len(sent):,} of {rows.received:,} rows"
            f"{f'; expected is {expected}' if expected else ''}"
        )


def _wrong_lines(rows: Rows) -> str:
    count = f"{len(rows.rejects):,} of {rows.received:,} lines"
    fields = len(rows.frame.columns)
    if any(_is_quoted(reject.raw, fields) for reject in rows.rejects):
        return f"quoted CSV: {count} make no row; expected is none in quotes, with a blank for each comma in a value"
    return f"{count} have not as many fields as the header; expected is {fields}"


def _is_quoted(line: str, fields: int) -> bool:
    """Whether a line has as many fields as the header once its quotes are read as CSV's usual ones."""
    return '"' in line and len(next(quoted_csv.reader([line], strict=False), [])) == fields


def _reasons(frame: pd.DataFrame, column: Column) -> str:
    """What `normalize` says is wrong with the column; it says so in the same words for every row."""
    reason = frame[REASON].dropna().str.removeprefix(f"{column.name} ")
    repair = frame[REPAIR].dropna().str.extract(rf"(?:^|; ){column.name} ([^;]*)")[0].dropna()
    return str(pd.concat([reason, repair]).mode().iloc[0])


def _as_what(sent: pd.Series, column: Column) -> str:
    """As what the values seem to have come, where that is known of more than half of them."""
    for what, fits in _FORMS.get(column.kind, ()):
        if 2 * int(fits(sent).sum()) > len(sent):
            return what
    return ""


Form = tuple[str, Callable[[pd.Series], pd.Series]]


def _numbers(sent: pd.Series) -> pd.Series:
    return pd.to_numeric(sent, errors="coerce")


def _time_in(unit: float) -> Callable[[pd.Series], pd.Series]:
    return lambda sent: (_numbers(sent) / unit).between(EARLIEST, LATEST)


def _matching(pattern: str) -> Callable[[pd.Series], pd.Series]:
    return lambda sent: sent.str.strip().str.fullmatch(pattern)


_IN_QUOTES: Form = ("is in double quotes", _matching('".*"'))
# Kaltura turns each comma inside a value into a blank.
_DECIMAL_COMMA: Form = ("has a blank inside, as for a decimal comma", _matching(r"-?\d+ \d+"))
_CLOCK: Form = ("is in hours, minutes and seconds", _matching(r"\d+:\d\d(:\d\d)?"))
_FORMS: dict[Kind, tuple[Form, ...]] = {
    Kind.TIME: (
        _IN_QUOTES,
        ("is in Unix milliseconds", _time_in(1e3)),
        ("is in Unix microseconds", _time_in(1e6)),
        ("is a date as text", _matching(r"\d{1,4}[-./]\d{1,2}[-./]\d{1,4}.*|.*\b\d{4}\b.*\d{1,2}:\d\d.*")),
    ),
    Kind.RATIO: (
        _IN_QUOTES,
        ("is in percent", _matching(r"\d+([. ]\d+)?\s*%")),
        ("is in percent", lambda sent: _numbers(sent).between(1, 100, inclusive="right")),
        _DECIMAL_COMMA,
    ),
    Kind.MINUTES: (_IN_QUOTES, _CLOCK, _DECIMAL_COMMA),
    Kind.SECONDS: (_IN_QUOTES, _CLOCK, _DECIMAL_COMMA),
    Kind.COUNT: (_IN_QUOTES, _DECIMAL_COMMA),
}
