"""One run of `doctor`: the account that the environment names, against the reports that are declared."""

import dataclasses
import datetime as dt
import os
from collections.abc import Iterator, Sequence

from resources.errors import ConfigurationError
from resources.kaltura.doctor.account import settings_findings
from resources.kaltura.doctor.doctor import Doctor
from resources.kaltura.doctor.probe import Asked, Finding, ReportUnderTest, failed
from resources.kaltura.errors import KalturaError, redacted
from resources.kaltura.resource import Kaltura
from resources.settings import Settings, word_list


class AccountDoctor:
    """The environment's account, examined once."""

    def __init__(self) -> None:
        partner_id = redacted(os.environ.get("KALTURA_PARTNER_ID", ""))
        self.account = partner_id or "the stand-in, for KALTURA_PARTNER_ID is not set"
        self.doctor: Doctor | None = None

    @property
    def asked(self) -> Sequence[Asked]:
        return self.doctor.asked if self.doctor else ()

    def findings(self) -> Iterator[Finding]:
        has_failed = False
        for finding in settings_findings(os.environ):
            has_failed = has_failed or finding.verdict == "failed"
            yield finding
        if has_failed:
            yield Finding("account", "unknown", "not examined: first the settings")
            return
        try:
            yield from self._examined()
        except KalturaError as error:
            yield failed("settings", error)
        except ConfigurationError as error:
            yield Finding("settings", "failed", redacted(str(error)))

    def _examined(self) -> Iterator[Finding]:
        kaltura = Kaltura.from_environment().process_config_and_initialize()
        with kaltura.client() as client:
            self.doctor = Doctor(client, reports_under_test(), Settings.from_environment().start_date)
            yield from self.doctor.findings()

    def document(self, findings: Sequence[Finding]) -> dict[str, object]:
        """Everything, fit for a ticket to Kaltura's support."""
        return {
            "made_at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
            "account": self.account,
            "base_url": self.doctor.client.base_url if self.doctor else None,
            "findings": [dataclasses.asdict(finding) for finding in findings],
            "requests": [dataclasses.asdict(asked) for asked in self.asked],
        }


def reports_under_test() -> list[ReportUnderTest]:
    """The reports that are declared, each judged as a pull judges it."""
    from assets.pull.busy_day import judge  # reads the settings, so it comes after they were found to be readable
    from assets.reports import REPORTS

    return [
        ReportUnderTest(
            report.table.name,
            report.source,
            report.table.key,
            lambda rows, window, report=report: judge(rows, report, window),  # type: ignore[misc]
            {filter_: ids for name, filter_ in report.filters.items() if (ids := word_list(f"KALTURA_{name.upper()}"))},
        )
        for report in REPORTS
    ]
