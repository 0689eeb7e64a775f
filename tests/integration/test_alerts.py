"""Alerts, from real runs in a real Dagster instance to a real web server and a real mail server."""

import datetime as dt
import socket
import time
import traceback
import uuid
from collections.abc import Collection, Iterator, Sequence
from email.message import EmailMessage
from itertools import combinations
from types import SimpleNamespace

import dagster as dg
import new_history
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Message
from aiosmtpd.smtp import AuthResult
from chat import SECRET, Chat, chatting
from click.testing import CliRunner, Result
from dagster._core.definitions.freshness import FreshnessState, FreshnessStateChange
from dagster._core.events import AssetMaterializationPlannedData, DagsterEvent
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin
from in_process import installed

from assets.attendees import ATTENDEES
from assets.pull.asset import kaltura_rooms
from assets.pull.materialization import ALREADY_LOADED_BY, MARKED_BY
from assets.reports import REPORTS
from pipelines.command_line import front_door
from pipelines.schedules import nightly_check
from pipelines.sensors import alerts as module
from pipelines.sensors.alerts import AlertState, alerts
from pipelines.sensors.channels import NotDelivered, channels, deliver
from pipelines.sensors.incidents import collect, said
from resources.kaltura.windows import Days
from resources.settings import SettingError
from simulator import Fault, University, serving

DAYS = Days(dt.date(2026, 3, 3), dt.date(2026, 3, 5))
BAD = dt.date(2026, 3, 4)


@pytest.fixture
def chat() -> Iterator[Chat]:
    with chatting() as server:
        yield server


class Post(Message):
    """A mailbox: keeps what is sent."""

    def __init__(self) -> None:
        super().__init__()
        self.mails: list[EmailMessage] = []
        self.refused: Collection[str] = ()

    async def handle_RCPT(self, server, session, envelope, address, options) -> str:  # noqa: N802 (its library's name)
        if address in self.refused:
            return "550 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    def handle_message(self, message) -> None:
        self.mails.append(message)


@pytest.fixture
def post() -> Iterator[Post]:
    handler = Post()

    def log_in(server, session, envelope, mechanism, data) -> AuthResult:
        return AuthResult(success=data.login == b"pipeline" and data.password == SECRET.encode(), handled=False)

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        handler.port = probe.getsockname()[1]
    controller = Controller(handler, "127.0.0.1", handler.port, authenticator=log_in, auth_require_tls=False)
    controller.start()
    yield handler
    controller.stop()


@pytest.fixture(scope="module")
def kaltura() -> Iterator[object]:
    with serving(University(seed=11, timezone="UTC", rooms=12)) as running:
        yield running


@pytest.fixture
def watched(kaltura, database: str, chat: Chat, monkeypatch) -> Iterator[SimpleNamespace]:
    """An installation whose alerts go to the chat: `tick` evaluates the sensor as the daemon would, an hour later each."""
    monkeypatch.setenv("ALERT_WEBHOOK_URL", chat.url)
    monkeypatch.setenv("DAGSTER_UI_URL", "https://dagster.example.org/")
    with (
        new_history.instance() as instance,
        installed(kaltura, database, instance) as dagster,
    ):
        clock = SimpleNamespace(now=dt.datetime.now(dt.UTC).timestamp(), cursor=None)
        monkeypatch.setattr(module, "_now", lambda: int(clock.now))

        def tick(hours: float = 0) -> str:
            """What the tick said."""
            clock.now += hours * 3600
            with dg.build_sensor_context(instance=instance, cursor=clock.cursor, sensor_name="alerts") as context:
                result = alerts.evaluate_tick(context)
            clock.cursor = result.cursor
            return result.skip_message or ""

        yield SimpleNamespace(
            tick=tick,
            pull=dagster.pull,
            defs=dagster.defs,
            sql=dagster.sql,
            kaltura=kaltura,
            chat=chat,
            instance=instance,
            clock=clock,
        )


def break_a_day(kaltura) -> None:
    evening = int(dt.datetime.combine(BAD, dt.time(18), dt.UTC).timestamp())
    kaltura.faults.add(Fault("missing_column", report_id=6001, times=None, column="meeting_view_time", covers=evening))


