"""The doctor: each way in which an account may differ is found and named, and no secret or person is ever shown."""

import dataclasses
import datetime as dt
import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
import warm
from click.testing import CliRunner, Result
from conftest import client_of

from assets.reports import REPORTS
from pipelines.account_doctor import AccountDoctor, reports_under_test
from pipelines.command_line import front_door
from resources.kaltura import client as client_module
from resources.kaltura.client import Client
from resources.kaltura.doctor import history
from resources.kaltura.doctor import reports as report_checks
from resources.kaltura.doctor.account import settings_findings
from resources.kaltura.doctor.doctor import Doctor
from resources.kaltura.doctor.probe import Finding, ReportUnderTest
from resources.kaltura.errors import Refused
from resources.kaltura.session import Credentials
from resources.local import kaltura as standin
from simulator import DEMO, Breakout, Fault, ListedWorld, Running, Session, University, User, View, serving

HOUR, DAY = 3600, 86_400
UNDER_TEST = reports_under_test()
YESTERDAY = int(time.time()) // DAY * DAY - DAY + 10 * HOUR
ADA = User(1, "ada.private", "Ada Private", "ada@private.example", "User")
AGAIN = User(2, "ada.private", "Ada Private", "ada@private.example", "User")
PRIVATE = ("ada.private", "Ada Private", "ada@private.example", "host.private", "Secret Talk")


def world(
    at: int = YESTERDAY, minutes: int = 150, rooms: str = "ab", people: Sequence[User] = (ADA, AGAIN)
) -> ListedWorld:
    """Two rooms, or as many as `rooms` has letters, and their breakouts on a day, and one person who is two to Kaltura."""
    end = at + minutes * 60
    sessions = [Session(f"1_room{n}", "Secret Talk", "", f"1_cue{n}", at, end, "host.private") for n in rooms]
    breakouts = [
        Breakout(f"1_room{n}", "Secret Talk", f"1_group{n}", "Secret Talk", f"1_cug{n}", "host.private", at, end)
        for n in rooms
    ]
    keys = [(session.entry_id, session.cue_point_id) for session in sessions]
    keys += [(room.breakout_entry_id, room.cue_point_id) for room in breakouts]
    views = [View(entry, cue, user, at, end, ((at, end),)) for entry, cue in keys for user in people]
    return ListedWorld(sessions, breakouts, views)


def both(one: ListedWorld, other: ListedWorld) -> ListedWorld:
    return ListedWorld(one.sessions + other.sessions, one.breakouts + other.breakouts, one.views + other.views)


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with serving(world()) as running:
        yield running


@pytest.fixture
def kaltura(server: Running) -> Running:
    server.world = world()
    server.tokens.may_report, server.breakout_dates, server.empty_report = True, "both", "newline"
    server.row_cap = 100_000
    server.faults.clear()
    server.requests.clear()
    return server


