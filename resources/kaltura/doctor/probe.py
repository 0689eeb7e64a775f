"""What the doctor's checks share: how a report is asked, what is known of it so far, and what a check may say.

A finding is made for a terminal and for a ticket to Kaltura's support: it holds counts, column names and the ids that
were asked for, and neither secrets nor anything about a person.
"""

import dataclasses
import datetime as dt
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import pandas as pd

from resources.kaltura import csv
from resources.kaltura.client import Client, RequestStats
from resources.kaltura.errors import KalturaError, TooMuch, redacted
from resources.kaltura.query import Filter, Query, Source
from resources.kaltura.windows import Window

SESSIONS, ATTENDEES, BREAKOUTS = 6000, 6001, 6002
DAY_SECONDS = 86_400
TRIES = 3  # with pauses of 8 s at most together, or of two minutes where Kaltura limits requests

Verdict = Literal["ok", "differs", "failed", "unknown"]


@dataclass(frozen=True)
class Finding:
    """What a check found. `differs` can be lived with, `failed` can't; `unknown` is what this account can't tell."""

    check: str
    verdict: Verdict
    found: str
    advice: str = ""
    kaltura_session: str = ""


Judge = Callable[[csv.Rows, Window], Iterator[Finding]]
"""What of a window's rows a pull could not use, and why."""


class ReportUnderTest(NamedTuple):
    """A report to examine: the name of its table, what Kaltura is expected to send, its key, and who judges its rows.

    `chosen` are the ids that settings keep its pulls to.
    """

    name: str
    source: Source
    key: tuple[str, ...]
    judge: Judge
    chosen: Mapping[Filter, Sequence[str]]

    @property
    def title(self) -> str:
        return f"{self.source.report_id} {self.name}"


@dataclass(frozen=True)
class Asked:
    """A request as Kaltura's support needs it."""

    at: str
    report_id: int
    params: str
    outcome: str
    rows: int | None
    seconds: float
    kaltura_session: str


@dataclass(frozen=True)
class Answer:
    """A reply's rows as strings, under whatever columns came. An empty report may come without a header."""

    parsed: csv.Rows
    header: str
    kaltura_session: str

    @property
    def frame(self) -> pd.DataFrame:
        return self.parsed.frame

    @property
    def rows(self) -> int:
        return self.parsed.received

    @property
    def has_header(self) -> bool:
        return bool(self.header)


@dataclass
class Probe:
    """What is known of a report under test so far: some rows, and a window that is sure to hold rows and is small."""

    report: ReportUnderTest
    recent: Answer
    within_days: int | None  # None: there are no rows in the last year
    window: Window
    sample: Answer | None = None
    is_thinned: bool = False  # a question with a limit brought no row, one without brought some


@dataclass
class Requests:
    """The requests of one examination, each noted. `clock` is this machine's.

    Somebody waits for it: less often than in a pull is asked again, and not at all once that was in vain twice.
    """

    client: Client
    clock: Callable[[], float] = time.time
    asked: list[Asked] = field(default_factory=list)
    in_vain: int = 0

    def __post_init__(self) -> None:
        self.client.tries = TRIES

    def ask(self, query: Query, *, lean: bool = False, once: bool = False) -> Answer:
        """`lean`: without the personal columns. `once`: the error may be the answer, so it is not asked again."""
        excluded = query.source.personal_columns if lean else ()
        started = self.clock()
        try:
            raw = self.client.raw(query, RequestStats(), excluded_columns=excluded, tries=1 if once else None)
            # Whatever columns came are taken: what is expected is a check's business.
            rows = csv.parse(raw.body, dataclasses.replace(query.source, columns=()), str(query))
        except KalturaError as error:
            if error.tries >= TRIES:
                self.in_vain += 1
                self.client.tries = TRIES if self.in_vain < 2 else 1
            self._note(query, started, error.code or type(error).__name__, None, error.kaltura_session)
            raise
        self._note(query, started, "ok", rows.received, raw.kaltura_session)
        header = raw.body.removeprefix(csv.BOM).partition(b"\n")[0].decode("utf-8", "replace").strip()
        return Answer(rows, header, raw.kaltura_session)

    def guarded(self, title: str, check: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
        """A check's findings under its title. Raises nothing: a check that breaks is a finding."""
        try:
            for finding in check():
                found = redacted(finding.found, *self.client.session.secrets)
                yield dataclasses.replace(finding, check=finding.check or title, found=found)
        except TooMuch as error:
            yield dataclasses.replace(failed(title, error), verdict="differs")  # a pull asks for less, and gets it
        except KalturaError as error:
            yield failed(title, error)
        except Exception as error:  # its text may hold a row's values
            yield Finding(title, "failed", f"the check itself broke ({type(error).__name__})", "Please report this.")

    def _note(self, query: Query, started: float, outcome: str, rows: int | None, session: str) -> None:
        at = dt.datetime.fromtimestamp(started, dt.UTC).isoformat(timespec="seconds")
        seconds = round(self.clock() - started, 2)
        self.asked.append(Asked(at, query.source.report_id, query.params(), outcome, rows, seconds, session))


def failed(check: str, error: KalturaError) -> Finding:
    found = " ".join(part for part in (error.what_and_where, error.how_often) if part)
    return Finding(check, "failed", found, error.advice_to_the_doctor, error.kaltura_session)