def test_without_a_sink_the_tick_says_how_to_switch_alerts_on(watched, monkeypatch) -> None:
    monkeypatch.delenv("ALERT_WEBHOOK_URL")
    said = watched.tick()
    assert "ALERT_WEBHOOK_URL" in said
    assert "ALERT_SMTP_URL" in said
    assert "make alert-test" in said


def test_where_all_is_well_nothing_is_sent(watched) -> None:
    watched.pull(DAYS)
    assert watched.tick() == "Nothing new to tell."
    assert watched.chat.posted == []


def test_a_bad_day_is_told_once_with_its_reason_and_its_run_and_once_more_when_it_is_in(watched) -> None:
    break_a_day(watched.kaltura)
    run = watched.pull(DAYS)
    watched.tick()

    [told] = watched.chat.texts
    assert "ERROR: not loaded, 2026-03-04 (attendees, breakout_sessions, room_sessions): report 6001" in told
    assert "meeting_view_time" in told
    assert f"https://dagster.example.org/runs/{run.run_id}" in told

    watched.tick(hours=1)
    assert len(watched.chat.posted) == 1

    watched.kaltura.faults.clear()
    watched.pull(Days(BAD, BAD))
    watched.tick(hours=1)
    watched.tick(hours=1)
    assert len(watched.chat.posted) == 2
    assert "RECOVERED: not loaded, 2026-03-04" in watched.chat.texts[1]


def test_a_whole_range_that_fails_is_one_message_of_one_line(watched) -> None:
    watched.kaltura.faults.add(Fault("service_forbidden", times=None))
    watched.pull(DAYS)
    watched.tick()
    [told] = watched.chat.texts
    lines = told.splitlines()
    assert lines[0] == "Kaltura rooms, the stand-in: 1 failed"
    assert "2026-03-03 to 2026-03-05" in lines[1]
    assert len(lines) == 2


def test_every_message_says_which_account_it_is_about_since_several_may_post_to_one_chat(
    watched, post: Post, monkeypatch
) -> None:
    monkeypatch.setenv("ALERT_SMTP_URL", f"smtp://127.0.0.1:{post.port}/?from=a@example.org&to=b@example.org&tls=no")
    monkeypatch.setenv("KALTURA_PARTNER_ID", "1001")
    watched.kaltura.faults.add(Fault("service_forbidden", times=None))
    watched.pull(DAYS)
    watched.tick()
    watched.tick(hours=24)
    watched.kaltura.faults.clear()
    watched.pull(DAYS)
    watched.tick(hours=1)
    monkeypatch.setenv("KALTURA_PARTNER_ID", "1002")
    assert CliRunner().invoke(front_door, ["alert-test"]).exit_code == 0
    headlines = [
        "Kaltura rooms, account 1001: 1 failed",
        "Kaltura rooms, account 1001: 1 still failing",
        "Kaltura rooms, account 1001: 1 recovered",
        "Kaltura rooms, account 1002: a test message",
    ]
    assert [text.splitlines()[0] for text in watched.chat.texts] == headlines
    assert [mail["Subject"] for mail in post.mails] == headlines


@pytest.mark.deep
def test_a_run_that_fails_again_over_the_same_days_tells_nothing_new_but_is_brought_to_mind_the_next_day(
    watched,
) -> None:
    break_a_day(watched.kaltura)
    watched.pull(DAYS)
    watched.tick()
    watched.pull(DAYS)
    watched.tick(hours=1)
    assert len(watched.chat.posted) == 1
    watched.tick(hours=23)
    assert len(watched.chat.posted) == 2
    assert "STILL: not loaded, 2026-03-04" in watched.chat.texts[1]
    watched.tick(hours=1)
    assert len(watched.chat.posted) == 2


