"""The session token: three ways in, renewed once for all threads, and never seen by anybody else."""

import base64
import hashlib
import logging
import threading
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from resources.kaltura.client import Client, RequestStats
from resources.kaltura.clock import Clock
from resources.kaltura.errors import KalturaError, RateLimited, Refused, SessionInvalid, Unavailable
from resources.kaltura.query import Filter, Query, Source
from resources.kaltura.session import HASHES, LIFETIME_SECONDS, Credentials, SessionToken, account_of
from resources.kaltura.windows import Window
from simulator import DEMO, Fault, ListedWorld, Running, serving
from simulator import Credentials as Account
from simulator.tokens import Tokens

ENTRY = Filter("entry_ids", "entry_id")
SESSIONS = Source(6000, ("entry_id",), (), frozenset({"entry_id"}), ENTRY, (ENTRY,))
QUERY = Query(SESSIONS, Window(1_780_000_200, 1_780_003_800))


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with serving(ListedWorld()) as running:
        yield running


@pytest.fixture
def kaltura(server: Running) -> Running:
    server.tokens, server.delay_seconds = Tokens(server.credentials), 0.0
    server.faults.clear()
    server.requests.clear()
    server.session_calls.clear()
    return server


@contextmanager
def client(kaltura: Running, **settings: str) -> Iterator[Client]:
    given = settings or {"app_token_id": kaltura.app_token_id, "app_token": kaltura.app_token}
    opened = Client(kaltura.base_url, Credentials(str(kaltura.partner_id), **given), pause_scale=0.001)
    try:
        yield opened
    finally:
        opened.close()


def secrets_of(kaltura: Running) -> list[str]:
    return [kaltura.app_token, kaltura.admin_secret, *kaltura.tokens._issued]


def everything_said(error: BaseException) -> str:
    return "".join(traceback.format_exception(error)) + repr(error) + str(error)


# --- ways in -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("hash_type", HASHES)
@pytest.mark.parametrize("spelled", [str.upper, str.lower])
def test_an_app_token_opens_a_session_with_every_hash_type(hash_type: str, spelled: Any) -> None:
    with serving(ListedWorld(), credentials=Account(app_token_hash=hash_type)) as kaltura:
        ways = {"app_token_id": DEMO.app_token_id, "app_token": DEMO.app_token, "app_token_hash": spelled(hash_type)}
        with client(kaltura, **ways) as asking:
            assert asking.ask(QUERY, RequestStats()).rows.received == 0
        assert kaltura.session_calls == ["session.startwidgetsession", "apptoken.startsession"]


def test_an_app_token_with_the_wrong_hash_type_is_told_which_setting_to_check(kaltura: Running) -> None:
    wrong = {"app_token_id": DEMO.app_token_id, "app_token": DEMO.app_token, "app_token_hash": "SHA512"}
    with client(kaltura, **wrong) as asking, pytest.raises(Refused, match="KALTURA_APP_TOKEN_HASH"):
        asking.ask(QUERY, RequestStats())


def test_an_admin_secret_opens_a_session(kaltura: Running) -> None:
    with client(kaltura, admin_secret=kaltura.admin_secret, user_id="analytics@example.edu") as asking:
        asking.ask(QUERY, RequestStats())
    assert kaltura.session_calls == ["session.start"]


def test_a_ready_ks_is_used_as_it_is_and_asks_for_no_session(kaltura: Running) -> None:
    ks = kaltura.tokens.start({"secret": DEMO.admin_secret, "partnerId": str(DEMO.partner_id), "type": "2"})
    with client(kaltura, ks=ks) as asking:
        asking.ask(QUERY, RequestStats())
    assert kaltura.session_calls == []


