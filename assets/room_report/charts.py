"""The report's charts, drawn with matplotlib: as SVG that takes its colours and its font from the page, and as a PNG.

Each is drawn twice, for a page and for a phone, as the words in a drawing that is scaled down can't be read. Imported
by the asset while it runs and by nothing else: matplotlib takes longer to load than a day does.
"""

import datetime as dt
import io
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter, MaxNLocator

from assets.room_report.colours import HEAT, LIGHT
from assets.room_report.figures import WEEK, Figures, Return, Week

PIXELS_AN_INCH = 72  # one SVG unit is one CSS pixel
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
PNG_SCALE = 0.8

# Texts are laid out for DejaVu Sans, which is wider than the fonts that the page shows them in.
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "room report",
    "font.family": "DejaVu Sans",
    "font.size": 12,
    "text.color": LIGHT["ink"],
    "text.parse_math": False,
    "axes.edgecolor": LIGHT["rule"],
    "axes.labelcolor": LIGHT["quiet"],
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.axisbelow": True,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "grid.color": LIGHT["rule"],
    "xtick.color": LIGHT["quiet"],
    "ytick.color": LIGHT["quiet"],
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "xtick.major.pad": 9,
    "ytick.major.pad": 6,
}

Box = tuple[float, float, float, float]  # left, top, width, height, in pixels from the top left


@dataclass(frozen=True)
class Chart:
    """One chart as two SVG elements, for a page and for a phone. They refer to nothing outside themselves."""

    wide: str
    narrow: str


class _Sheet:
    """A figure of so many pixels to draw on."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self.figure = Figure(figsize=(width / PIXELS_AN_INCH, height / PIXELS_AN_INCH), dpi=PIXELS_AN_INCH)

    def axes(self, box: Box) -> Axes:
        left, top, width, height = box
        bottom = self.height - top - height
        return self.figure.add_axes((left / self.width, bottom / self.height, width / self.width, height / self.height))

    def svg(self, name: str) -> str:
        written = io.StringIO()
        self.figure.savefig(
            written, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None}
        )
        return _for_the_page(written.getvalue(), name)

    def png(self) -> bytes:
        written = io.BytesIO()
        self.figure.savefig(
            written, format="png", facecolor="white", dpi=PIXELS_AN_INCH * PNG_SCALE, metadata={"Software": None}
        )
        return written.getvalue()


def charts(figures: Figures) -> dict[str, Chart]:
    """All charts of the report by name."""
    drawn: dict[str, Callable[[Figures, bool], _Sheet]] = {
        "weeks": _weeks,
        "hours": _hours,
        "engagement": _engagement,
        "returns": _returns,
        "breakouts": _breakouts,
    }
    with mpl.rc_context(_STYLE):
        return {
            name: Chart(draw(figures, False).svg(f"{name}-wide"), draw(figures, True).svg(f"{name}-narrow"))
            for name, draw in drawn.items()
        }


def weeks_png(figures: Figures) -> bytes:
    """Sessions and people by week on white, about 600 pixels wide: for where no page gives a chart its colours."""
    with mpl.rc_context(_STYLE):
        return _weeks(figures, False).png()


def _weeks(figures: Figures, narrow: bool) -> _Sheet:
    sheet = _Sheet(340, 420) if narrow else _Sheet(760, 230)
    boxes: list[Box] = (
        [(44, 34, 288, 140), (44, 244, 288, 140)] if narrow else [(44, 34, 316, 160), (434, 34, 316, 160)]
    )
    for box, title, values in (
        (boxes[0], "Sessions", [week.session_count or 0 for week in figures.weeks]),
        (boxes[1], "People", [week.people_count or 0 for week in figures.weeks]),
    ):
        axes = sheet.axes(box)
        missing = figures.missing_sessions if title == "Sessions" else figures.missing
        _bars_by_week(axes, figures, title, values, missing, lambda number: f"{number:,.0f}")
    return sheet


def _breakouts(figures: Figures, narrow: bool) -> _Sheet:
    sheet = _Sheet(340, 210) if narrow else _Sheet(760, 220)
    axes = sheet.axes((44, 34, 288, 140) if narrow else (44, 34, 706, 150))
    shares = [
        100 * figures.breakouts_by_week[week.week_date].main_session_count / week.session_count
        if week.session_count and week.week_date in figures.breakouts_by_week
        else 0
        for week in figures.weeks
    ]
    _bars_by_week(
        axes, figures, "Sessions with breakouts", shares, figures.missing_breakouts, lambda number: f"{number:.0f} %"
    )
    return sheet


def _bars_by_week(
    axes: Axes,
    figures: Figures,
    title: str,
    values: Sequence[float],
    days_missing: Mapping[dt.date, Sequence[dt.date]],
    text: Callable[[float], str],
) -> None:
    """A bar a week: the report's own in strong colour; outlined where days are missing; shaded where all are."""
    for at, (week, value) in enumerate(zip(figures.weeks, values, strict=True)):
        missing = len(days_missing[week.week_date])
        color = LIGHT["now"] if week is figures.week else LIGHT["bar"]
        if missing == WEEK.days and not value:
            axes.axvspan(at - 0.4, at + 0.4, color=LIGHT["missing"], linewidth=0)
        elif missing:
            axes.bar(at, value, 0.7, color=LIGHT["paper"], edgecolor=color, linewidth=1.5, linestyle=(0, (3, 2)))
        else:
            axes.bar(at, value, 0.74, color=color)
    if len(days_missing[figures.week_date]) < WEEK.days or values[-1]:
        title = f"{title}: {text(values[-1])} this week"
    axes.set_title(title, loc="left", x=0, pad=14, fontsize=13, fontweight="bold", color=LIGHT["ink"])
    axes.set_xlim(-0.6, len(values) - 0.4)
    _label_weeks(axes, figures.weeks)
    _count_axis(axes, max(values), text)


