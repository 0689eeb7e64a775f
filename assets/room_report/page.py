"""The page of a week's report: the figures in words and tables, laid out by `templates/room_report.html`.

One HTML file that needs nothing else: no script, no style sheet, font or picture from elsewhere. Whatever Kaltura sent
is escaped by the template.
"""

import datetime as dt
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import jinja2

from assets.room_report.charts import charts, heat_steps, hours_shown, steps_text
from assets.room_report.colours import DARK, HEAT, LIGHT
from assets.room_report.figures import WEEK, Figures, Return, Week
from resources.runtime.counted import counted
from resources.runtime.printable import on_page
from resources.settings import CHECKOUT

TEMPLATES = CHECKOUT / "assets" / "room_report" / "templates"
DATES_NAMED = 8  # days that a sentence lists before it only counts them


@dataclass(frozen=True)
class Tile:
    """One figure of the week, large, and how it compares."""

    label: str
    value: str
    change: str


def page(figures: Figures, written_at: dt.datetime) -> str:
    """The whole HTML document. `written_at` is when the figures were read (aware)."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": number, "percent": percent, "hours": hours, "day": day, "signed": signed}
    environment.filters["moment"] = lambda moment: _moment(moment, figures.timezone)
    return environment.get_template("room_report.html").render(
        figures=figures,
        title=f"{_span(figures.week_date, figures.last_date)}",
        lede=lede(figures),
        notices=notices(figures),
        tiles=tiles(figures),
        charts=charts(figures),
        said=_said(figures),
        some_missing=any(figures.missing.values()),
        with_some_missing=_with_some_missing(figures),
        heat_key=_heat_key(figures),
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


def lede(figures: Figures) -> str:
    """The week in two sentences."""
    week, before = figures.week, figures.week_before
    if figures.is_empty:
        missing = len(figures.missing_sessions[figures.week_date])
        if missing == WEEK.days:
            return "Nothing of this week has been loaded, so nothing can be said of it."
        if missing:
            return "No session is known of this week, of which not every day has been loaded."
        return "No session was held this week."
    said = _together(week)
    if not figures.is_comparable:
        return f"{said} Days are missing, so there is no comparison with the week before."
    if not before.session_count:
        return f"{said} There were none the week before."
    sessions = _compared(week.session_count or 0, before.session_count, "sessions")
    people = _compared(week.people_count or 0, before.people_count or 0, "people")
    return f"{said} Compared with the week before, that is {sessions} and {people}."


def _together(week: Week) -> str:
    held = counted(week.session_count or 0, "session")
    were = "was" if week.session_count == 1 else "were"
    if week.people_count is None:
        return f"{held} {were} held. Who attended is not known, as attendees are not loaded."
    if not week.people_count and week.total_minutes:
        return f"{held} {were} held. Kaltura could not identify anybody who attended."
    return f"{held} brought {counted(week.people_count, 'person', 'people')} together."


def notices(figures: Figures) -> list[str]:
    """What a reader must know before relying on the week's figures."""
    said = _missing_said(figures)
    provisional = figures.provisional[figures.week_date]
    if provisional:
        said.append(f"Provisional: the figures of {_dates(provisional)} may still grow, as late data arrives.")
    before = figures.missing[figures.week_date - WEEK]
    if before and not figures.is_empty:
        said.append(
            f"Of the week before, {counted(len(before), 'day')} {'is' if len(before) == 1 else 'are'} not loaded."
        )
    return said


def _missing_said(figures: Figures) -> list[str]:
    """Which days of the week are not loaded, and which lack one report: the figures that are short for it."""
    said = []
    missing = figures.missing_sessions[figures.week_date]
    if missing and len(missing) < WEEK.days:
        said.append(
            f"{counted(len(missing), 'day')} of this week {'is' if len(missing) == 1 else 'are'} not loaded: "
            f"{_dates(missing)}. The figures below leave {'it' if len(missing) == 1 else 'them'} out."
        )
    for what, lacking, short in (
        ("Attendees", figures.missing, "Figures of people and their time"),
        ("Breakouts", figures.missing_breakouts, "Figures of breakout rooms"),
    ):
        days = [each for each in lacking[figures.week_date] if each not in missing]
        if days:
            said.append(
                f"{what} of {_dates(days)} are not loaded. {short} leave {'it' if len(days) == 1 else 'them'} out."
            )
    return said