class Findings(dict[str, list[Finding]]):
    """Findings by check."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        super().__init__()
        for finding in findings:
            self.setdefault(finding.check, []).append(finding)

    def one(self, check: str) -> Finding:
        (finding,) = self[check]
        return finding

    def that_are(self, *verdicts: str) -> list[str]:
        return [check for check, findings in self.items() if any(finding.verdict in verdicts for finding in findings)]


def examined(
    kaltura: Running,
    *reports: int,
    start_date: dt.date = dt.date(2025, 1, 1),
    credentials: Credentials | None = None,
    clock: Callable[[], float] = time.time,
    pause_scale: float = 0.001,
    under_test: Sequence[ReportUnderTest] = UNDER_TEST,
) -> Findings:
    """Findings about some reports, or about all three."""
    by_app_token = Credentials(str(kaltura.partner_id), app_token_id=kaltura.app_token_id, app_token=kaltura.app_token)
    client = Client(kaltura.base_url, credentials or by_app_token, row_cap=kaltura.row_cap, pause_scale=pause_scale)
    chosen = [each for each in under_test if not reports or each.source.report_id in reports]
    try:
        return Findings(list(Doctor(client, chosen, start_date, clock).findings()))
    finally:
        client.close()


# --- what it finds -----------------------------------------------------------------------------------------------


def test_an_account_as_it_is_expected_has_nothing_that_failed(kaltura: Running) -> None:
    found = examined(kaltura, start_date=dt.date.fromtimestamp(YESTERDAY) + dt.timedelta(days=1))
    assert found.that_are("failed", "differs", "unknown") == []
    assert {"host", "clock", "credentials", "permission", "6002 dates", "oldest day", "hours"} <= found.keys()
    for number in (6000, 6001, 6002):
        assert {f"{number} {check}" for check in ("columns", "limit", "one day", "filters", "empty")} <= found.keys()
    assert "repeat a key: they are merged" in found.one("6001 one day").found
    assert len(kaltura.requests) < 50
    assert {request.method for request in kaltura.requests} == {"POST"}


def test_a_wrong_secret_fails_the_credentials_and_leaves_the_reports_unexamined(kaltura: Running) -> None:
    wrong = Credentials(str(kaltura.partner_id), app_token_id=kaltura.app_token_id, app_token="wrong-token-of-nobody")
    found = examined(kaltura, credentials=wrong)
    assert found.that_are("failed") == ["credentials"]
    assert "KALTURA_APP_TOKEN_HASH" in found.one("credentials").advice
    assert found.one("host").verdict == "ok"
    assert found.one("reports").verdict == "unknown"
    assert kaltura.requests == []


def test_a_session_without_the_permission_is_told_which_permission(kaltura: Running) -> None:
    kaltura.tokens.may_report = False
    found = examined(kaltura)
    assert found.that_are("failed") == ["permission"]
    assert "ANALYTICS_BASE" in found.one("permission").advice
    assert "6000 room_sessions, 6001 attendees, 6002 breakout_sessions" in found.one("permission").found


def test_a_users_session_is_told_from_an_admins(kaltura: Running) -> None:
    assert "as an admin" in examined(kaltura).one("credentials").found
    with serving(ListedWorld(), credentials=dataclasses.replace(DEMO, app_token_type=0)) as other:
        found = examined(other)
        assert found.one("credentials").verdict == "differs"
        assert "as a user" in found.one("credentials").found
        assert "ADMIN" in found.one("credentials").advice
        assert found.that_are("failed") == ["permission"]


@pytest.mark.parametrize(
    ("reason", "advice"),
    [
        ("EXCEEDED_RESTRICTED_URI", "urirestrict"),
        ("EXCEEDED_RESTRICTED_IP", "iprestrict"),
        ("EXCEEDED_ACTIONS_LIMIT", "actionslimit"),
    ],
)
def test_a_slip_in_a_tokens_privileges_is_told_with_the_privileges_name(
    kaltura: Running, reason: str, advice: str
) -> None:
    kaltura.faults.add(Fault("refused_ks", value=reason, times=None))
    found = examined(kaltura)
    assert found.one("credentials").verdict == "ok"
    assert found.that_are("failed") == ["permission"]
    assert reason in found.one("permission").found
    assert advice in found.one("permission").advice


def test_a_report_that_the_account_lacks_does_not_stop_the_others(kaltura: Running) -> None:
    kaltura.faults.add(Fault("report_not_found", report_id=6001, times=None))
    found = examined(kaltura)
    assert found.that_are("failed") == ["6001 attendees"]
    assert "Rooms analytics" in found.one("6001 attendees").advice
    assert found.one("6002 columns").verdict == "ok"
    assert "6001 columns" not in found


def test_a_missing_column_fails_and_an_additional_one_of_nearly_its_name_is_suggested(kaltura: Running) -> None:
    kaltura.faults.add(
        Fault("missing_column", report_id=6000, column="session_host_user_id", times=None),
        Fault("extra_column", report_id=6000, column="session_host_userid", times=None),
    )
    found = examined(kaltura, 6000)
    missing, more = found["6000 columns"]
    assert (missing.verdict, more.verdict) == ("failed", "differs")
    assert "missing: session_host_user_id (renamed session_host_userid?)" in missing.found
    assert "additional: session_host_userid" in more.found
    assert found.that_are("failed") == ["6000 columns"]


def test_a_missing_key_column_does_not_end_the_examination(kaltura: Running) -> None:
    kaltura.faults.add(Fault("missing_column", column="cue_point_id", times=None))
    found = examined(kaltura)
    assert found.that_are("failed") == [f"{report.report_id} columns" for report in REPORTS]
    assert found.one("hours").verdict == "unknown"


def test_a_header_that_is_no_header_is_not_repeated_as_it_may_be_a_row(kaltura: Running) -> None:
    kaltura.faults.add(Fault("extra_column", report_id=6001, column="Ada Private", times=None))
    assert "Private" not in str(examined(kaltura, 6001)["6001 columns"])


@pytest.mark.parametrize(("mode", "says"), [("from_date", "from_date alone"), ("fromDate", "fromDate alone")])
def test_the_only_spelling_of_dates_that_6002_heeds_is_named(kaltura: Running, mode: Any, says: str) -> None:
    kaltura.breakout_dates = mode
    finding = examined(kaltura, 6002).one("6002 dates")
    assert (finding.verdict, says in finding.found) == ("ok", True)


def test_ignored_filters_fail_every_report(kaltura: Running) -> None:
    kaltura.faults.add(Fault("ignore_filters", times=None))
    found = examined(kaltura)
    assert found.that_are("failed") == [f"{report.report_id} filters" for report in REPORTS]
    assert "ignored: entry_ids, virtual_event_ids" in found.one("6000 filters").found


@pytest.mark.parametrize(
    ("ahead", "verdict"), [(300, "differs"), (-300, "differs"), (700, "failed"), (-7000, "failed")]
)
def test_a_clock_that_is_off_is_told_as_a_pull_would_and_everything_else_goes_on(ahead: int, verdict: str) -> None:
    with serving(world(), clock_ahead_seconds=-ahead) as kaltura:
        found = examined(kaltura, 6000)
        with client_of(kaltura) as client:
            client.post("system", "ping", {}, about="system.ping")
            if verdict == "failed":
                with pytest.raises(Refused, match="the clock of this machine is") as refused:
                    client.clock.require_agreement()
                assert found.one("clock").found.rpartition(":")[0] in refused.value.what  # but for the seconds
            else:
                client.clock.require_agreement()
    assert found.one("clock").verdict == verdict
    assert found.that_are("failed") == (["clock"] if verdict == "failed" else [])
    assert "NTP" in found.one("clock").advice
    assert "refused" in found.one("clock").advice
    assert found.that_are("ok")[-1] not in ("host", "clock")


def test_an_empty_account_says_what_it_can_not_tell(kaltura: Running) -> None:
    kaltura.world = ListedWorld()
    found = examined(kaltura)
    assert found.that_are("failed") == []
    assert "no rows in the last 366 days" in found.one("6000 room_sessions").found
    assert found.one("6000 columns").verdict == "unknown"
    assert found.one("6002 dates").verdict == "ok"


@pytest.mark.parametrize(("form", "says"), [("newline", "an empty line alone"), ("header", "a header line alone")])
def test_the_form_of_an_empty_report_is_told(kaltura: Running, form: Any, says: str) -> None:
    kaltura.empty_report = form
    assert says in examined(kaltura, 6000).one("6000 empty").found


def test_an_empty_report_of_zero_bytes_fails_as_it_looks_like_an_outage(kaltura: Running) -> None:
    kaltura.world = ListedWorld()
    kaltura.faults.add(Fault("zero_bytes", report_id=6000, after=4))  # after the four looks for rows
    found = examined(kaltura, 6000)
    assert found.that_are("failed") == ["6000 empty"]
    assert "the reply is empty" in found.one("6000 empty").found


@pytest.mark.parametrize("days_ago", [3, 20, 130, 300])
def test_the_oldest_day_with_rows_is_found_and_offered_as_the_start_date(kaltura: Running, days_ago: int) -> None:
    at = YESTERDAY - days_ago * DAY
    kaltura.world = world(at)
    finding = examined(kaltura, 6000, start_date=dt.date(2020, 1, 1)).one("oldest day")
    assert finding.verdict == "differs"
    assert f"START_DATE={dt.datetime.fromtimestamp(at, dt.UTC):%Y-%m-%d} spares" in finding.advice


@pytest.mark.parametrize("fault", ["count_lost", "timeout"])
def test_older_rows_are_found_though_wide_windows_come_empty_or_are_too_much(kaltura: Running, fault: Any) -> None:
    at = YESTERDAY - 200 * DAY
    kaltura.world = both(world(), world(at, rooms="cd"))
    kaltura.faults.add(Fault(fault, report_id=6000, min_span_seconds=90 * DAY, times=None))
    finding = examined(kaltura, 6000, start_date=dt.date(2020, 1, 1)).one("oldest day")
    assert finding.found.startswith(f"{dt.datetime.fromtimestamp(at, dt.UTC):%Y-%m-%d} has the oldest rows")


def test_a_quarter_of_vacation_does_not_hide_the_rows_before_it(kaltura: Running) -> None:
    kaltura.world = both(world(YESTERDAY - 20 * DAY), world(YESTERDAY - 250 * DAY, rooms="cd"))
    found = examined(kaltura, 6000, start_date=dt.date(2020, 1, 1)).one("oldest day").found
    assert found.startswith(f"{dt.datetime.fromtimestamp(YESTERDAY - 250 * DAY, dt.UTC):%Y-%m-%d} has the oldest rows")


def test_windows_of_a_week_and_more_that_are_too_much_for_one_question_are_no_failure(kaltura: Running) -> None:
    kaltura.faults.add(Fault("timeout", min_span_seconds=2 * DAY, times=None))
    found = examined(kaltura)
    assert found.that_are("failed") == []
    assert found.one("6000 columns").verdict == "ok"
    assert found.one("6001 one day").verdict == "ok"


def test_no_whole_hour_of_a_session_means_that_hours_can_not_be_told(kaltura: Running) -> None:
    kaltura.world = world(YESTERDAY + 600, minutes=30)
    assert examined(kaltura, 6000, 6001).one("hours").verdict == "unknown"


def test_a_store_that_keeps_events_by_the_hour_is_recognised(kaltura: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    shares = iter([60.0, 60.0, 0.0, 60.0, 60.0, 60.0, 60.0, 30.0, 20.0])
    monkeypatch.setattr(history, "_minutes", lambda *_: next(shares))
    said = [examined(kaltura, 6000, 6001).one("hours") for _ in range(3)]
    assert "kept by the hour" in said[0].found
    assert "widened to whole hours" in said[1].found
    assert said[2].verdict == "unknown"


def test_a_day_at_the_cap_is_told_apart_from_a_whole_one(kaltura: Running) -> None:
    kaltura.row_cap = 2
    found = examined(kaltura, 6000)
    assert "is cut off at 2 rows" in found["6000 one day"][0].found


def test_a_passing_error_is_asked_again_and_a_lasting_one_ends_one_check(kaltura: Running) -> None:
    kaltura.faults.add(Fault("bad_gateway", times=2), Fault("rate_limit", filtered=True, report_id=6001, times=None))
    found = examined(kaltura)
    assert found.that_are("failed") == ["6001 filters", "hours"]
    assert found.one("6002 filters").verdict == "ok"


@pytest.mark.parametrize("kind", ["html", "bad_gateway", "zero_bytes"])
@pytest.mark.parametrize("after", [0, 1, 5, 12])
def test_a_gateway_that_answers_in_kalturas_place_is_waited_for_half_a_minute_at_most(
    kaltura: Running, monkeypatch: pytest.MonkeyPatch, kind: Any, after: int
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(client_module._RetryPolicy, "_sleep", lambda _, seconds: pauses.append(seconds))
    kaltura.faults.add(Fault(kind, after=after, times=None))
    found = examined(kaltura, pause_scale=1.0)
    assert found.that_are("failed")
    assert sum(pauses) <= 30
    assert "It was tried 3 times." in str(found)


def test_a_gateway_before_the_session_is_waited_for_half_a_minute_at_most(
    kaltura: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(client_module._RetryPolicy, "_sleep", lambda _, seconds: pauses.append(seconds))
    kaltura.faults.add(Fault("html", on="session", times=None))
    found = examined(kaltura, pause_scale=1.0)
    assert found.that_are("failed") == ["credentials"]
    assert 0 < sum(pauses) <= 30


@pytest.mark.parametrize(
    "reply",
    ['{"code":"A_CODE_OF_NEXT_YEAR","message":"new"}', '{"code":"INTERNAL_SERVERL_ERROR","message":"?"}', "a,a\n1,1\n"],
)
def test_the_doctor_sends_nobody_to_the_doctor(kaltura: Running, reply: str) -> None:
    kaltura.faults.add(Fault("rewritten", rewrite=lambda _: reply, times=None))
    found = examined(kaltura)
    assert found.that_are("failed")
    assert "make doctor" not in str(found)
    assert "Kaltura's support" in found.one("6000 room_sessions").advice


def test_rows_that_a_limit_hides_are_found_without_one(kaltura: Running) -> None:
    kaltura.faults.add(Fault("truncate", report_id=6002, rows=0, times=1))
    found = examined(kaltura, 6002)
    assert "rows in the last 7 days" in found.one("6002 breakout_sessions").found
    assert "limit=1 gave no row, though there are some" in found.one("6002 limit").found
    assert found.one("6002 values").verdict == "ok"


HASHED = User(3, "0123456789ABCDEF0123456789ABCDEF", "", "", "User")


@pytest.mark.parametrize(
    ("chosen", "verdict", "says"),
    [
        ([], "differs", "hashes in place of ids (each of 1 is 32 hex digits)"),
        ([HASHED.user_id], "differs", "hashes in place of ids"),
        ([HASHED.user_id.lower()], "failed", "1 of 1 ids in KALTURA_USER_IDS are no such hash in upper case"),
        ([HASHED.user_id, "ada.private"], "failed", "1 of 2 ids in KALTURA_USER_IDS are no such hash"),
    ],
)
def test_an_account_with_hashes_in_place_of_people_is_told_with_what_its_filter_can_match(
    kaltura: Running, monkeypatch: pytest.MonkeyPatch, chosen: list[str], verdict: str, says: str
) -> None:
    kaltura.world = world(people=(HASHED,))
    monkeypatch.setenv("KALTURA_USER_IDS", ",".join(chosen))
    finding = examined(kaltura, 6001, under_test=reports_under_test()).one("6001 people")
    assert (finding.verdict, says in finding.found) == (verdict, True)
    assert "ada" not in str(finding)
    assert HASHED.user_id not in str(finding)


@pytest.mark.parametrize(("setting", "verdict"), [("", "differs"), ("1_event", "failed")])
def test_a_filter_that_is_ignored_matters_where_a_setting_asks_for_it(
    kaltura: Running, monkeypatch: pytest.MonkeyPatch, setting: str, verdict: str
) -> None:
    monkeypatch.setenv("KALTURA_VIRTUAL_EVENT_IDS", setting)
    monkeypatch.setattr("simulator.params._FILTERS", {6000: ("entry_ids",), 6001: (), 6002: ()})
    finding = examined(kaltura, 6000, under_test=reports_under_test()).one("6000 filters")
    assert (finding.verdict, "ignored: virtual_event_ids" in finding.found) == (verdict, True)
    assert ("KALTURA_*_IDS" in finding.advice) == bool(setting)


def test_a_year_that_times_out_leaves_what_the_month_told(kaltura: Running) -> None:
    kaltura.world = ListedWorld()
    kaltura.faults.add(Fault("timeout", min_span_seconds=100 * DAY, times=None))
    assert examined(kaltura, 6000).that_are("failed") == []


def test_a_ready_ks_differs_as_it_can_not_be_renewed(kaltura: Running) -> None:
    ks = kaltura.tokens.start({"secret": kaltura.admin_secret, "partnerId": str(kaltura.partner_id), "type": "2"})
    finding = examined(kaltura, 6000, credentials=Credentials(str(kaltura.partner_id), ks=ks)).one("credentials")
    assert (finding.verdict, "KALTURA_KS" in finding.advice) == ("differs", True)


def test_a_check_that_breaks_is_a_finding_without_the_values_it_broke_on(
    kaltura: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> Iterator[Finding]:
        raise KeyError("Ada Private")

    monkeypatch.setitem(report_checks.CHECKS, "columns", broken)
    found = examined(kaltura, 6000)
    assert found.one("6000 columns").found == "the check itself broke (KeyError)"
    assert found.one("6000 limit").verdict == "ok"


@pytest.mark.parametrize(("days_ago", "found_within"), [(0, 7), (20, 35), (200, 366)])
def test_breakouts_that_one_row_does_not_show_are_found_without_a_limit(
    kaltura: Running, days_ago: int, found_within: int
) -> None:
    kaltura.world = world(YESTERDAY - days_ago * DAY)
    found = examined(kaltura, 6002)
    assert f"rows in the last {found_within} days" in found.one("6002 breakout_sessions").found
    assert found.one("6002 limit").verdict == "ok"


def test_a_filter_that_is_ignored_is_seen_where_one_row_would_be_dropped(kaltura: Running) -> None:
    kaltura.faults.add(Fault("ignore_filters", report_id=6002, times=None))
    assert "ignored: parentEntryIds" in examined(kaltura, 6002).one("6002 filters").found


def test_an_address_of_nobody_ends_in_one_failure(kaltura: Running) -> None:
    client = Client("http://127.0.0.1:9", Credentials("99", ks="k"), pause_scale=0.0)
    found = Findings(list(Doctor(client, UNDER_TEST, dt.date(2025, 1, 1)).findings()))
    assert found.that_are("failed") == ["host"]
    assert "KALTURA_BASE_URL" in found.one("host").advice


# --- values that a pull could not use ------------------------------------------------------------------------------


def each(column: str, change: Callable[[str], str], rows: int | None = None) -> Callable[[str], str]:
    """A report's text with the values of a column changed, in all of its rows or in the first ones."""

    def rewrite(text: str) -> str:
        header, *lines = text.removesuffix("\n").split("\n")
        at = header.split(",").index(column)
        for number, line in enumerate(lines[:rows]):
            cells = line.split(",")
            cells[at] = change(cells[at])
            lines[number] = ",".join(cells)
        return "\n".join([header, *lines, ""])

    return rewrite


