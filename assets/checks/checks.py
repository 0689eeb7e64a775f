"""What has to hold of the days that a run brought in, each said once: what it is about, how bad it is, what to do.

A check's query is `sql/checks/<name>.sql` and returns what offends. It looks at the account and the days of the run,
and at the weeks before them where it compares. A run over a range records one result a check, without a partition: the
result names the bad days.
"""

import datetime as dt
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import dagster as dg
import psycopg

from assets.attendees import ATTENDEES
from assets.breakout_sessions import BREAKOUT_SESSIONS
from assets.checks import missing_days, query
from assets.checks.query import CheckResult
from assets.partitions import SETTINGS
from assets.report import Report
from assets.reports import REPORTS
from assets.room_sessions import ROOM_SESSIONS
from resources.kaltura.windows import Days, stretches
from resources.runtime.printable import in_metadata
from resources.warehouse.warehouse import Warehouse

WARN, ERROR = dg.AssetCheckSeverity.WARN, dg.AssetCheckSeverity.ERROR
STRETCHES_IN_A_SENTENCE = 5

# Names of metadata, which alerts read too.
FIRST_DAY, LAST_DAY, BAD_DAYS, COUNT, SAMPLE, QUERY = "first day", "last day", "bad days", "found", "sample", "query"
NOT_DONE = "not done"


@dataclass(frozen=True)
class Check:
    """One thing that has to hold for each of `reports`.

    `found` is what the rows of its query are, `advice` what to do about them. A check that compares tables `needs` them
    all to be in the run, or of a day to be loaded, and, with `whole`, sessions to be pulled with all of their attendees.
    One `of_account` looks at all days that have to be there, whichever the run has. `days_before` the run's first one it
    judges too. Of one that is not reminded an alert speaks once, however long it lasts.
    """

    name: str
    reports: tuple[Report, ...]
    severity: dg.AssetCheckSeverity
    holds: str
    found: str
    advice: str
    needs: tuple[Report, ...] = ()
    whole: bool = False
    days_before: int = 0
    is_reminded: bool = True
    of_account: bool = False

    def spec(self, report: Report) -> dg.AssetCheckSpec:
        return dg.AssetCheckSpec(
            self.name,
            asset=report.key,
            description=f"{self.holds} Otherwise: {self.advice}",
            metadata={"severity": self.severity.value.lower(), "sql": f"sql/checks/{self.name}.sql"},
        )


_COME_BACK = (
    f"they come back by themselves where the schedule daily_pull is on, the oldest {SETTINGS.catch_up_days} a day "
    "(CATCH_UP_DAYS); "
    if SETTINGS.catch_up_days
    else "nothing brings them back by itself, as CATCH_UP_DAYS is 0; "
)

