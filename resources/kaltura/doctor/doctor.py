"""The doctor: its checks in the order in which one builds on another. A few dozen small requests, read-only."""

import datetime as dt
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from resources.kaltura.client import Client
from resources.kaltura.doctor import account, history, reports
from resources.kaltura.doctor.probe import (
    ATTENDEES,
    BREAKOUTS,
    SESSIONS,
    Asked,
    Finding,
    Probe,
    ReportUnderTest,
    Requests,
)


@dataclass
class Doctor:
    """One examination of an account. `clock` is this machine's."""

    client: Client
    reports: Sequence[ReportUnderTest]
    start_date: dt.date
    clock: Callable[[], float] = time.time
    probes: dict[int, Probe] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.requests = Requests(self.client, self.clock)

    @property
    def asked(self) -> list[Asked]:
        return self.requests.asked

    def findings(self) -> Iterator[Finding]:
        """Raises nothing: a check that breaks is a finding, and the others go on."""
        requests, probes = self.requests, self.probes
        for title, check in (("host", account.host), ("credentials", account.credentials)):
            failed = False
            for finding in requests.guarded(title, lambda check=check: check(requests)):  # type: ignore[misc]
                failed = failed or (finding.check == title and finding.verdict == "failed")
                yield finding
            if failed:
                yield Finding("reports", "unknown", f"not examined: first the {title}")
                return
        yield from requests.guarded("permission", lambda: reports.answering(requests, self.reports, probes))
        for probe in probes.values():
            yield from self._of_report(probe)
        if BREAKOUTS in probes:
            yield from requests.guarded("6002 dates", lambda: history.date_spelling(requests, probes[BREAKOUTS]))
        if SESSIONS in probes:
            yield from requests.guarded(
                "oldest day", lambda: history.oldest_day(requests, probes[SESSIONS], self.start_date)
            )
        if {SESSIONS, ATTENDEES} <= probes.keys():
            yield from requests.guarded("hours", lambda: history.hours(requests, probes))

    def _of_report(self, probe: Probe) -> Iterator[Finding]:
        number = probe.report.source.report_id
        for title, check in reports.CHECKS.items():
            yield from self.requests.guarded(
                f"{number} {title}",
                lambda check=check: check(self.requests, probe),  # type: ignore[misc]
            )