def in_quotes(text: str) -> str:
    return "".join(",".join(f'"{cell}"' for cell in line.split(",")) + "\n" for line in text.splitlines())


def with_a_comma(text: str) -> str:
    return in_quotes(text).replace("Secret Talk", "Secret Talk, part one")


def under_header(line: Callable[[str], str]) -> Callable[[str], str]:
    def rewrite(text: str) -> str:
        header, _, rows = text.partition("\n")
        return f"{line(header)}\n{rows}" if header else text

    return rewrite


def friendly(header: str) -> str:
    return header.replace("_", " ").title()


def translated(header: str) -> str:
    return ",".join(f"Spalte {'ABCDEFGHIJK'[at]}" for at in range(header.count(",") + 1))


def one_friendly(header: str) -> str:
    return header.replace("entry_name", "Entry name", 1)


START, RATIO, MINUTES = "session_start_time", "meeting_engaged_play_time_ratio", "meeting_view_time"
OTHER_REPLIES = [
    (6000, each(START, lambda cell: cell + "000"), "values", f"{START} is in Unix milliseconds in 12 of 12 rows", "Unix seconds"),
    (6000, each(START, lambda cell: cell + "000000"), "values", f"{START} is in Unix microseconds in 12", "Unix seconds"),
    (6002, each("session_end_time", lambda cell: cell + "000"), "values", "session_end_time is in Unix milli", "Unix seconds"),
    (6000, each(START, lambda cell: "2026-11-19 10:00:00"), "values", f"{START} is a date as text in 12 of 12", "Unix seconds"),
    (6002, each(START, lambda cell: "19.11.2026 10:00"), "values", f"{START} is a date as text in 12 of 12", "Unix seconds"),
    (6002, each(START, lambda cell: "Nov 19 2026 10:00 AM"), "values", f"{START} is a date as text in 12 of 12", "Unix seconds"),
    (6001, each(RATIO, lambda cell: f"{83.5 * float(cell)}"), "values", f"{RATIO} is in percent in 48 of 48 rows", "0 to 1"),
    (6000, each(RATIO, lambda cell: "83%"), "values", f"{RATIO} is in percent in 12 of 12 rows", "0 to 1"),
    (6002, each("engagement_rate", lambda cell: "83.5 %"), "values", "engagement_rate is in percent in 12 of 12", "0 to 1"),
    (6001, each(RATIO, lambda cell: "0 83"), "values", f"{RATIO} has a blank inside, as for a decimal comma", "0 to 1"),
    (6001, each(MINUTES, lambda cell: "150 25"), "values", f"{MINUTES} has a blank inside", "minutes"),
    (6001, each(MINUTES, lambda cell: "2:30:00"), "values", f"{MINUTES} is in hours, minutes and seconds", "minutes"),
    (6002, each("duration", lambda cell: "02:30:00"), "values", "duration is in hours, minutes and seconds", "seconds"),
    (6001, each(MINUTES, lambda cell: "-150"), "values", f"{MINUTES} is below 0 in 48 of 48", "minutes, 0 or more"),
    (6001, each(MINUTES, lambda cell: f"{float(cell) * 6000:g}"), "values", f"{MINUTES} is longer than", "minutes, 0 or more"),
    (6002, each("duration", lambda cell: f"{float(cell) * 1000:g}"), "values", "duration is not from session_start", "seconds"),
    (6001, each(MINUTES, lambda cell: "0"), "values", f"{MINUTES} is 0 in 48 of 48 rows", ""),
    (6000, each("meeting_view_period_unique_users", lambda cell: "0"), "values", "users is 0 in 12 of 12 rows", ""),
    (6002, each("participant_count", lambda cell: "0"), "values", "participant_count is 0 in 12 of 12 rows", ""),
    (6002, each("participant_count", lambda cell: "2.5"), "values", "participant_count is not a whole number in 12", "whole"),
    (6001, each(RATIO, lambda cell: '"0.5"', rows=40), "values", f"{RATIO} is in double quotes in 40 of 48", "0 to 1"),
    (6000, with_a_comma, "values", "quoted CSV: 12 of 12 lines make no row", "none in quotes"),
    (6002, with_a_comma, "values", "quoted CSV: 12 of 12 lines make no row", "none in quotes"),
    (6000, each("entry_name", lambda cell: "a,b"), "values", "12 of 12 lines have not as many fields", "expected is 9"),
    (6000, under_header(friendly), "columns", "'Entry Id' for entry_id", "entry_id,entry_name"),
    (6001, under_header(friendly), "columns", "'Meeting View Time' for meeting_view_time", "entry_id,cue_point_id"),
    (6002, under_header(friendly), "columns", "'Duration' for duration", "parent_entry_id"),
    (6000, under_header(one_friendly), "columns", "entry_name (renamed Entry name?)", ""),
    (6001, under_header(translated), "columns", "no header that is known: 'Spalte A,Spalte B", "entry_id,cue_point_id"),
    (6001, lambda text: text.replace(",", ";"), "columns", "separated by semicolons", "entry_id,cue_point_id"),
    (6001, lambda text: text.replace(",", "\t"), "columns", "separated by tabs", "entry_id,cue_point_id"),
    (6001, lambda text: text.partition("\n")[2], "columns", "may be a row", "entry_id,cue_point_id"),
]  # fmt: skip