def tiles(figures: Figures) -> list[Tile]:
    """The week's key figures against those of the week before."""
    week, before = figures.week, figures.week_before
    ratio, ratio_before = week.weighted_engagement_ratio, before.weighted_engagement_ratio
    comparable = figures.is_comparable

    def tile(label: str, now: float | None, then: float | None) -> Tile:
        change = _change(now, then) if comparable and now is not None and then is not None else ""
        return Tile(label, number(now), change)

    points = ""
    if comparable and ratio is not None and ratio_before is not None:
        points = _points(round(100 * ratio) - round(100 * ratio_before))
    return [
        tile("sessions", week.session_count, before.session_count),
        tile("people", week.people_count, before.people_count),
        tile("hours attended", _as_hours(week.total_minutes), _as_hours(before.total_minutes)),
        Tile("engaged", percent(ratio), points),
    ]


def _said(figures: Figures) -> dict[str, str]:
    """A chart's main point in a sentence, which is also what a screen reader says in its place."""
    return {
        "weeks": _weeks_said(figures),
        "hours": _hours_said(figures),
        "engagement": _engagement_said(figures),
        "returns": _returns_said(figures),
        "breakouts": _breakouts_said(figures),
        "restated": _restated_said(figures),
    }


def _weeks_said(figures: Figures) -> str:
    whole = [week for week in figures.weeks[:-1] if not figures.missing[week.week_date]]
    if not whole:
        return "No earlier week is loaded whole, so there is nothing to compare with."
    sessions = sum(week.session_count or 0 for week in whole) / len(whole)
    people = sum(week.people_count or 0 for week in whole) / len(whole)
    return (
        f"The {counted(len(whole), 'earlier week')} that {'is' if len(whole) == 1 else 'are'} loaded whole had "
        f"{number(sessions)} sessions and {number(people)} people on average."
    )


def _hours_said(figures: Figures) -> str:
    if not figures.hours:
        missing = figures.missing_sessions[figures.week_date]
        return "No room is known to have been open." if missing else "No room was open."
    busiest = max(figures.hours, key=lambda hour: hour.open_session_count)
    weekday = figures.week_date + dt.timedelta(days=busiest.weekday)
    return (
        f"Busiest was {weekday:%A} from {busiest.hour}:00 to {busiest.hour + 1}:00, "
        f"with {counted(round(busiest.open_session_count), 'session')} open at a time."
    )


def _engagement_said(figures: Figures) -> str:
    if figures.week.attendance_count is None:
        return "Attendees of this week are not loaded."
    total = sum(band.attendance_count or 0 for band in figures.bands)
    if not total:
        return "No attendance with a known engagement."
    upper = sum(band.attendance_count or 0 for band in figures.bands if band.band_number > 5)
    return f"In {percent(upper / total)} of {number(total)} attendances, people were engaged for half of their time or more."


def _returns_said(figures: Figures) -> str:
    known = [row for row in figures.returns if row.median_ratio is not None]
    unknown = sum(row.unknown_session_count for row in figures.returns)
    if not known and unknown:
        return f"Not known: of {counted(unknown, 'later session')} or of the room's first, attendees are not loaded."
    if not known:
        return "No room has had a second session yet."
    return (
        f"Of the people in a room's first session, {percent(known[0].median_ratio)} are there again in its "
        f"{_ordinals(known[0])} session"
        + ("" if len(known) == 1 else f", and {percent(known[-1].median_ratio)} in its {_ordinals(known[-1])}")
        + ": the middle of all rooms."
    )


def _breakouts_said(figures: Figures) -> str:
    week = figures.breakouts_by_week.get(figures.week_date)
    missing = len(figures.missing_breakouts[figures.week_date])
    if week is None and missing == WEEK.days:
        return "Breakouts of this week are not loaded."
    if week is None and missing:
        return "No breakout room is known to have been used, but not every day is loaded."
    if week is None:
        return "No breakout room was used this week."
    share = percent(week.main_session_count / figures.week.session_count) if figures.week.session_count else ""
    said = f"{counted(week.main_session_count, 'session')} used breakout rooms" + (
        f", {share} of all." if share else "."
    )
    if week.untied_breakout_count:
        said += f" Of {counted(week.untied_breakout_count, 'more breakout')} the main session is not known."
    return said


