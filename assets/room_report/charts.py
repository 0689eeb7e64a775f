"""The report's charts: from the week's figures to drawings that the page holds, and one picture for Dagster's UI.

Each is drawn twice, for a page and for a phone, as the words in a drawing that is scaled down can't be read.
"""

import datetime as dt
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from assets.room_report.colours import HEAT
from assets.room_report.drawing import LARGE, Box, Plot, Sheet, levels
from assets.room_report.figures import Figures, Return
from assets.room_report.language import Language


@dataclass(frozen=True)
class Chart:
    """One chart as two SVG elements, for a page and for a phone. They refer to nothing outside themselves."""

    wide: str
    narrow: str


def charts(figures: Figures, say: Language) -> dict[str, Chart]:
    """All charts of the report by name."""
    drawn: dict[str, Callable[[Figures, Language, bool], Sheet]] = {
        "weeks": _weeks,
        "hours": _hours,
        "engagement": _engagement,
        "returns": _returns,
        "breakouts": _breakouts,
    }
    return {
        name: Chart(draw(figures, say, False).element("wide"), draw(figures, say, True).element("narrow"))
        for name, draw in drawn.items()
    }


def weeks_picture(figures: Figures, say: Language) -> str:
    """Sessions and people by week as a data URI, 760 pixels wide: for where no page gives a chart its colours."""
    return _weeks(figures, say, False).data_uri()


def _weeks(figures: Figures, say: Language, narrow: bool) -> Sheet:
    sheet = Sheet(340, 420) if narrow else Sheet(760, 230)
    boxes: list[Box] = (
        [(44, 34, 288, 140), (44, 244, 288, 140)] if narrow else [(44, 34, 316, 160), (434, 34, 316, 160)]
    )
    sessions = [week.session_count for week in figures.weeks]
    people = [None if figures.is_attendance_unknown(week) else week.people_count for week in figures.weeks]
    for box, title, values, missing in (
        (boxes[0], say("sessions"), sessions, figures.missing_sessions),
        (boxes[1], say("people_head"), people, figures.missing),
    ):
        _bars_by_week(sheet, box, figures, say, title, values, missing, say.number)
    return sheet


def _breakouts(figures: Figures, say: Language, narrow: bool) -> Sheet:
    sheet = Sheet(340, 210) if narrow else Sheet(760, 220)
    ratios = [figures.breakout_ratio(week) if week.session_count else week.session_count for week in figures.weeks]
    shares = [None if ratio is None else 100 * ratio for ratio in ratios]
    box: Box = (44, 34, 288, 140) if narrow else (44, 34, 706, 150)
    title, missing = say("breakouts_chart"), figures.missing_breakouts
    _bars_by_week(sheet, box, figures, say, title, shares, missing, lambda number: say.percent(number / 100))
    return sheet


def _bars_by_week(
    sheet: Sheet,
    box: Box,
    figures: Figures,
    say: Language,
    title: str,
    values: Sequence[float | None],
    days_missing: Mapping[dt.date, Sequence[dt.date]],
    text: Callable[[float], str],
) -> None:
    """A bar a week: the report's own in strong colour; outlined where days are missing; shaded where nothing is known."""
    plot = _count_plot(sheet, box, (-0.6, len(values) - 0.4), max(value or 0 for value in values), text)
    for at, (week, value) in enumerate(zip(figures.weeks, values, strict=True)):
        missing = len(days_missing[week.week_date])
        role = "now" if week is figures.week else "bar"
        if value is None:
            sheet.bar(plot, (at - 0.4, at + 0.4), plot.y, "missing")
        elif missing:
            sheet.outline(plot, (at - 0.35, at + 0.35), (0, value), role, 1.5)
        else:
            sheet.bar(plot, (at - 0.37, at + 0.37), (0, value), role)
    if values[-1] is not None:
        title = say("chart_this_week", title=title, value=text(values[-1]))
    sheet.words(title, plot.left, plot.top - 14, "ink", "start", LARGE, bold=True)
    every_third = list(range(len(figures.weeks) - 1, -1, -3))[::-1]  # back from the report's own
    sheet.along(plot, every_third, [say.day(figures.weeks[at].week_date) for at in every_third])


def _count_plot(sheet: Sheet, box: Box, x: tuple[float, float], most: float, text: Callable[[float], str]) -> Plot:
    """A plot of counts from zero, its grid drawn; without words where there is nothing to count."""
    plot = Plot(box, x, (0, most * 1.08 or 1))
    sheet.grid(plot, levels(most), text if most else lambda _: "")
    return plot


def heat_steps(figures: Figures) -> list[float]:
    """The upper bounds of the heat map's steps, in mean open sessions, the last one at or above the week's most."""
    most = max((hour.open_session_count for hour in figures.hours), default=0)
    step = max(1, math.ceil(most / HEAT))
    return [float(step * number) for number in range(1, HEAT + 1)]


