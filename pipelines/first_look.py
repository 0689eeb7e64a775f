"""What a person sees when days have landed: what each day's load did, and a first look at the data itself."""

import datetime as dt
from typing import Any

import psycopg
from rich.console import Console
from rich.table import Table

from assets.reports import REPORTS
from pipelines.terminal import as_text
from resources.runtime.counted import counted
from resources.settings import CHECKOUT

QUERIES = CHECKOUT / "sql" / "first_look"
DAYS_SHOWN = 31

Rows = list[dict[str, Any]]


def print_first_look(
    console: Console, connection: psycopg.Connection[dict[str, Any]], run_id: str, first: dt.date, last: dt.date
) -> None:
    """Tables of what the run loaded and of the days' rooms, people and courses, if the run loaded anything."""
    loads = _query(connection, "days", run_id=run_id)
    if not loads:
        return
    partner_id = loads[0]["partner_id"]
    console.print(_loads_table(loads))
    console.print(_summary(loads))
    shown = {"first": first, "last": last, "partner_id": partner_id}
    console.print(_week_table(_query(connection, "week", **shown)))
    console.print(_rooms_table(_query(connection, "busiest_rooms", **shown)))
    if courses := _query(connection, "courses", **shown):
        console.print(_courses_table(courses))


def _query(connection: psycopg.Connection[dict[str, Any]], name: str, **parameters: object) -> Rows:
    text = (QUERIES / f"{name}.sql").read_text("utf-8")
    return connection.execute(text.encode(), parameters).fetchall()


def _loads_table(loads: Rows) -> Table:
    names = ["inserted", "updated", "unchanged"]
    if any(load["rows_superseded"] for load in loads):  # where a later pull was there first: seldom
        names.append("rows_superseded")
    title = "Rows " + " / ".join(name.removeprefix("rows_") for name in names)
    table = Table(title=title, title_justify="left", title_style="bold", expand=False)
    table.add_column("day", no_wrap=True)
    for report in REPORTS:
        table.add_column(report.table.name.replace("_", " "), justify="right")
    by_day: dict[dt.date, dict[int, str]] = {}
    for load in loads:
        counts = " / ".join(f"{load[name]:,}" for name in names)
        by_day.setdefault(load["partition_date"], {})[load["report_id"]] = counts
    days = sorted(by_day)
    for day in days[-DAYS_SHOWN:]:
        table.add_row(f"{day:%a} {day}", *(by_day[day].get(report.report_id, "") for report in REPORTS))
    if len(days) > DAYS_SHOWN:
        table.caption = f"and {len(days) - DAYS_SHOWN} days before"
    return table


def _summary(loads: Rows) -> str:
    inserted = _sum(loads, "inserted")
    changed = _sum(loads, "updated", "removed")
    lines = [f"[bold]{counted(inserted + changed, 'row')} written.[/]"]
    if not inserted + changed:
        lines = [_nothing_written(loads)]
    if changed:
        lines.append(
            f"{counted(changed, 'row')} had changed or vanished at Kaltura; kaltura.changes holds each as it was."
        )
    if kept := _sum(loads, "people_kept"):
        lines.append(
            f"{counted(kept, 'attendee')} came as nobody and {'stays' if kept == 1 else 'stay'} as known; see the check "
            "people_stay_known."
        )
    if rejected := _sum(loads, "rows_rejected"):
        lines.append(f"{counted(rejected, 'row')} could not be used; kaltura.rejects holds each with its reason.")
    if repaired := _sum(loads, "rows_repaired"):
        lines.append(
            f"{counted(repaired, 'row')} came in without a figure that could not be used; kaltura.rejects holds each."
        )
    return "\n".join(lines) + "\n"


def _nothing_written(loads: Rows) -> str:
    """That the warehouse held every row is said only where there were rows, and it held them all."""
    if _sum(loads, "rows_rejected", "rows_superseded", "people_kept"):
        return "[bold]Nothing written.[/]"
    if not _sum(loads, "unchanged"):
        return "[bold]Nothing written:[/] Kaltura lists no rows of these days."
    return "[bold]Nothing changed:[/] the warehouse already held every row as Kaltura reports it."


def _sum(loads: Rows, *names: str) -> int:
    return sum(load[name] for load in loads for name in names)


def _table(title: str, subject: str, *figures: str) -> Table:
    """Its head: what each row is about on the left, figures on the right."""
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column(subject)
    for name in figures:
        table.add_column(name, justify="right")
    return table


def _week_table(days: Rows) -> Table:
    table = _table("Attendance and engagement", "day", "sessions", "breakouts", "people", "hours", "engagement")
    for day in days[-DAYS_SHOWN:]:
        table.add_row(
            f"{day['partition_date']:%a} {day['partition_date']}",
            _count(day["sessions"]),
            _count(day["breakouts"]),
            _count(day["people"]),
            _count(day["hours"]),
            _percent(day["engagement"]),
        )
    return table


def _rooms_table(rooms: Rows) -> Table:
    table = _table("Busiest rooms", "room", "sessions", "people", "hours", "engagement")
    for room in rooms:
        table.add_row(
            as_text(room["room"] or room["room_id"]),
            f"{room['sessions']:,}",
            _count(room["people"]),
            _count(room["hours"]),
            _percent(room["engagement"]),
        )
    return table


def _courses_table(courses: Rows) -> Table:
    """Where students are fewest. Guests are people in a session who were not enrolled."""
    table = _table("Courses with the lowest attendance", "course", "sessions", "students", "attendance", "guests")
    for course in courses:
        table.add_row(
            as_text(course["course"] or course["course_id"]),
            f"{course['sessions']:,}",
            _count(course["students"]),
            _percent(course["attendance"]),
            _count(course["guests"]),
        )
    return table


def _count(figure: float | None) -> str:
    """A figure of a report that is not loaded is unknown."""
    return "unknown" if figure is None else f"{figure:,.0f}"


def _percent(ratio: float | None) -> str:
    return "" if ratio is None else f"{ratio:.0%}"