@pytest.mark.deep
def test_a_failing_check_is_told_though_its_run_succeeded_and_recovers_when_its_days_are_checked_again(watched) -> None:
    watched.pull(DAYS)
    watched.tick()
    watched.kaltura.faults.add(Fault("extra_column", report_id=6001, times=None, column="mood", value="5"))
    assert watched.pull(DAYS).success
    watched.tick()

    [told] = watched.chat.texts
    assert told.splitlines()[0] == "Kaltura rooms, the stand-in: 1 to look at"
    assert "WARNING: known_columns of attendees, 2026-03-03 to 2026-03-05" in told
    assert "Nothing is lost" in told

    watched.kaltura.faults.clear()
    watched.pull(Days(DAYS.first, BAD))
    watched.tick(hours=1)
    assert "RECOVERED: known_columns of attendees, 2026-03-03 to 2026-03-04" in watched.chat.texts[1]
    assert "2026-03-05" not in watched.chat.texts[1]


def test_a_check_that_fails_before_alerts_were_switched_on_is_told_at_the_first_tick(watched) -> None:
    watched.kaltura.faults.add(Fault("extra_column", report_id=6001, times=None, column="mood", value="5"))
    watched.pull(DAYS)
    watched.tick()
    assert "known_columns of attendees" in watched.chat.texts[0]


def test_what_could_not_be_delivered_fails_the_tick_without_the_address_and_is_told_at_the_next(
    watched, caplog
) -> None:
    break_a_day(watched.kaltura)
    watched.pull(DAYS)
    watched.chat.status = 404
    with pytest.raises(NotDelivered, match="it answered 404") as failure:
        watched.tick()
    assert SECRET not in _everything(failure.value) + caplog.text
    watched.chat.status = 200
    watched.tick()
    assert "2026-03-04" in watched.chat.texts[0]
    assert SECRET not in watched.clock.cursor


def test_a_webhook_that_refuses_the_connection_fails_the_tick_without_telling_its_address(watched, monkeypatch) -> None:
    break_a_day(watched.kaltura)
    watched.pull(DAYS)
    monkeypatch.setenv("ALERT_WEBHOOK_URL", f"http://127.0.0.1:9/{SECRET}")
    with pytest.raises(NotDelivered, match="no connection") as failure:
        watched.tick()
    assert SECRET not in _everything(failure.value)


def _everything(error: BaseException) -> str:
    """What a traceback would show of the error, its causes included."""
    return "".join(traceback.format_exception(error))


def test_a_message_holds_no_address_of_a_person_and_no_token(watched) -> None:
    text = said(f"row of ann@example.org, ks={'a' * 80}\nsecond line")
    assert "example.org" not in text
    assert "aaaa" not in text
    assert "second" not in text


def becomes(watched, state: FreshnessState) -> None:
    """As Dagster's daemon says of the attendees, by their newest mark's time."""
    watched.instance._report_runless_asset_event(
        FreshnessStateChange(
            key=ATTENDEES.key,
            new_state=state,
            previous_state=FreshnessState.UNKNOWN,
            state_change_timestamp=watched.clock.now,
        )
    )


def test_overdue_loads_are_told_and_recover(watched) -> None:
    becomes(watched, FreshnessState.FAIL)
    watched.tick()
    assert "attendees is overdue" in watched.chat.texts[0]
    assert "daily_pull" in watched.chat.texts[0]
    becomes(watched, FreshnessState.PASS)
    watched.tick()
    assert "RECOVERED: attendees is overdue" in watched.chat.texts[1]


@pytest.mark.parametrize("of_no_pull", [MARKED_BY, ALREADY_LOADED_BY])
def test_a_mark_that_stands_for_no_pull_ends_no_alert_of_overdue_loads(watched, of_no_pull: str) -> None:
    """Such marks are written without a request: by `status --mend`, and of days that a retry finds loaded."""
    becomes(watched, FreshnessState.FAIL)
    watched.tick()
    for metadata, messages in (({of_no_pull: "anything", "inserted": 3}, 1), ({"inserted": 3}, 2)):
        mark = dg.AssetMaterialization(ATTENDEES.key, partition=str(DAYS.first), metadata=metadata)
        watched.instance.report_runless_asset_event(mark)
        becomes(watched, FreshnessState.PASS)
        watched.tick()
        assert len(watched.chat.texts) == messages
    assert "RECOVERED: attendees is overdue" in watched.chat.texts[1]