CHECKS = (
    Check(
        "attendees_have_sessions",
        (ATTENDEES,),
        ERROR,
        "Every attendee's session is in room_sessions, on the same day.",
        "Sessions with attendees that room_sessions does not hold, or holds on another day",
        "pull these days again, all three tables together. If it stays, ask Kaltura's support about these sessions.",
        needs=(ROOM_SESSIONS, ATTENDEES),
    ),
    Check(
        "figures_in_range",
        REPORTS,
        ERROR,
        "Ratios are 0 to 1; minutes, counts and durations are not negative.",
        "Rows with a figure that can't be",
        "somebody wrote to the table by another way than a pull, or dropped its constraints. Pull these days again.",
    ),
    Check(
        "ends_after_start",
        (ROOM_SESSIONS, BREAKOUT_SESSIONS),
        ERROR,
        "No session ends before it starts.",
        "Sessions that end before they start",
        "somebody wrote to the table by another way than a pull, or dropped its constraints. Pull these days again.",
    ),
    Check(
        "sessions_have_ended",
        (ROOM_SESSIONS, BREAKOUT_SESSIONS),
        WARN,
        "A session has an end 48 hours after its start.",
        "Sessions without an end after 48 hours",
        "pull these days again: a session that ran when it was pulled gets its end then. Where it does not, Kaltura "
        "knows no end; the session's figures stand all the same.",
    ),
    Check(
        "person_hours",
        (ATTENDEES,),
        WARN,
        "Nobody is in main rooms for more than 24 hours a day, or for longer than their sessions ran.",
        "People with more hours than a day has",
        "usually one user id that several people or devices share. Leave it out where you count hours a person.",
        needs=(ROOM_SESSIONS, ATTENDEES),
    ),
    Check(
        "sessions_have_minutes",
        (ATTENDEES,),
        WARN,
        "Where two people and more were in a session, one of them has minutes.",
        "Sessions of several people in which nobody has a minute",
        "Kaltura prints 0 for a figure that its store lost: pull these days again. If it stays, ask its support, and leave these "
        "sessions out where you count minutes or presence.",
    ),
    Check(
        "estimate_agrees",
        (ROOM_SESSIONS,),
        WARN,
        "Kaltura's estimate of unique users and the number of attendee rows are within 20 % or 5 people.",
        "Sessions whose estimate and attendee rows are far apart",
        "pull these days again. If it stays, attendees are missing or listed twice at Kaltura: ask its support.",
        needs=(ROOM_SESSIONS, ATTENDEES),
        whole=True,
    ),
    Check(
        "people_stay_known",
        (ATTENDEES,),
        WARN,
        "Every attendee who is identified in the table is still identified in Kaltura's reply.",
        "Days on which people who were known came as nobody",
        "their rows stand as they were, and nobody's row has their minutes no more. Where Kaltura failed to look them up, a pull "
        "some hours later names them again; where it stays, they have been deleted there. To forget a person: `make erase`.",
        is_reminded=False,
    ),
    Check(
        "people_stay_listed",
        (ATTENDEES,),
        WARN,
        "A pull takes no more than 5 % of a day's people, or 4, out of their sessions.",
        "Days on which pulls of the last 14 days took people out of their sessions",
        "Kaltura listed them before, and does not now: pull these days again, which restores the people it lists again. What "
        "they had is in kaltura.changes. If it stays, ask Kaltura's support about these sessions.",
    ),
    Check(
        "usual_row_count",
        REPORTS,
        WARN,
        "A day has half to twice the rows that its weekday had at the median of the 8 weeks before.",
        "Days with far fewer or more rows than their weekday usually has",
        "a holiday or an event explains it, or Kaltura's data are late: pull these days again tomorrow.",
    ),
    Check(
        "no_rows_in_term",
        REPORTS,
        WARN,
        "A day has rows where its weekday had some in at least 3 of the 4 weeks before.",
        "Days without any row although their weekday usually has some",
        "a holiday explains it, or Kaltura sent an empty report: run `make doctor`, and pull these days again.",
    ),
    Check(
        "few_rejects",
        REPORTS,
        WARN,
        "No more than 0.5 % of the rows of the days pulled together had to be set aside, or lost a figure.",
        "Days and reasons for which too many rows could not be used",
        "the table kaltura.rejects holds the lines. If their reason is new, Kaltura has changed the report: run `make doctor`.",
    ),
    Check(
        "known_columns",
        REPORTS,
        WARN,
        "Kaltura sends no columns that this version does not know.",
        "Days and columns that are new",
        "nothing is lost in PII_MODE=full, where their values are in the column extra; the other modes do not keep them. Look "
        "for a newer version of this pipeline.",
    ),
    Check(
        "recent_events",
        (ROOM_SESSIONS, ATTENDEES),
        WARN,
        "The newest event is at most 3 loaded days older than the newest day; more than 7 are an error. Of TERM_DATES, or of "
        "the courses' dates, alone.",
        "Runs of consecutive loaded days without any event, by their first day",
        "a vacation explains it (TERM_DATES, or the dates of courses, say when there is none; after the last of them none is "
        "known: where term_dates_ended_on is a day, add the next terms to TERM_DATES), or Kaltura has stopped to report: run "
        "`make doctor`, and look into the KMC's analytics.",
        days_before=366,
        is_reminded=False,
    ),
    Check(
        "clock_agrees",
        (ROOM_SESSIONS,),
        WARN,
        "The clock of the machine that pulled and Kaltura's differ by less than a minute.",
        "Days that were pulled with a clock that is more than a minute off",
        "set the clock of the machine that pulls (NTP). What was loaded stands: it goes by Kaltura's clock.",
    ),
    Check(
        missing_days.NAME,
        (ROOM_SESSIONS,),
        WARN,
        "Every day since the account's first load, or the first mark in Dagster, or since START_DATE where that is later, is "
        "loaded whole.",
        "Days that are missing",
        f"{_COME_BACK}at once: a backfill of these days in `make ui`, or `python -m pipelines pull --from DAY --to DAY`. Where "
        "Dagster shows them green: `python -m pipelines status --mend`.",
        of_account=True,
    ),
)
_SAID_ONCE = tuple(f"{check.name} of " for check in CHECKS if not check.is_reminded)


def is_reminded(subject: str) -> bool:
    """Whether an alert brings the subject, a check of a table, to mind again each day."""
    return not subject.startswith(_SAID_ONCE)


def specs() -> list[dg.AssetCheckSpec]:
    return [check.spec(report) for check in CHECKS for report in check.reports]


def results(
    selected: Collection[dg.AssetCheckKey],
    pulled: Sequence[Report],
    days: Days,
    account: int,
    warehouse: Warehouse,
    *,
    has_all_attendees: bool,
    marked_from: dt.date | None = None,
) -> Iterator[dg.AssetCheckEvaluation]:
    """What each selected check that can be judged by what was `pulled` says; nothing pulled judges what is there.

    Where something was pulled and no check is selected, all are: so a schedule's run, which plans none. Of each planned
    check Dagster keeps a row a day of the run for good.

    A check whose own query fails says so, and warns. Raises `WarehouseError` where the database went away meanwhile.
    """
    due = _due(selected, pulled, has_all_attendees=has_all_attendees)
    with warehouse.connection() as connection, query.reading(connection):
        for check, report in due:
            yield _result(check, report, days, account, connection, bool(pulled), marked_from)


