"""The report to look at: one HTML file a week and account, from the views of `analytics`, with nobody's name in it.

An account is an institution, or a part of one, and its report goes to its own people: hence a file each, and of another
account than the one that is set only where a person asks for all.
"""

import datetime as dt
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import dagster as dg

from assets.partitions import SETTINGS, WEEKS
from assets.pull.day_chart import bars
from assets.report import OWNERS, asset_key
from assets.reports import REPORTS
from assets.room_report.charts import weeks_picture
from assets.room_report.figures import WEEK, Account, Figures, accounts, figures
from assets.room_report.language import Language
from assets.room_report.page import page
from resources.local import kaltura as local_kaltura
from resources.runtime.atomic_file import atomic_file
from resources.settings import CHECKOUT, SettingError, report_folder, report_language
from resources.warehouse.resource import WarehouseResource

GROUP = "reports"
FIGURES, OF_ACCOUNT, DAYS_LOADED = (
    "figures",
    "account",
    "days loaded",
)  # in a report's metadata, and columns of its table
MADE_BY = ("assets/room_report", "sql/report", "sql/views")
_SUFFIXES = {".py", ".sql", ".html", ".toml"}
# The tag of a run that a person started for whoever is in the warehouse. A schedule's is of the account of its settings:
# another one's report is in another language and folder, maybe.
OF_ALL_ACCOUNTS = {"kaltura/report_of": "all accounts"}
PICTURES_SHOWN = 3  # accounts whose picture is kept with the materialization


@dataclass(frozen=True)
class Written:
    """A report that is on disk, and the figures in it."""

    path: Path
    figures: Figures


@dg.asset(
    key=asset_key("room_report"),
    description=(
        "One HTML file for the account, or for each where none is set: the week in sessions, people, hours, rooms, "
        "engagement and breakouts, against the weeks before it, with what was restated and what is missing. It names no person."
    ),
    group_name=GROUP,
    kinds={"html"},
    owners=OWNERS,
    partitions_def=WEEKS,
    deps=[report.key for report in REPORTS],
)
def room_report(context: dg.AssetExecutionContext, warehouse: WarehouseResource) -> dg.MaterializeResult[None]:
    """Read the week's figures, draw them, write a file: of the account that is set or, where none is, of each."""
    week_date = dt.date.fromisoformat(context.partition_key)
    language = report_language()
    is_of_all = local_kaltura.is_standin() or context.run.tags.items() >= OF_ALL_ACCOUNTS.items()
    only = None if is_of_all else local_kaltura.account()
    with warehouse.opened() as opened:
        opened.require_current_schema()
        with opened.reading() as connection:
            read_at = dt.datetime.now(dt.UTC)
            there = [
                (account, figures(connection, account.account_id, week_date, account.zone or SETTINGS.timezone))
                for account in accounts(connection)
                if only is None or account.account_id == only
            ]
    if not there:
        of_account = "" if only is None else f" of account {only}"
        raise dg.Failure(
            description=f"Nothing has been loaded yet{of_account}. Materialize room_sessions, attendees and "
            "breakout_sessions first.",
            allow_retries=False,
        )
    say = Language(language, is_nobody_followed=any(week.is_nobody_followed for _, week in there))
    return dg.MaterializeResult(
        metadata=_metadata([_write(week, account, read_at, language) for account, week in there], say)
    )


def file_name(account_id: int, week_date: dt.date) -> str:
    """What the report of a week, known by its Monday, is called. Names sort by account, then by week."""
    return f"room-report-{account_id}-{week_date}.html"


def is_current(path: Path, account: Account, language: str) -> bool:
    """Whether the file is there, and would be the same if it was written now."""
    try:
        return path.read_bytes().endswith(_made_from(account, language).encode())
    except OSError:
        return False  # it is not there, or the next write says why it can't be


def _made_from(account: Account, language: str) -> str:
    """A comment at the file's end. No clock tells: the database's, this machine's and a backup's are not one."""
    return f"<!-- {language} {account.data_version} {_RELEASE} -->\n"


def _release(folder: Path) -> str:
    """Another text once a query, a view, a word or a drawing may be another: the same data make another page then."""
    digest = blake2b(digest_size=8)
    for path in sorted(path for place in MADE_BY for path in (folder / place).rglob("*") if path.suffix in _SUFFIXES):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(folder).as_posix()} {len(content)} ".encode() + content)
    return digest.hexdigest()


_RELEASE = _release(CHECKOUT)  # once: a process that runs on while the files are replaced is of the release before


def _write(week: Figures, account: Account, read_at: dt.datetime, language: str) -> Written:
    """Put the report into `REPORT_DIR`, whole or not at all. Raises `SettingError` where that can't be written to."""
    path = report_folder() / file_name(week.account_id, week.week_date)
    text = f"{page(week, read_at, language)}{_made_from(account, language)}"
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with atomic_file(path) as draft:
            draft.write_text(text, "utf-8")
    except OSError as error:
        raise SettingError(f"REPORT_DIR={path.parent} can't be written to: {error.strerror}.") from error
    return Written(path, week)


def _metadata(written: list[Written], say: Language) -> dict[str, dg.MetadataValue]:
    """The files, what is in them, and their main picture: small where the UI shows it, and large behind a link."""
    records = [
        dg.TableRecord(
            {
                OF_ACCOUNT: each.figures.account_id,
                "sessions": each.figures.week.session_count,
                "people": None if is_unknown or each.figures.is_nobody_followed else each.figures.week.people_count,
                "attendances": None if is_unknown else each.figures.week.attendance_count,
                "breakouts": each.figures.week.breakout_session_count,
                DAYS_LOADED: WEEK.days - len(each.figures.missing[each.figures.week_date]),
                "days provisional": len(each.figures.provisional[each.figures.week_date]),
            }
        )
        for each in written
        for is_unknown in (each.figures.is_attendance_unknown(each.figures.week),)
    ]
    metadata: dict[str, dg.MetadataValue] = {FIGURES: dg.MetadataValue.table(records)}
    for each in written:
        whose = f", account {each.figures.account_id}" if len(written) > 1 else ""
        metadata[f"file{whose}"] = dg.MetadataValue.path(each.path)
    for each in written[:PICTURES_SHOWN]:
        whose = f", account {each.figures.account_id}" if len(written) > 1 else ""
        if drawn := _weeks_drawn(each.figures):
            metadata[f"weeks{whose}"] = drawn
        metadata[f"picture{whose}"] = dg.MetadataValue.md(
            f"![{say('weeks_caption')}]({weeks_picture(each.figures, say)})"
        )
    return metadata


def _weeks_drawn(figures: Figures) -> dg.MetadataValue | None:
    """Sessions by week. A week that is not loaded is left out: it would look like one without a session."""
    known = [(week.week_date, week.session_count) for week in figures.weeks if week.session_count is not None]
    if not known:
        return None
    title = "sessions by week"
    if left_out := len(figures.weeks) - len(known):
        title += f", {left_out} not loaded left out"
    return bars([count for _, count in known], title, [f"{day.day} {day:%b}" for day, _ in (known[0], known[-1])])