def test_days_that_a_run_is_at_are_neither_told_nor_recovered(watched) -> None:
    break_a_day(watched.kaltura)
    first = watched.pull(DAYS)
    watched.tick()
    # A run over the same days that has begun and not ended.
    job_run = watched.instance.get_run_by_id(first.run_id)
    watched.instance.add_run(job_run._replace(run_id=str(uuid.uuid4()), status=dg.DagsterRunStatus.STARTED))
    [again] = watched.instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED]))
    for report in REPORTS:
        plan_a_day(watched.instance, again, report.key)
    watched.tick(hours=1)
    assert len(watched.chat.posted) == 1


def test_a_failed_run_of_another_code_location_is_not_ours_to_tell() -> None:
    with new_history.instance() as instance:
        for location in ("ours", "another account's"):
            repository = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin(location), "__repository__")
            run = instance.add_run(
                dg.DagsterRun(
                    "retention",
                    str(uuid.uuid4()),
                    status=dg.DagsterRunStatus.STARTED,
                    remote_job_origin=RemoteJobOrigin(repository, "retention"),
                )
            )
            instance.report_run_failed(run, f"{location}: no space left")
        for location, count in (("ours", 1), (None, 2)):
            assert len(collect(instance, None, 0, time.time(), location=location).once) == count


def plan_a_day(instance: dg.DagsterInstance, run: dg.DagsterRun, asset: dg.AssetKey) -> None:
    event = DagsterEvent.build_asset_materialization_planned_event(
        run.job_name, "kaltura_rooms", AssetMaterializationPlannedData(asset, partition=str(BAD))
    )
    instance.report_dagster_event(event, run.run_id)


def test_the_memory_of_a_year_of_bad_days_is_short_and_comes_back_whole() -> None:
    days = [dt.date(2025, 1, 1) + dt.timedelta(days=n) for n in range(365)]
    told = AlertState({"load": dict.fromkeys(days, ("error", 7)), "x is overdue": {None: ("warning", 9)}}, 5, 6)
    cursor = told.written()
    assert len(cursor) < 300
    assert AlertState.read(cursor) == told


def test_memory_is_bounded() -> None:
    days = {dt.date(2020, 1, 1) + dt.timedelta(days=n * 2): ("warning", n) for n in range(3000)}
    assert len(AlertState({"load": days}, 1, 1).written()) < 50_000


def test_mail_arrives_after_a_login(post: Post) -> None:
    url = f"smtp://pipeline:{SECRET}@127.0.0.1:{post.port}/?from=kaltura@example.org&to=a@example.org,b@example.org&tls=no"
    [channel] = channels({"ALERT_SMTP_URL": url})
    channel.send("Kaltura rooms: 1 failed", ["ERROR: something"])
    [mail] = post.mails
    assert mail["Subject"] == "Kaltura rooms: 1 failed"
    assert mail["To"] == "a@example.org, b@example.org"
    assert "ERROR: something" in mail.get_payload()


THREE = ("a@example.org", "b@example.org", "c@example.org")