@pytest.mark.parametrize(("number", "rewrite", "check", "says", "expected"), OTHER_REPLIES)
def test_a_reply_that_a_pull_could_not_use_is_told_with_what_is_expected(
    kaltura: Running, number: int, rewrite: Callable[[str], str], check: str, says: str, expected: str
) -> None:
    kaltura.world = world(rooms="abcdefghijkl")
    kaltura.faults.add(Fault("rewritten", report_id=number, rewrite=rewrite, times=None))
    found = examined(kaltura, number)
    told = [each for each in found[f"{number} {check}"] if each.verdict == "failed"]
    assert any(says in each.found and expected in each.found for each in told), found
    assert "itself broke" not in str(found)
    assert [value for value in PRIVATE if value in str(found)] == []


@pytest.mark.parametrize("number", [6000, 6001, 6002])
def test_quotes_around_every_value_do_no_harm(kaltura: Running, number: int) -> None:
    kaltura.faults.add(Fault("rewritten", report_id=number, rewrite=in_quotes, times=None))
    assert examined(kaltura, number).one(f"{number} values").verdict == "ok"


def each_of_30(text: str) -> str:
    return each(MINUTES, lambda cell: f"{float(cell) * 30:g}")(text)


@pytest.mark.parametrize(
    ("rewrite", "verdict"),
    [
        (each_of_30, "differs"),
        (lambda text: each("user_id", lambda _: "Unknown")(each_of_30(text)), "ok"),
    ],
)
def test_minutes_of_many_devices_under_one_id_do_not_fail(
    kaltura: Running, rewrite: Callable[[str], str], verdict: str
) -> None:
    """A pull loads them: which of them are seconds, only sessions tell."""
    kaltura.world = world(rooms="abcdefghijkl")
    kaltura.faults.add(Fault("rewritten", report_id=6001, rewrite=rewrite, times=None))
    finding = examined(kaltura, 6000, 6001).one("6001 values")
    assert finding.verdict == verdict, finding
    assert ("shared by many devices" in finding.advice) == (verdict == "differs")