def hours_shown(figures: Figures) -> range:
    """The hours of the day that the heat map has room for: 8 to 18, and as far beyond as anything was open."""
    used = [hour.hour for hour in figures.hours if hour.open_session_count > 0]
    return range(min([8, *used]), max([17, *used]) + 1)


def _hours(figures: Figures, say: Language, narrow: bool) -> Sheet:
    """Days across and hours down for a phone, the other way round for a page."""
    shown = hours_shown(figures)
    cell = 24 if narrow else 30
    hours, days = (float(shown.start), float(shown.stop)), (0.0, 7.0)
    if narrow:
        sheet = Sheet(340, 34 + cell * len(shown))
        plot = Plot((44, 28, 292, cell * len(shown)), days, hours[::-1])
    else:
        sheet = Sheet(760, 34 + cell * 7)
        plot = Plot((44, 28, 710, cell * 7), hours, days[::-1])
    _cells(sheet, plot, figures, say, narrow)
    for at, weekday in enumerate(say.weekdays):
        _label(sheet, plot, say.weekday(weekday), at, narrow)
    for hour in list(shown)[:: 2 if narrow or len(shown) > 14 else 1]:
        _label(sheet, plot, f"{hour}:00", hour, not narrow)
    return sheet


def _cells(sheet: Sheet, plot: Plot, figures: Figures, say: Language, narrow: bool) -> None:
    steps = heat_steps(figures)
    open_by_cell = {(hour.weekday, hour.hour): hour.open_session_count for hour in figures.hours}
    missing = {day.weekday() for day in figures.missing_sessions[figures.week_date]}
    for at, weekday in enumerate(say.weekdays):
        for hour in hours_shown(figures):
            count = open_by_cell.get((weekday, hour), 0)
            step = next((step for step, bound in enumerate(steps, 1) if count <= bound), HEAT) if count else 0
            left, upper = (at, hour) if narrow else (hour, at)
            x, y = (left + 0.04, left + 0.96), (upper + 0.06, upper + 0.94)
            if weekday in missing and not count:
                sheet.outline(plot, x, y, "rule", 1)
            else:
                sheet.bar(plot, x, y, f"heat-{step}")


def _label(sheet: Sheet, plot: Plot, text: str, at: int, above: bool) -> None:
    """A word over a column of the heat map, or left of a row of it."""
    if above:
        sheet.words(text, plot.across(at + 0.5), plot.top - 9, "quiet")
    else:
        sheet.words(text, plot.left - 6, plot.down(at + 0.5) + 4, "quiet", "end")


def _engagement(figures: Figures, say: Language, narrow: bool) -> Sheet:
    sheet = Sheet(340, 230) if narrow else Sheet(760, 240)
    now = _shares([band.attendance_count or 0 for band in figures.bands])
    before = _shares([band.previous_attendance_count or 0 for band in figures.bands])
    box: Box = (44, 12, 274, 170) if narrow else (44, 12, 690, 180)
    plot = _count_plot(sheet, box, (0, 10), max([*now, *before]), lambda number: say.percent(number / 100))
    for at, share in enumerate(now):
        sheet.bar(plot, (at + 0.07, at + 0.93), (0, share), "now")
    for at, share in enumerate(before if any(before) else []):
        sheet.line(plot, (at + 0.03, at + 0.97), share, "before", 3)
    edges = range(0, 11, 2 if narrow else 1)
    sheet.along(plot, edges, [say.percent(edge / 10) for edge in edges], say("engagement_axis"))
    return sheet


def _shares(counts: Sequence[int]) -> list[float]:
    total = sum(counts)
    return [100 * count / total if total else 0 for count in counts]


def _returns(figures: Figures, say: Language, narrow: bool) -> Sheet:
    sheet = Sheet(340, 250) if narrow else Sheet(760, 250)
    rows = [row for row in figures.returns if row.session_count]
    box: Box = (44, 12, 288, 185) if narrow else (44, 12, 706, 190)
    plot = Plot(box, (-0.6, max(1, len(rows)) - 0.4), (0, 108))
    sheet.grid(plot, range(0, 101, 25), lambda share: say.percent(share / 100))
    for at, row in enumerate(rows):
        if row.median_ratio is None or row.lower_ratio is None or row.upper_ratio is None:
            continue
        lower, median, upper = (100 * ratio for ratio in (row.lower_ratio, row.median_ratio, row.upper_ratio))
        sheet.bar(plot, (at - 0.17, at + 0.17), (lower, upper), "range")
        sheet.line(plot, (at - 0.24, at + 0.24), median, "now", 3)
        over = plot.down(max(upper, median)) - 5
        sheet.words(say.percent(median / 100), plot.across(at), over, "now", bold=True)
    sheet.along(plot, range(len(rows)), [steps_text(row, say) for row in rows], say("returns_axis"))
    return sheet


def steps_text(row: Return, say: Language) -> str:
    """Which sessions of a room: `2-3`, or `49 on`."""
    if row.last_number is None:
        return say("from_on", first=str(row.first_number))
    return f"{row.first_number}\N{EN DASH}{row.last_number}"