def _label_weeks(axes: Axes, weeks: Sequence[Week]) -> None:
    """Every third Monday by its date, back from the report's own."""
    shown = list(range(len(weeks) - 1, -1, -3))[::-1]
    axes.set_xticks(shown, [_short(weeks[at].week_date) for at in shown])


def _short(day: dt.date) -> str:
    return f"{day.day} {day:%b}"


def _count_axis(axes: Axes, most: float, text: Callable[[float], str]) -> None:
    axes.set_ylim(0, most * 1.08 or 1)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=4, integer=True))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda number, _: text(number) if most else ""))
    axes.grid(axis="y", linewidth=1)


def heat_steps(figures: Figures) -> list[float]:
    """The upper bounds of the heat map's steps, in mean open sessions, the last one at or above the week's most."""
    most = max((hour.open_session_count for hour in figures.hours), default=0)
    step = max(1, math.ceil(most / HEAT))
    return [float(step * number) for number in range(1, HEAT + 1)]


def hours_shown(figures: Figures) -> range:
    """The hours of the day that the heat map has room for: 8 to 18, and as far beyond as anything was open."""
    used = [hour.hour for hour in figures.hours if hour.open_session_count > 0]
    return range(min([8, *used]), max([17, *used]) + 1)


def _hours(figures: Figures, narrow: bool) -> _Sheet:
    shown = hours_shown(figures)
    cell = 24 if narrow else 30
    sheet = _Sheet(340, 34 + cell * len(shown)) if narrow else _Sheet(760, 34 + cell * 7)
    box: Box = (44, 28, 292, cell * len(shown)) if narrow else (44, 28, 710, cell * 7)
    axes = sheet.axes(box)
    steps = heat_steps(figures)
    open_by_cell = {(hour.weekday, hour.hour): hour.open_session_count for hour in figures.hours}
    missing = {day.weekday() for day in figures.missing_sessions[figures.week_date]}
    for weekday in range(7):
        for hour in shown:
            count = open_by_cell.get((weekday, hour), 0)
            step = next((at for at, bound in enumerate(steps, 1) if count <= bound), HEAT) if count else 0
            x, y = (weekday, hour) if narrow else (hour, weekday)
            style: dict[str, Any] = (
                {"facecolor": LIGHT["paper"], "edgecolor": LIGHT["rule"], "linewidth": 1, "linestyle": (0, (3, 2))}
                if weekday in missing and not count
                else {"facecolor": LIGHT[f"heat-{step}"], "linewidth": 0}
            )
            axes.add_patch(Rectangle((x + 0.04, y + 0.06), 0.92, 0.88, **style))
    days, times = [at + 0.5 for at in range(7)], list(shown)[:: 2 if narrow or len(shown) > 14 else 1]
    axes.xaxis.tick_top()
    axes.spines["bottom"].set_visible(False)
    if narrow:
        axes.set_xlim(0, 7)
        axes.set_ylim(shown.stop, shown.start)
        axes.set_xticks(days, WEEKDAYS)
        axes.set_yticks([hour + 0.5 for hour in times], [f"{hour}:00" for hour in times])
    else:
        axes.set_xlim(shown.start, shown.stop)
        axes.set_ylim(7, 0)
        axes.set_yticks(days, WEEKDAYS)
        axes.set_xticks([hour + 0.5 for hour in times], [f"{hour}:00" for hour in times])
    return sheet