def test_a_figure_that_a_few_rows_lack_differs_and_does_not_fail(kaltura: Running) -> None:
    kaltura.faults.add(
        Fault("rewritten", report_id=6001, rewrite=each(MINUTES, lambda cell: "long", rows=1), times=None)
    )
    finding = examined(kaltura, 6001).one("6001 values")
    assert (finding.verdict, "is not a number in 1 of 8 rows" in finding.found) == ("differs", True)
    assert "kaltura.rejects" in finding.advice


# --- settings ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environment", "verdict", "says"),
    [
        ({}, "ok", "the stand-in is examined"),
        ({"KALTURA_APP_TOKEN": "hidden"}, "differs", "KALTURA_APP_TOKEN without KALTURA_PARTNER_ID"),
        ({"KALTURA_PARTNER_ID": "9", "KALTURA_KS": "hidden"}, "ok", "KALTURA_KS is set"),
        (
            {"KALTURA_PARTNER_ID": "9", "KALTURA_KS": "hidden", "KALTURA_ADMIN_SECRET": "hidden"},
            "ok",
            "KALTURA_ADMIN_SECRET is set; KALTURA_KS not used",
        ),
    ],
)
def test_settings_are_named_and_their_values_are_not(environment: dict[str, str], verdict: str, says: str) -> None:
    finding = Findings(list(settings_findings(environment))).one("settings")
    assert (finding.verdict, says in finding.found) == (verdict, True)
    assert "hidden" not in str(finding)