def _due(
    selected: Collection[dg.AssetCheckKey], pulled: Sequence[Report], *, has_all_attendees: bool
) -> list[tuple[Check, Report]]:
    return [
        (check, report)
        for check in CHECKS
        for report in check.reports
        if (dg.AssetCheckKey(report.key, check.name) in selected or (pulled and not selected))
        and (not pulled or all(report in pulled for report in check.needs))
        and not (check.whole and not has_all_attendees)
    ]


def _result(
    check: Check,
    report: Report,
    days: Days,
    account: int,
    connection: psycopg.Connection,
    is_pull: bool,
    marked_from: dt.date | None,
) -> dg.AssetCheckEvaluation:
    """Raises `psycopg.Error` where the connection is broken: nothing more can be asked on it."""
    shown: dict[str, dg.MetadataValue] = {}
    try:
        if check.of_account:
            with connection.transaction():  # a failure in it does not spoil the next query
                days = _of_account(days, account, connection, is_pull, marked_from)
        parameters = {**missing_days.parameters(account, days), "report_id": report.report_id}
        text = query.query(connection, check.name, parameters)
        if check.needs and not is_pull:  # days of any pulls, also of such as brought one of the tables
            text = query.comparable(connection, text, account, [needed.report_id for needed in check.needs])
        shown = {QUERY: dg.MetadataValue.md(f"Paste into `make psql`:\n```sql\n{text};\n```")}
        found = query.find(connection, text)
    except psycopg.Error as error:
        if connection.broken:
            raise
        by_hand = " Run the query by hand." if shown else ""
        description = f"This could not be checked: {_reason(error)}. What was loaded stands.{by_hand}"
        return _not_done(check, report, days, description, shown)
    return dg.AssetCheckEvaluation(
        passed=not found.count,
        asset_key=report.key,
        check_name=check.name,
        severity=ERROR if found.is_error else check.severity,
        description=_description(check, found, days),
        metadata={**_looked_at(check, days), **({**shown, **_metadata(found)} if found.count else {})},
    )


def _of_account(
    days: Days, account: int, connection: psycopg.Connection, is_pull: bool, marked_from: dt.date | None
) -> Days:
    """All days that have to be there: where nothing was pulled up to yesterday, for it may be long ago that a run was."""
    last = days.last if is_pull else missing_days.last_full_day(connection)
    return missing_days.reach(connection, account, last, marked_from) or days


def _not_done(
    check: Check, report: Report, days: Days, description: str, more: Mapping[str, dg.MetadataValue]
) -> dg.AssetCheckEvaluation:
    """A warning that says nothing of any day, so that no check that was due is silently as it was before."""
    return dg.AssetCheckEvaluation(
        passed=False,
        asset_key=report.key,
        check_name=check.name,
        severity=WARN,
        description=description,
        metadata={**_looked_at(check, days), **more, NOT_DONE: dg.MetadataValue.bool(True)},
    )


def _looked_at(check: Check, days: Days) -> dict[str, dg.MetadataValue]:
    return {
        FIRST_DAY: dg.MetadataValue.text(str(days.first - dt.timedelta(days=check.days_before))),
        LAST_DAY: dg.MetadataValue.text(str(days.last)),
    }


def _description(check: Check, found: CheckResult, days: Days) -> str:
    if not found.count:
        return f"Nothing found in {_in_words([days])}."
    advice = check.advice[0].upper() + check.advice[1:]
    return f"{check.found}: {found.count:,}, on {_in_words(stretches(found.days))}. {advice}"


def _in_words(these: Sequence[Days]) -> str:
    shown = ", ".join(str(days).replace("...", " to ") for days in these[:STRETCHES_IN_A_SENTENCE])
    rest = sum(len(days) for days in these[STRETCHES_IN_A_SENTENCE:])
    return f"{shown} and {rest:,} more days" if rest else shown


def _metadata(found: CheckResult) -> Mapping[str, dg.MetadataValue]:
    metadata: dict[str, dg.MetadataValue] = {
        COUNT: dg.MetadataValue.int(found.count),
        BAD_DAYS: dg.MetadataValue.json([str(day) for day in found.days]),
    }
    if found.sample:
        metadata[SAMPLE] = dg.MetadataValue.table([dg.TableRecord(_shown(row)) for row in found.sample])
    return metadata


def _shown(row: Mapping[str, object]) -> dict[str, str | int | float | bool | None]:
    return {name: in_metadata(value) for name, value in row.items()}


def _reason(error: psycopg.Error) -> str:
    if isinstance(error, psycopg.errors.QueryCanceled):
        return f"the query took longer than {query.TIMEOUT_SECONDS} s"
    return f"{type(error).__name__}, {error.diag.message_primary or str(error).splitlines()[0]}"