def test_a_secret_with_the_newline_of_the_file_it_was_read_from_still_opens(kaltura: Running) -> None:
    with client(kaltura, app_token_id=f"{DEMO.app_token_id}\n", app_token=f" {DEMO.app_token}\r\n") as asking:
        asking.ask(QUERY, RequestStats())


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({}, "KALTURA_APP_TOKEN_ID and KALTURA_APP_TOKEN, or KALTURA_ADMIN_SECRET"),
        ({"app_token_id": "1_x"}, "one is missing"),
        ({"app_token": "hidden-token"}, "one is missing"),
        ({"ks": " \n"}, "there are no credentials"),
        ({"admin_secret": "hidden", "app_token_hash": "hidden"}, "none of SHA1, MD5, SHA256, SHA512"),
        ({"admin_secret": "hidden", "partner_id": "12a"}, "KALTURA_PARTNER_ID"),
        ({"admin_secret": "hidden", "partner_id": "hidden"}, "KALTURA_PARTNER_ID"),
    ],
)
def test_settings_that_open_nothing_are_refused_before_any_request(settings: dict[str, str], named: str) -> None:
    with pytest.raises(Refused, match=named) as caught:
        Credentials(**{"partner_id": "99", **settings})
    assert "hidden" not in everything_said(caught.value)


# --- lifetime ----------------------------------------------------------------------------------------------------


def test_one_session_serves_many_reports(kaltura: Running) -> None:
    with client(kaltura) as asking:
        for _ in range(3):
            asking.ask(QUERY, RequestStats())
    assert len(kaltura.session_calls) == 2


def test_an_expired_ks_is_renewed_once_and_the_question_answered(kaltura: Running) -> None:
    with client(kaltura) as asking:
        asking.ask(QUERY, RequestStats())
        kaltura.tokens.expire_all()
        stats = RequestStats()
        asking.ask(QUERY, stats)
    assert stats.requests == 2
    assert [request.outcome for request in kaltura.requests] == ["ok", "INVALID_KS", "ok"]
    assert kaltura.session_calls.count("apptoken.startsession") == 2


def test_a_ks_that_is_refused_however_fresh_fails_after_one_renewal(kaltura: Running) -> None:
    kaltura.faults.add(Fault("expired_ks", times=None))
    with client(kaltura) as asking, pytest.raises(SessionInvalid, match="renewed once and refused again") as caught:
        asking.ask(QUERY, RequestStats())
    assert "EXPIRED" in str(caught.value)
    assert len(kaltura.requests) == 2