def test_a_setting_that_can_not_be_read_stops_before_any_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("START_DATE", "soon")
    found = list(AccountDoctor().findings())
    assert [finding.verdict for finding in found] == ["ok", "failed", "unknown"]
    assert "START_DATE='soon' is not a date" in found[1].found


def test_filters_that_are_set_are_mentioned_without_their_ids() -> None:
    (finding,) = Findings(list(settings_findings({"KALTURA_USER_IDS": "ada.private"})))["filters set"]
    assert "KALTURA_USER_IDS" in finding.found
    assert "ada" not in str(finding)


# --- the command -------------------------------------------------------------------------------------------------


@pytest.fixture
def account(kaltura: Running, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The settings of an account, set."""
    settings = {
        "KALTURA_BASE_URL": kaltura.base_url,
        "KALTURA_PARTNER_ID": str(kaltura.partner_id),
        "KALTURA_APP_TOKEN_ID": kaltura.app_token_id,
        "KALTURA_APP_TOKEN": kaltura.app_token,
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    return settings


def assert_shows_no_secret_and_nobody(said: str, kaltura: Running) -> None:
    hidden = (kaltura.app_token, kaltura.admin_secret, "wrong-token-of-nobody", *kaltura.tokens._issued, *PRIVATE)
    assert [value for value in hidden if value in said] == []


def test_the_command_prints_a_line_for_each_check_that_fits_80_columns(
    kaltura: Running, account: dict[str, str]
) -> None:
    kaltura.faults.add(Fault("echoed_ks"), Fault("missing_column", report_id=6002, column="duration", times=None))
    code, printed, errors = warm.run("python", "-m", "pipelines", "doctor", environment=os.environ | account)
    assert code == 1
    assert "failed  6002 columns" in printed
    assert "missing: duration" in printed
    assert "-> No day of this report can be" in printed
    assert max(map(len, printed.splitlines())) <= 80
    assert "\x1b" not in printed
    assert_shows_no_secret_and_nobody(printed + errors, kaltura)


def commanded(*words: str) -> Result:
    return CliRunner().invoke(front_door, ["doctor", *words])


def test_json_is_a_document_for_kalturas_support(kaltura: Running, account: dict[str, str]) -> None:
    printed = commanded("--json")
    assert printed.exit_code == 0
    document = json.loads(printed.stdout)
    assert printed.stderr == ""
    assert document["account"] == str(kaltura.partner_id)
    assert {finding["verdict"] for finding in document["findings"]} <= {"ok", "differs", "unknown"}
    assert len(document["requests"]) == len(kaltura.requests)
    told = {"report_id", "params", "outcome", "rows", "at", "seconds"}
    for asked in document["requests"]:
        assert told <= asked.keys()
        assert "X-Me simulated-front-1" in asked["kaltura_session"]
    assert_shows_no_secret_and_nobody(printed.output, kaltura)


@pytest.mark.parametrize("arguments", [[], ["--json"]])
def test_wrong_credentials_end_with_code_1_and_show_nothing(
    kaltura: Running,
    account: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
) -> None:
    monkeypatch.setenv("KALTURA_APP_TOKEN", "wrong-token-of-nobody")
    printed = commanded(*arguments)
    assert printed.exit_code == 1
    assert "INVALID_APP_TOKEN_HASH" in printed.stdout
    assert_shows_no_secret_and_nobody(printed.output, kaltura)


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Pacific/Kiritimati"])
def test_the_stand_ins_university_is_an_account_as_it_is_expected(kaltura: Running, zone: str) -> None:
    kaltura.world = University(timezone=zone, rooms=12)
    assert examined(kaltura).that_are("failed", "differs", "unknown") == []


def test_without_an_account_it_examines_the_stand_in_and_says_so_at_the_top(
    kaltura: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(standin, "start", lambda: kaltura.base_url)
    done = commanded()
    assert done.exit_code == 0
    printed = done.stdout
    assert printed.startswith("Kaltura account: the stand-in")
    assert "\nfailed" not in printed


def test_a_stand_in_that_does_not_start_is_a_failure_and_no_traceback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken() -> str:
        raise standin.StandinError("the stand-in Kaltura did not start")

    monkeypatch.setattr(standin, "start", broken)
    done = commanded()
    assert done.exit_code == 1
    assert "did not start" in done.stdout