def _engagement(figures: Figures, narrow: bool) -> _Sheet:
    sheet = _Sheet(340, 230) if narrow else _Sheet(760, 240)
    axes = sheet.axes((44, 12, 274, 170) if narrow else (44, 12, 690, 180))
    now = _shares([band.attendance_count or 0 for band in figures.bands])
    before = _shares([band.previous_attendance_count or 0 for band in figures.bands])
    axes.bar([at + 0.5 for at in range(10)], now, 0.86, color=LIGHT["now"])
    if any(before):
        axes.hlines(
            before, [at + 0.03 for at in range(10)], [at + 0.97 for at in range(10)], LIGHT["before"], linewidth=3
        )
    axes.set_xlim(0, 10)
    edges = range(0, 11, 2 if narrow else 1)
    axes.set_xticks(list(edges), [f"{edge * 10} %" for edge in edges])
    axes.set_xlabel("share of their time that people were engaged", labelpad=8)
    _count_axis(axes, max([*now, *before]), lambda number: f"{number:.0f} %")
    return sheet


def _shares(counts: Sequence[int]) -> list[float]:
    total = sum(counts)
    return [100 * count / total if total else 0 for count in counts]


def _returns(figures: Figures, narrow: bool) -> _Sheet:
    sheet = _Sheet(340, 250) if narrow else _Sheet(760, 250)
    axes = sheet.axes((44, 12, 288, 185) if narrow else (44, 12, 706, 190))
    rows = [row for row in figures.returns if row.session_count]
    for at, row in enumerate(rows):
        if row.median_ratio is None or row.lower_ratio is None or row.upper_ratio is None:
            continue
        lower, median, upper = (100 * ratio for ratio in (row.lower_ratio, row.median_ratio, row.upper_ratio))
        axes.bar(at, upper - lower, 0.34, lower, color=LIGHT["range"])
        axes.hlines(median, at - 0.24, at + 0.24, LIGHT["now"], linewidth=3)
        axes.annotate(
            f"{median:.0f} %", (at, max(upper, median)), (0, 5), textcoords="offset points",
            ha="center", color=LIGHT["now"], fontweight="bold",
        )  # fmt: skip
    axes.set_xlim(-0.6, max(1, len(rows)) - 0.4)
    axes.set_xticks(range(len(rows)), [steps_text(row) for row in rows])
    axes.set_xlabel("which session of the room", labelpad=8)
    axes.set_ylim(0, 108)
    axes.set_yticks(range(0, 101, 25), [f"{share} %" for share in range(0, 101, 25)])
    axes.grid(axis="y", linewidth=1)
    return sheet


def steps_text(row: Return) -> str:
    """Which sessions of a room: `2-3`, or `49 on`."""
    return f"{row.first_number} on" if row.last_number is None else f"{row.first_number}\N{EN DASH}{row.last_number}"


_COLOURS = {colour: role for role, colour in LIGHT.items()}


def _for_the_page(svg: str, name: str) -> str:
    """The SVG element alone: colours are the page's variables, fonts the page's, ids unique to the drawing."""
    element = svg[svg.index("<svg") :]
    element = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->", "", element, flags=re.S)
    element = re.sub(r'<g id="[^"]*"', "<g", element)
    element = re.sub(
        r"<svg[^>]*viewBox=\"([^\"]*)\"[^>]*>",
        rf'<svg viewBox="\1" class="{name.split("-")[-1]}" aria-hidden="true">',
        element,
    )
    element = re.sub(r"#[0-9a-f]{6}\b", lambda found: _variable(found.group()), element)
    element = element.replace("xlink:href", "href")
    element = re.sub(r'(id="|href="#|url\(#)', rf"\1{name}-", element)
    element = re.sub(r" font-family: [^;\"]*;?|transform=\"rotate\(-0 [^)]*\)\"", "", element)
    return re.sub(r">\s+<", "><", element).strip()


def _variable(colour: str) -> str:
    return f"var(--{_COLOURS[colour]})" if colour in _COLOURS else colour
