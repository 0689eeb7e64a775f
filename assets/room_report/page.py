"""The page of a week's report: the figures in words and tables, laid out by `templates/room_report.html`.

One HTML file that needs nothing else: no script, no style sheet, font or picture from elsewhere. Whatever Kaltura sent
is escaped by the template.
"""

import datetime as dt
import itertools
from dataclasses import dataclass

import jinja2

from assets.room_report.charts import charts, heat_steps, hours_shown, steps_text
from assets.room_report.colours import DARK, HEAT, LIGHT
from assets.room_report.figures import WEEK, Figures
from assets.room_report.language import Language
from assets.room_report.sentences import chart_sentences, lede, notices
from resources.runtime.printable import on_page
from resources.settings import CHECKOUT, REPORT_LANGUAGES

TEMPLATES = CHECKOUT / "assets" / "room_report" / "templates"


@dataclass(frozen=True)
class Tile:
    """One figure of the week, large, and how it compares."""

    label: str
    value: str
    change: str


def page(figures: Figures, written_at: dt.datetime, language: str = REPORT_LANGUAGES[0]) -> str:
    """The whole HTML document. `written_at` is when the figures were read (aware)."""
    say = Language(language, is_nobody_followed=figures.is_nobody_followed)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters = {name: getattr(say, name) for name in ("number", "tenths", "percent", "hours", "day", "signed")}
    environment.filters |= filters | {"moment": lambda moment: say.moment(moment, figures.timezone)}
    return environment.get_template("room_report.html").render(
        say=say,
        figures=figures,
        title=say.span(figures.week_date, figures.last_date),
        lede=lede(figures, say),
        notices=notices(figures, say),
        tiles=tiles(figures, say),
        charts=charts(figures, say),
        said=chart_sentences(figures, say),
        some_missing=any(figures.missing.values()),
        with_some_missing=_with_some_missing(figures),
        heat_key=_heat_key(figures, say),
        hours_shown=hours_shown(figures),
        open_by_cell={(hour.weekday, hour.hour): hour.open_session_count for hour in figures.hours},
        missing_weekdays={each.weekday() for each in figures.missing_sessions[figures.week_date]},
        breakouts=figures.breakouts_by_week.get(figures.week_date),
        steps_text=steps_text,
        week_length=WEEK,
        written_at=written_at,
        light=LIGHT,
        dark=DARK,
    )


def _shown(value: object) -> object:
    """What each expression of the template becomes before it is escaped. `| safe` is for our own drawings alone."""
    return on_page(value) if type(value) is str else value


def tiles(figures: Figures, say: Language) -> list[Tile]:
    """The week's key figures against those of the week before."""
    week, before = figures.week, figures.week_before
    unknown = figures.is_attendance_unknown(week)
    ratio, ratio_before = week.weighted_engagement_ratio, before.weighted_engagement_ratio
    comparable = figures.is_comparable

    def tile(key: str, now: float | None, then: float | None) -> Tile:
        change = _change(now, then, say) if comparable and now is not None and then is not None else ""
        return Tile(say(key, None if now is None else round(now)), say.number(now), change)

    points = ""
    if comparable and ratio is not None and ratio_before is not None:
        points = _points(round(100 * ratio) - round(100 * ratio_before), say)
    return [
        tile("tile_sessions", week.session_count, before.session_count),
        tile("tile_people", None if unknown else week.people_count, before.people_count),
        tile("tile_hours", None if unknown else _as_hours(week.total_minutes), _as_hours(before.total_minutes)),
        Tile(say("tile_engaged"), say.percent(ratio), points),
    ]


def _as_hours(minutes: float | None) -> float | None:
    return None if minutes is None else minutes / 60


def _change(now: float, then: float, say: Language) -> str:
    difference = round(now) - round(then)
    if not difference:
        return say("as_before")
    percentage = round(100 * (now - then) / then) if then else 0
    return say.signed(difference) + (f" ({say.signed(percentage)}\N{NO-BREAK SPACE}%)" if percentage else "")


def _points(difference: int, say: Language) -> str:
    return say("points", abs(difference), change=say.signed(difference)) if difference else say("as_before")


def _heat_key(figures: Figures, say: Language) -> list[tuple[str, str]]:
    """The heat map's steps: the colour's role and what it stands for."""
    bounds = [0.0, *heat_steps(figures)]
    whole = [f"{say.number(lower)}\N{EN DASH}{say.number(upper)}" for lower, upper in itertools.pairwise(bounds)]
    steps = ((f"heat-{at}", text) for at, text in zip(range(1, HEAT + 1), whole, strict=True))
    return [("heat-0", say("hours_key_none")), *steps]


def _with_some_missing(figures: Figures) -> set[dt.date]:
    """The Mondays of the weeks of which any report of any day is not loaded."""
    return {
        week.week_date
        for week in figures.weeks
        if figures.missing[week.week_date] or figures.missing_breakouts[week.week_date]
    }