def test_threads_whose_ks_dies_at_once_share_one_new_one(kaltura: Running) -> None:
    kaltura.delay_seconds = 0.05
    with client(kaltura) as asking:
        asking.ask(QUERY, RequestStats())
        kaltura.tokens.expire_all()
        threads = [threading.Thread(target=asking.ask, args=(QUERY, RequestStats())) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert [request.outcome for request in kaltura.requests].count("ok") == 7
    assert kaltura.session_calls.count("apptoken.startsession") == 2


def test_a_late_refusal_of_an_old_ks_does_not_throw_the_new_one_away() -> None:
    made = iter(["first", "second", "third"])
    token = SessionToken(Credentials("99", admin_secret="s"), lambda service, action, fields: next(made))
    first = token.get()
    token.discard(first)
    second = token.get()
    token.discard(first)
    assert (first, second, token.get()) == ("first", "second", "second")


def test_a_ready_ks_that_dies_is_refused_with_the_setting_to_change(kaltura: Running) -> None:
    ks = kaltura.tokens.start({"secret": DEMO.admin_secret, "partnerId": str(DEMO.partner_id), "type": "2"})
    with client(kaltura, ks=ks) as asking:
        asking.ask(QUERY, RequestStats())
        kaltura.tokens.expire_all()
        with pytest.raises(Refused, match="report 6000, events in .*KALTURA_KS is no longer valid") as caught:
            asking.ask(QUERY, RequestStats())
    assert ks not in everything_said(caught.value)
    assert len(kaltura.requests) == 2


def test_a_ready_ks_that_never_worked_is_not_taken_for_one_that_has_ended(kaltura: Running) -> None:
    ks = "a KS that was cut off as it was copied"
    with client(kaltura, ks=ks) as asking, pytest.raises(Refused, match="KALTURA_KS is not valid") as caught:
        asking.ask(QUERY, RequestStats())
    assert "KALTURA_BASE_URL is the region" in caught.value.advice
    assert ks not in everything_said(caught.value)


class Time:
    """A time that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 1_780_000_000.0
        self.clock = Clock(wall=lambda: self.now, steady=lambda: self.now - 1_779_000_000)


def app_token_answering(expiry: object, made: list[str], time: Time) -> SessionToken:
    def call(service: str, action: str, fields: Mapping[str, str]) -> Any:
        if service == "session":
            return {"ks": "widget"}
        made.append(f"ks {len(made)}")
        return {"ks": made[-1], "expiry": expiry}

    return SessionToken(Credentials("99", app_token_id="1_x", app_token="t"), call, time.clock)


def test_an_expiry_that_was_clipped_to_the_accounts_maximum_is_renewed_before_that() -> None:
    time, made = Time(), []
    token = app_token_answering(int(time.now) + 3600, made, time)
    assert token.get() == "ks 0"
    time.now += 3600 - 601
    assert token.get() == "ks 0"
    time.now += 2
    assert token.get() == "ks 1"


@pytest.mark.parametrize("expiry", [1_780_000_000 - 5, 0, "soon", None])
def test_an_expiry_that_tells_nothing_as_clocks_differ_does_not_ask_for_a_session_each_time(
    expiry: object,
) -> None:
    time, made = Time(), []
    token = app_token_answering(expiry, made, time)
    for _ in range(3):
        token.get()
    assert made == ["ks 0"]
    assert token.granted_seconds is None
    time.now += LIFETIME_SECONDS
    assert token.get() == "ks 1"


def test_a_clock_that_is_behind_does_not_take_the_ks_for_longer_than_it_was_asked_for() -> None:
    time, made = Time(), []
    token = app_token_answering(str(int(time.now) + 10 * LIFETIME_SECONDS), made, time)
    token.get()
    time.now += LIFETIME_SECONDS
    assert token.get() == "ks 1"


def test_a_session_of_seconds_is_still_used() -> None:
    time, made = Time(), []
    token = app_token_answering(int(time.now) + 60, made, time)
    token.get()
    time.now += 40
    assert token.get() == "ks 0"


def test_session_end_is_never_called_not_even_on_closing(kaltura: Running) -> None:
    with client(kaltura) as asking:
        asking.ask(QUERY, RequestStats())
        kaltura.tokens.expire_all()
        asking.ask(QUERY, RequestStats())
    assert "session.end" not in kaltura.session_calls


def test_a_session_that_somebody_else_ended_says_why_it_stays_dead(kaltura: Running) -> None:
    with client(kaltura) as asking:
        asking.ask(QUERY, RequestStats())
        kaltura.tokens.end({"ks": asking.session.get()})
        with pytest.raises(SessionInvalid, match="LOGOUT.*never call session.end"):
            asking.ask(QUERY, RequestStats())


@pytest.mark.parametrize(
    "reason",
    ["EXCEEDED_RESTRICTED_URI", "EXCEEDED_RESTRICTED_IP", "EXCEEDED_ACTIONS_LIMIT", "INVALID_USER", "INVALID_TYPE"],
)
def test_a_session_that_is_refused_for_its_privileges_is_not_renewed_in_vain(kaltura: Running, reason: str) -> None:
    kaltura.faults.add(Fault("refused_ks", value=reason, times=None))
    with client(kaltura) as asking, pytest.raises(Refused, match=reason):
        asking.ask(QUERY, RequestStats())
    assert len(kaltura.requests) == 1


@pytest.mark.parametrize(
    ("own_type", "privileges", "may_report"),
    [(None, "", True), (2, "", True), (0, "", False), (0, "setrole:REPORT_VIEWER_ROLE", True)],
)
def test_an_app_token_without_a_type_gets_the_admin_session_that_is_asked_for_and_its_own_type_wins(
    own_type: int | None, privileges: str, may_report: bool
) -> None:
    account = Account(app_token_type=own_type, app_token_privileges=privileges)
    with serving(ListedWorld(), credentials=account) as kaltura, client(kaltura) as asking:
        if may_report:
            asking.ask(QUERY, RequestStats())
        else:
            with pytest.raises(Refused, match="SERVICE_FORBIDDEN"):
                asking.ask(QUERY, RequestStats())
        assert asking.session.is_users is not may_report


# --- errors at the session calls ---------------------------------------------------------------------------------

FATAL = [("service_forbidden", Refused, "ANALYTICS_BASE"), ("report_not_found", Refused, "REPORT_NOT_FOUND")]
RETRIED = [
    ("rate_limit", RateLimited, "KALTURA_MAX_CONCURRENCY"),
    ("database_error", Unavailable, "INTERNAL_DATABASE_ERROR"),
    ("bad_gateway", Unavailable, "HTTP 502"),
    ("html", Unavailable, "not JSON"),
    ("zero_bytes", Unavailable, "not JSON"),
    ("reset", Unavailable, "the connection failed"),
]


@pytest.mark.parametrize(("kind", "expected", "says"), FATAL)
def test_a_fatal_error_at_a_session_call_is_asked_once_and_names_report_and_call(
    kaltura: Running, kind: Any, expected: type[KalturaError], says: str
) -> None:
    kaltura.faults.add(Fault(kind, on="session", times=None))
    with client(kaltura) as asking, pytest.raises(expected, match=says) as caught:
        asking.ask(QUERY, RequestStats())
    assert str(caught.value).startswith("report 6000, events in [")
    assert "session.startWidgetSession" in str(caught.value)
    assert len(kaltura.session_calls) == 1
    assert kaltura.requests == []


@pytest.mark.parametrize("after", [0, 1])
@pytest.mark.parametrize("kind", [kind for kind, _, _ in RETRIED])
def test_a_passing_error_at_either_call_of_an_app_token_is_survived(kaltura: Running, kind: Any, after: int) -> None:
    kaltura.faults.add(Fault(kind, on="session", times=2, after=after))
    with client(kaltura) as asking:
        asking.ask(QUERY, RequestStats())
    assert len(kaltura.session_calls) == 4


@pytest.mark.parametrize(("kind", "expected", "says"), RETRIED)
def test_a_lasting_error_at_a_session_call_is_given_up_after_six_tries_not_six_times_six(
    kaltura: Running, kind: Any, expected: type[KalturaError], says: str
) -> None:
    kaltura.faults.add(Fault(kind, on="session", times=None))
    with client(kaltura) as asking, pytest.raises(expected, match=says) as caught:
        asking.ask(QUERY, RequestStats())
    assert len(kaltura.session_calls) == 6
    assert str(caught.value).startswith("report 6000, events in [")


def test_a_widget_ks_that_is_refused_gets_a_second_one_and_no_third(kaltura: Running) -> None:
    kaltura.faults.add(Fault("expired_ks", on="session", after=1))
    with client(kaltura) as asking:
        asking.ask(QUERY, RequestStats())
    assert kaltura.session_calls == ["session.startwidgetsession", "apptoken.startsession"] * 2
    kaltura.session_calls.clear()
    kaltura.faults.add(Fault("echoed_ks", on="session", times=None, after=1))
    with client(kaltura) as asking, pytest.raises(SessionInvalid) as caught:
        asking.ask(QUERY, RequestStats())
    assert len(kaltura.session_calls) == 3
    assert not [secret for secret in secrets_of(kaltura) if secret in everything_said(caught.value)]


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        # pragma: allowlist nextline secret
        ({"admin_secret": "wrong-secret-of-nobody"}, "START_SESSION_ERROR.*KALTURA_ADMIN_SECRET"),
        ({"app_token_id": "1_none", "app_token": "wrong-secret-of-nobody"}, "APP_TOKEN_ID_NOT_FOUND.*_TOKEN_ID"),
        ({"app_token_id": DEMO.app_token_id, "app_token": "wrong-secret-of-nobody"}, "INVALID_APP_TOKEN_HASH.*_HASH"),
    ],
)
def test_wrong_credentials_are_tried_once_and_not_shown(
    kaltura: Running, caplog: pytest.LogCaptureFixture, settings: dict[str, str], says: str
) -> None:
    caplog.set_level(logging.DEBUG)
    with client(kaltura, **settings) as asking, pytest.raises(Refused, match=says) as caught:
        asking.ask(QUERY, RequestStats())
    assert "wrong-secret-of-nobody" not in everything_said(caught.value) + caplog.text
    assert kaltura.requests == []


def test_a_partner_of_another_region_is_told_to_check_the_address(kaltura: Running) -> None:
    credentials = Credentials("123", app_token_id=DEMO.app_token_id, app_token=DEMO.app_token)
    asking = Client(kaltura.base_url, credentials)
    with pytest.raises(Refused, match="INVALID_WIDGET_ID.*KALTURA_PARTNER_ID and the region"):
        asking.ask(QUERY, RequestStats())
    asking.close()


@pytest.mark.parametrize("reply", [{}, {"ks": ""}, {"ks": 5}, [], "text", None])
def test_a_reply_that_holds_no_session_is_refused(reply: object) -> None:
    token = SessionToken(Credentials("99", app_token_id="1_x", app_token="t"), lambda *_: reply)
    with pytest.raises(Refused, match="KALTURA_BASE_URL"):
        token.get()


def test_no_secret_is_in_any_repr(kaltura: Running) -> None:
    credentials = Credentials("99", app_token_id="1_x", app_token="hidden-a", admin_secret="hidden-b", ks="hidden-c")
    asking = Client(kaltura.base_url, credentials)
    assert "hidden" not in repr(credentials) + repr(asking) + repr(asking.session) + str(credentials)
    asking.close()


# --- a KS of another account -----------------------------------------------------------------------------------------


def made_ks(version: int, partner_id: int, rest: bytes) -> str:
    """As Kaltura makes them: base64 of what is encrypted, or of the fields behind their digest."""
    if version == 2:
        return base64.b64encode(f"v2|{partner_id}|".encode() + rest, b"-_").decode()
    fields = f"{partner_id};{partner_id};1793000000;2;0.5;ada;edit:*;;".encode() + rest
    return base64.b64encode(f"{hashlib.sha1(rest).hexdigest()}|".encode() + fields).decode()


@pytest.mark.parametrize("strip", ["", "="], ids=["whole", "without its padding"])
@given(st.sampled_from([1, 2]), st.integers(-9, 10**10), st.integers(0, 10**10), st.binary(min_size=16, max_size=96))
@example(2, 4711, 4711, b"0" * 16)
@example(1, 4711, 4711, b"0" * 16)
def test_a_ks_of_another_account_is_refused_and_nothing_of_it_is_told(
    strip: str, version: int, of: int, partner_id: int, rest: bytes
) -> None:
    """Its rows would be stored under this account's id."""
    for signed_by in (of, partner_id):
        ks = made_ks(version, signed_by, rest).rstrip(strip or None)
        if signed_by == partner_id:
            assert Credentials(f" {partner_id:05}\n", ks=ks).ks == ks
            continue
        with pytest.raises(Refused, match="KALTURA_KS is a session of another account") as refusal:
            Credentials(str(partner_id), ks=ks)
        said = everything_said(refusal.value)
        assert str(refusal.value) in said
        assert not any(ks[n : n + 12] in said for n in range(len(ks) - 11))
        # One that is not used, as there is a better way in, tells nothing of the account that is asked.
        assert Credentials(str(partner_id), ks=ks, admin_secret="x").admin_secret == "x"  # pragma: allowlist secret


@given(st.text() | st.binary().map(lambda told: base64.b64encode(told).decode()))
def test_a_ks_that_names_no_account_in_clear_is_left_for_kaltura_to_judge(text: str) -> None:
    assume(text.strip())
    assert account_of(text) is None
    assert Credentials("99", ks=text).ks == text.strip()