@pytest.mark.parametrize(
    "refused", [some for count in range(len(THREE) + 1) for some in combinations(THREE, count)], ids=len
)
def test_recipients_whom_the_server_refuses_are_counted_and_the_others_are_told(
    refused: Sequence[str], post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    post.refused = refused
    url = f"smtp://127.0.0.1:{post.port}/?from=k@example.org&to={','.join(THREE)},{THREE[0]}&tls=no"
    monkeypatch.setenv("ALERT_SMTP_URL", url)
    monkeypatch.delenv("ALERT_WEBHOOK_URL", raising=False)
    said = f"it refused {len(refused)} of 3 recipients (550)"

    if len(refused) == len(THREE):
        with pytest.raises(NotDelivered, match="SMTPRecipientsRefused"):
            deliver(channels(), "x", [])
    else:
        failures = deliver(channels(), "x", [])
        assert [said in failure for failure in failures] == [True] * bool(refused)
        assert not any("example.org" in failure for failure in failures)

    printed = CliRunner().invoke(front_door, ["alert-test"])
    assert printed.exit_code == bool(refused)
    assert (said in printed.stderr) is (0 < len(refused) < len(THREE))
    assert "example.org" not in printed.output
    told = [] if len(refused) == len(THREE) else [", ".join(each for each in THREE if each not in refused)] * 2
    assert [mail["X-RcptTo"] for mail in post.mails] == told


def test_mail_with_a_wrong_password_says_so_without_it(post: Post) -> None:
    url = f"smtp://pipeline:{SECRET}x@127.0.0.1:{post.port}/?from=a@example.org&to=b@example.org&tls=no"
    [channel] = channels({"ALERT_SMTP_URL": url})
    with pytest.raises(NotDelivered, match="535") as failure:
        channel.send("x", [])
    assert SECRET not in _everything(failure.value) + repr(channel)


def test_a_mail_server_without_encryption_is_not_told_the_password(post: Post) -> None:
    url = f"smtp://pipeline:{SECRET}@127.0.0.1:{post.port}/?from=a@example.org&to=b@example.org"
    [channel] = channels({"ALERT_SMTP_URL": url})
    with pytest.raises(NotDelivered, match="tls=no"):
        channel.send("x", [])
    assert post.mails == []


def test_one_sink_that_is_down_does_not_silence_the_other(watched, post: Post, monkeypatch) -> None:
    monkeypatch.setenv("ALERT_SMTP_URL", f"smtp://127.0.0.1:{post.port}/?from=a@example.org&to=b@example.org&tls=no")
    watched.chat.status = 500
    break_a_day(watched.kaltura)
    watched.pull(DAYS)
    watched.tick()
    watched.tick(hours=1)
    assert len(post.mails) == 1


def test_one_whose_setting_cannot_be_used_does_not_silence_the_other_and_is_told_of(
    watched, monkeypatch, caplog
) -> None:
    monkeypatch.setenv("ALERT_SMTP_URL", f"smtp://pipeline:{SECRET}\xfc@127.0.0.1/?from=a@example.org&to=b@example.org")
    break_a_day(watched.kaltura)
    watched.pull(DAYS)
    watched.tick()
    watched.tick(hours=1)
    assert len(watched.chat.posted) == 1

    printed = CliRunner().invoke(front_door, ["alert-test"])
    assert printed.exit_code == 1
    assert "took the message" in printed.stdout
    assert "ALERT_SMTP_URL" in printed.stderr
    assert SECRET not in printed.output + caplog.text


def test_teams_workflows_get_a_card_and_all_others_get_text(chat: Chat) -> None:
    [teams] = channels({"ALERT_WEBHOOK_URL": "https://prod-1.westeurope.logic.azure.com/workflows/x?sig=y"})
    [slack] = channels({"ALERT_WEBHOOK_URL": "https://hooks.slack.com/services/x"})
    assert (teams.format, slack.format) == ("teams", "text")
    [asked] = channels({"ALERT_WEBHOOK_URL": chat.url, "ALERT_WEBHOOK_FORMAT": "teams"})
    asked.send("headline", ["a line"])
    [attachment] = chat.posted[0]["attachments"]
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    assert [block["inlines"][0]["text"] for block in attachment["content"]["body"]] == ["headline", "a line"]


@pytest.mark.parametrize(
    "settings",
    [
        {"ALERT_WEBHOOK_URL": f"hooks.example.org/{SECRET}"},
        {"ALERT_WEBHOOK_URL": f"https://hooks.example.org:port/{SECRET}"},
        {"ALERT_WEBHOOK_URL": f"https://hooks.example.org/{SECRET}", "ALERT_WEBHOOK_FORMAT": "xml"},
        {"ALERT_WEBHOOK_URL": f"https://hooks.example.org/x\n{SECRET}"},
        {"ALERT_WEBHOOK_URL": f"https://hooks.example.org/x {SECRET}"},
        {"ALERT_WEBHOOK_URL": f"https://hooks..example.org/{SECRET}"},
        {"ALERT_SMTP_URL": f"smtps://pipeline:{SECRET}@mail..example.org/?from=a@example.org&to=b@example.org"},
        {"ALERT_SMTP_URL": f"smtps://pipeline:{SECRET}%C3%BC@mail.example.org/?from=a@example.org&to=b@example.org"},
        {"ALERT_SMTP_URL": f"smtps://pipeline:{SECRET}@mail.example.org/?from=a@example.org"},
        {"ALERT_SMTP_URL": f"smtps://{SECRET}:12/ss@mail.example.org/?from=a@example.org&to=b@example.org"},
        {"ALERT_SMTP_URL": f"smtps://{SECRET}/ss@mail.example.org/?from=a@example.org&to=b@example.org"},
        {"ALERT_SMTP_URL": f"imap://pipeline:{SECRET}@mail.example.org/?from=a@example.org&to=b@example.org"},
    ],
)
def test_a_setting_that_cannot_be_used_is_named_and_not_shown(settings: dict[str, str]) -> None:
    with pytest.raises(SettingError, match="ALERT_") as failure:
        channels(settings)
    assert SECRET not in _everything(failure.value)


def test_a_channel_that_fails_in_a_way_of_its_own_keeps_no_other_from_being_tried(chat: Chat) -> None:
    """Or whom the other one reached would be told the same at every tick."""

    class Odd:
        name = "an odd one"

        def send(self, headline: str, lines: list[str]) -> None:
            SECRET.encode("ascii") + f"{SECRET}\u00fc".encode("ascii")

    [webhook] = channels({"ALERT_WEBHOOK_URL": chat.url})
    for order in ([Odd(), webhook], [webhook, Odd()]):
        assert deliver(order, "headline", ["a line"]) == ["an odd one: UnicodeEncodeError"]
    assert len(chat.posted) == 2
    with pytest.raises(NotDelivered) as failure:
        deliver([Odd()], "headline", [])
    assert SECRET not in str(failure.value)


def test_a_person_who_sets_it_up_can_try_it(chat: Chat, monkeypatch) -> None:
    def tried() -> Result:
        return CliRunner().invoke(front_door, ["alert-test"])

    assert tried().exit_code == 1
    assert "ALERT_WEBHOOK_URL" in tried().stderr

    monkeypatch.setenv("ALERT_WEBHOOK_URL", chat.url)
    assert "took the message" in tried().stdout
    assert "test message" in chat.texts[0]

    chat.status = 410
    printed = tried()
    assert printed.exit_code == 1
    assert "410" in printed.stderr
    assert SECRET not in printed.output


def nightly_check_of(watched) -> dg.ExecuteInProcessResult:
    """The run that the schedule asks for."""
    defs = dg.Definitions(assets=[kaltura_rooms], schedules=[nightly_check], resources=watched.defs.resources)
    return defs.resolve_job_def(nightly_check.job_name).execute_in_process(instance=watched.instance)


@pytest.mark.deep
def test_days_that_nobody_pulled_are_told_though_no_run_pulls_and_told_to_be_back_when_they_are(watched) -> None:
    yesterday = dt.datetime.now(dt.UTC).date() - dt.timedelta(days=1)
    gap = Days(yesterday - dt.timedelta(days=2), yesterday)
    watched.pull(Days(gap.first - dt.timedelta(days=1), gap.first - dt.timedelta(days=1)))
    watched.tick()
    said_before = len(watched.chat.texts)
    assert nightly_check_of(watched).success
    watched.tick()
    [text] = watched.chat.texts[said_before:]
    assert f"WARNING: missing_days of room_sessions, {gap.first} to {gap.last}: Days that are missing: 3, on" in text
    assert "They come back by themselves" in text
    assert "python -m pipelines pull --from" in text
    nightly_check_of(watched)
    watched.tick(24)
    assert len(watched.chat.texts) == said_before + 1  # told once

    watched.pull(gap)
    watched.tick()
    assert f"RECOVERED: missing_days of room_sessions, {gap.first} to {gap.last}" in watched.chat.texts[-1]


def test_a_nightly_check_of_an_empty_warehouse_says_nothing(watched) -> None:
    assert nightly_check_of(watched).success
    watched.tick()
    assert watched.chat.texts == []