def _restated_said(figures: Figures) -> str:
    if not figures.restated:
        return "Nothing: no later pull has changed a figure of these thirteen weeks."
    sessions = sum(row.session_count for row in figures.restated)
    completed = sum(row.completed_session_count for row in figures.restated)
    said = f"Later pulls changed the figures of {counted(sessions, 'session')} of these thirteen weeks."
    if completed:
        said += f" {number(completed)} of them had been running when first pulled, and were completed."
    return said


def _heat_key(figures: Figures) -> list[tuple[str, str]]:
    """The heat map's steps: the colour's role and what it stands for."""
    bounds = [0.0, *heat_steps(figures)]
    whole = [f"{lower:.0f}\N{EN DASH}{upper:.0f}" for lower, upper in itertools.pairwise(bounds)]
    return [("heat-0", "none"), *((f"heat-{at}", text) for at, text in zip(range(1, HEAT + 1), whole, strict=True))]


def _with_some_missing(figures: Figures) -> set[dt.date]:
    """The Mondays of the weeks of which any report of any day is not loaded."""
    return {
        week.week_date
        for week in figures.weeks
        if figures.missing[week.week_date] or figures.missing_breakouts[week.week_date]
    }


def number(value: float | None) -> str:
    """A count; a dash where it is not known."""
    return "\N{EM DASH}" if value is None else f"{value:,.0f}"


def hours(minutes: float | None) -> str:
    return number(_as_hours(minutes))


def _as_hours(minutes: float | None) -> float | None:
    return None if minutes is None else minutes / 60


def percent(ratio: float | None) -> str:
    return "\N{EM DASH}" if ratio is None else f"{100 * ratio:.0f}\N{NO-BREAK SPACE}%"


def signed(value: float) -> str:
    return f"{value:+,.0f}".replace("-", "\N{MINUS SIGN}")


def day(date: dt.date) -> str:
    return f"{date.day}\N{NO-BREAK SPACE}{date:%b}"


def _moment(moment: dt.datetime | None, timezone: ZoneInfo) -> str:
    if moment is None:
        return "never"
    local = moment.astimezone(timezone)
    return f"{local:%a}\N{NO-BREAK SPACE}{day(local)}, {local:%H:%M}"


def _span(first: dt.date, last: dt.date) -> str:
    start = f"{first.day}" if first.month == last.month else f"{first.day} {first:%B}"
    if first.year != last.year:
        start += f" {first.year}"
    return f"{start} to {last.day} {last:%B} {last.year}"


def _dates(dates: Sequence[dt.date]) -> str:
    named = [f"{each:%A} {each.day} {each:%B}" for each in dates[:DATES_NAMED]]
    return named[0] if len(named) == 1 else f"{', '.join(named[:-1])} and {named[-1]}"


def _change(now: float, then: float) -> str:
    difference = round(now) - round(then)
    if not difference:
        return "as the week before"
    percentage = round(100 * (now - then) / then) if then else 0
    share = f" ({signed(percentage)}\N{NO-BREAK SPACE}%)" if percentage else ""
    return f"{signed(difference)}{share}"


def _points(difference: int) -> str:
    if not difference:
        return "as the week before"
    return f"{signed(difference)} percentage point{'' if abs(difference) == 1 else 's'}"


def _compared(now: int, then: int, things: str) -> str:
    if now == then:
        return f"the same number of {things}"
    share = f"{100 * abs(now - then) / then:.0f}\N{NO-BREAK SPACE}%" if then else number(abs(now - then))
    if share.startswith("0"):
        share = number(abs(now - then))
    return f"{share} {'more' if now > then else 'fewer'} {things}"


def _ordinals(row: Return) -> str:
    return (
        f"{_ordinal(row.first_number)} or later"
        if row.last_number is None
        else f"{_ordinal(row.first_number)} to {_ordinal(row.last_number)}"
    )


def _ordinal(value: int) -> str:
    ending = "th" if value % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(value % 10, "th")
    return f"{value}{ending}"
