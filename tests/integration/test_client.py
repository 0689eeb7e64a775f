"""The conversation with Kaltura over real HTTP: what a reply means, what is asked again, what is never said aloud."""

import gzip
import json
import logging
import socket
import ssl
import threading
import time
import traceback
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from resources.kaltura import body as body_module
from resources.kaltura import client as client_module
from resources.kaltura.client import ATTEMPTS, SERVER_FAULT_ATTEMPTS, Client, RequestStats
from resources.kaltura.errors import (
    BadReply,
    ColumnMissing,
    CutOff,
    FilterIgnored,
    KalturaError,
    RateLimited,
    Refused,
    ServerFault,
    SessionInvalid,
    TimedOut,
    Unavailable,
    UnknownCode,
)
from resources.kaltura.query import CAMEL_DATES, SNAKE_DATES, Filter, Query, Source
from resources.kaltura.session import Credentials
from resources.kaltura.windows import Window
from simulator import Breakout, Fault, ListedWorld, Running, Session, User, View, serving
from simulator.reports import ATTENDEE_COLUMNS, BREAKOUT_COLUMNS, SESSION_COLUMNS
from tests.certificates import Certificate
from tests.conftest import client_of

NOON = 1_780_056_000  # 2026-05-29
HOUR = 3600
DAY = Window.around(NOON - 12 * HOUR, NOON + 12 * HOUR)

ENTRY, CUE, EVENT = (
    Filter("entry_ids", "entry_id"),
    Filter("cue_point_ids", "cue_point_id"),
    Filter("virtual_event_ids", None),
)
PARENT = Filter("parentEntryIds", "parent_entry_id")
USERS = Filter("user_ids", "user_id", names_people=True)
PERSONAL = ("user_name", "user_email")
ROOMS = Source(6000, SESSION_COLUMNS, (), frozenset({*SESSION_COLUMNS} - {"entry_name"}), ENTRY, (ENTRY, EVENT))
PEOPLE = Source(
    6001, ATTENDEE_COLUMNS, PERSONAL, frozenset({*ATTENDEE_COLUMNS} - {"user_name"}), CUE, (CUE, EVENT, USERS)
)
BREAKOUTS = Source(6002, BREAKOUT_COLUMNS, (), frozenset(BREAKOUT_COLUMNS), PARENT, (PARENT, EVENT))

ADA = User(1, "ada.example", "Ada Example", "ada@example.edu", "User")
BO = User(2, "bo.example", "Bo Sample", "bo@example.edu", "User")
LECTURE = Session("1_lecture", "Numbers", "", "1_cue", NOON, NOON + HOUR, "host")
SEMINAR = Session("1_seminar", "Words", "", "1_cuf", NOON, NOON + HOUR, "host")
GROUP = Breakout("1_lecture", "Numbers", "1_group", "Group 1", "1_cug", "host", NOON, NOON + HOUR)
WORLD = ListedWorld(
    [LECTURE, SEMINAR],
    [GROUP],
    [
        View(entry, cue, user, NOON, NOON + HOUR, ((NOON, NOON + HOUR),))
        for entry, cue in (("1_lecture", "1_cue"), ("1_seminar", "1_cuf"), ("1_group", "1_cug"))
        for user in (ADA, BO)
    ],
)


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with serving(WORLD) as running:
        yield running


@pytest.fixture
def kaltura(server: Running) -> Running:
    server.faults.clear()
    server.requests.clear()
    server.session_calls.clear()
    server.row_cap, server.breakout_dates, server.empty_report = 100_000, "both", "newline"
    return server


@pytest.fixture
def asking(kaltura: Running) -> Iterator[Client]:
    with client_of(kaltura) as opened:
        opened.session.get()
        yield opened


def everything_said(error: BaseException) -> str:
    return "".join(traceback.format_exception(error)) + repr(error) + str(error)


def assert_holds_no_secret(text: str, kaltura: Running) -> None:
    leaked = [secret for secret in (kaltura.app_token, kaltura.admin_secret, *kaltura.tokens._issued) if secret in text]
    assert not leaked


# --- errors of section 5, as the stand-in makes them -----------------------------------------------------------------

FATAL = [
    ("service_forbidden", Refused, "SERVICE_FORBIDDEN", "ANALYTICS_BASE"),
    ("report_not_found", Refused, "REPORT_NOT_FOUND", "Rooms analytics"),
    ("timeout", TimedOut, "DRUID_QUERY_TIMED_OUT", "smaller parts"),
]
RETRIED = [
    ("rate_limit", RateLimited, "ACTION_BLOCKED", "KALTURA_MAX_CONCURRENCY"),
    ("database_error", Unavailable, "INTERNAL_DATABASE_ERROR", "later"),
    ("bad_gateway", Unavailable, "HTTP 502", "later"),
    ("html", Unavailable, "a page came back", "later"),
    ("reset", Unavailable, "the connection failed", "later"),
    ("zero_bytes", Unavailable, "the reply is empty", "later"),
    ("short_body", Unavailable, "the connection failed", "later"),
]


@pytest.mark.parametrize(("kind", "expected", "what", "advice"), FATAL)
def test_a_fatal_error_is_asked_once_and_says_report_window_and_remedy(
    kaltura: Running, asking: Client, kind: Any, expected: type[KalturaError], what: str, advice: str
) -> None:
    kaltura.faults.add(Fault(kind, times=None))
    stats = RequestStats()
    with pytest.raises(expected) as caught:
        asking.ask(Query(ROOMS, DAY), stats)
    message = str(caught.value)
    assert message.startswith("report 6000, events in [2026-05-29 00:00, 2026-05-30 00:00) UTC: ")
    assert what in message
    assert advice in message
    assert "(X-Kaltura-Session " in message
    assert ", X-Me simulated-front-1)" in message
    assert (stats.requests, len(kaltura.requests)) == (1, 1)
    assert stats.kaltura_session in message
    assert_holds_no_secret(everything_said(caught.value), kaltura)


@pytest.mark.parametrize("kind", [kind for kind, *_ in RETRIED])
def test_a_passing_error_is_asked_again_until_it_is_answered(kaltura: Running, asking: Client, kind: Any) -> None:
    kaltura.faults.add(Fault(kind, times=3))
    stats = RequestStats()
    assert asking.ask(Query(ROOMS, DAY), stats).rows.received == 2
    assert stats.requests == 4


@pytest.mark.parametrize(("kind", "expected", "what", "advice"), RETRIED)
def test_an_error_that_persists_is_given_up_after_a_bounded_number_of_tries(
    kaltura: Running, asking: Client, kind: Any, expected: type[KalturaError], what: str, advice: str
) -> None:
    kaltura.faults.add(Fault(kind, times=None))
    stats = RequestStats()
    with pytest.raises(expected) as caught:
        asking.ask(Query(ROOMS, DAY), stats)
    assert (stats.requests, len(kaltura.requests)) == (ATTEMPTS, ATTEMPTS)
    assert str(caught.value).startswith("report 6000, events in [")
    assert what in str(caught.value)
    assert advice in str(caught.value)
    assert_holds_no_secret(everything_said(caught.value), kaltura)


def test_an_internal_error_passes_but_is_a_configuration_error_after_three_tries(
    kaltura: Running, asking: Client
) -> None:
    kaltura.faults.add(Fault("internal_error", times=2))
    asking.ask(Query(ROOMS, DAY), RequestStats())
    kaltura.faults.add(Fault("internal_error", times=None))
    stats = RequestStats()
    with pytest.raises(ServerFault, match="wrong or missing parameter.*make doctor"):
        asking.ask(Query(ROOMS, DAY), stats)
    assert stats.requests == SERVER_FAULT_ATTEMPTS == 3


def test_a_ks_that_is_echoed_is_in_no_message_log_or_traceback(
    kaltura: Running, asking: Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    kaltura.faults.add(Fault("echoed_ks", times=None))
    with pytest.raises(SessionInvalid) as caught:
        asking.ask(Query(ROOMS, DAY), RequestStats())
    assert len(kaltura.requests) == 2
    assert_holds_no_secret(everything_said(caught.value) + caplog.text, kaltura)


def test_each_pause_is_logged_once_under_kaltura_and_nowhere_else(
    kaltura: Running, asking: Client, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.INFO)
    kaltura.faults.add(Fault("database_error", times=None))
    with pytest.raises(Unavailable):
        asking.ask(Query(ROOMS, DAY), RequestStats())
    warnings = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert {record.name for record in warnings} == {"kaltura"}
    assert len(warnings) == ATTEMPTS - 1  # the last failure is not followed by another try
    assert all("report 6000" in r.getMessage() and "asked again in" in r.getMessage() for r in warnings)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("kind", ["bad_gateway", "rate_limit"])
def test_pauses_are_bounded_grow_and_differ_between_clients(
    kaltura: Running, asking: Client, monkeypatch: pytest.MonkeyPatch, kind: Any
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(client_module._RetryPolicy, "_sleep", lambda _, seconds: pauses.append(seconds))
    asking._pause_scale = 1.0
    for _ in range(2):
        kaltura.faults.add(Fault(kind, times=ATTEMPTS))
        with pytest.raises(Unavailable):
            asking.ask(Query(ROOMS, DAY), RequestStats())
    first, second = pauses[: ATTEMPTS - 1], pauses[ATTEMPTS - 1 :]
    assert first != second
    assert min(pauses) > 0
    assert max(pauses) <= 62
    if kind == "rate_limit":
        assert min(pauses) >= 10
    else:
        assert first == sorted(first)


def test_people_asked_for_are_repeated_in_a_replys_header_and_in_no_log(
    kaltura: Running, asking: Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    query = Query(PEOPLE, DAY, {USERS: [ADA.user_id]})
    raw = asking.raw(query, RequestStats())
    assert ADA.user_id in raw.headers["content-disposition"]
    said = caplog.text + "".join(str(vars(record)) for record in caplog.records) + repr(raw) + str(query)
    assert ADA.user_id not in said


def test_people_are_matched_without_case_and_come_back_in_their_own_other_ids_are_not(
    kaltura: Running, asking: Client
) -> None:
    reply = asking.ask(Query(PEOPLE, DAY, {USERS: [ADA.user_id.upper()]}), RequestStats())
    assert set(reply.rows.frame["user_id"]) == {ADA.user_id}
    kaltura.faults.add(Fault("ignore_filters", times=None))
    for filter_, asked in ((USERS, "NO.BODY"), (CUE, "1_CUE")):
        with pytest.raises(FilterIgnored):
            asking.ask(Query(PEOPLE, DAY, {filter_: [asked]}), RequestStats())


def test_nothing_that_is_logged_or_sent_in_an_address_holds_a_secret(
    kaltura: Running, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, "httpx")  # which alerts, where they are in use, keep quiet
    kaltura.faults.add(Fault("expired_ks"), Fault("reset"), Fault("html"), Fault("rate_limit"))
    for secret in (
        {"app_token_id": kaltura.app_token_id, "app_token": kaltura.app_token},
        {"admin_secret": kaltura.admin_secret},
    ):
        asking = Client(kaltura.base_url, Credentials(str(kaltura.partner_id), **secret), pause_scale=0.001)
        asking.ask(Query(PEOPLE, DAY), RequestStats())
        asking.close()
    loggers = {record.name.split(".")[0] for record in caplog.records}
    assert {"httpx", "kaltura"} <= loggers
    assert "httpcore" not in loggers  # it would write down every header of a reply
    said = caplog.text + "".join(str(vars(record)) for record in caplog.records)
    assert_holds_no_secret(said, kaltura)
    assert ADA.email not in said
    assert {request.method for request in kaltura.requests} == {"POST"}


# --- errors as raw replies -------------------------------------------------------------------------------------------


class Scripted:
    """A server that answers reports with one reply after another (the last again and again), and notes what came."""

    def __init__(self) -> None:
        self.replies: list[tuple[int, dict[str, str], bytes]] = []
        self.lines: list[str] = []
        self.bodies: list[str] = []
        self.url = ""

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        self.lines.append(f"{handler.requestline} {dict(handler.headers)}")
        self.bodies.append(handler.rfile.read(int(handler.headers["content-length"])).decode())
        status, headers, body = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        handler.send_response(status)
        for name, value in {"content-length": str(len(body)), **headers}.items():
            if value:
                handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)


@contextmanager
def listening(context: ssl.SSLContext | None = None) -> Iterator[Scripted]:
    script = Scripted()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            script.answer(self)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        if context:
            http.socket = context.wrap_socket(http.socket, server_side=True)
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        script.url = f"{'https' if context else 'http'}://127.0.0.1:{http.server_port}"
        yield script
        http.shutdown()


@pytest.fixture(scope="module")
def scripted_server() -> Iterator[Scripted]:
    with listening() as script:
        yield script


KS = "djJ8OTk5OXw+/Ab" * 8 + "=="


@pytest.fixture
def scripted(scripted_server: Scripted) -> Scripted:
    scripted_server.lines.clear()
    scripted_server.bodies.clear()
    return scripted_server


@pytest.fixture
def scripted_client(scripted: Scripted) -> Iterator[Client]:
    opened = Client(scripted.url, Credentials("9999", ks=KS), pause_scale=0.001)
    yield opened
    opened.close()


def json_error(code: str, message: str = "no", args: object = None) -> bytes:
    document = {"code": code, "message": message, "objectType": "KalturaAPIException", "args": args or []}
    return json.dumps(document).encode()


def xml_error(code: str, message: str = "no", args: object = None) -> bytes:
    items = args if isinstance(args, dict) else {}
    inner = "".join(f"<item><name>{name}</name><value>{value}</value></item>" for name, value in items.items())
    return (
        f'<?xml version="1.0" encoding="utf-8"?><xml><result><error><code>{code}</code><message>{message}</message>'
        f"<args>{inner}</args></error></result></xml>"
    ).encode()


BY_CODE = [
    ("INVALID_KS", Refused),  # of a ready KS, which can't be renewed
    ("MISSING_KS", Refused),
    ("SERVICE_FORBIDDEN", Refused),
    ("START_SESSION_ERROR", Refused),
    ("APP_TOKEN_ID_NOT_FOUND", Refused),
    ("APP_TOKEN_NOT_ACTIVE", Refused),
    ("APP_TOKEN_SOMETHING_NEW", Refused),
    ("INVALID_APP_TOKEN_HASH", Refused),
    ("REPORT_NOT_FOUND", Refused),
    ("INVALID_PARAMETER_CHAR", Refused),
    ("A_CODE_OF_NEXT_YEAR", UnknownCode),
    ("ACTION_BLOCKED", RateLimited),
    ("DRUID_QUERY_TIMED_OUT", TimedOut),
    ("INTERNAL_SERVERL_ERROR", ServerFault),
    ("INTERNAL_DATABASE_ERROR", Unavailable),
]


@pytest.mark.parametrize(("code", "expected"), BY_CODE)
@pytest.mark.parametrize("shape", ["json", "xml", "header"])
def test_every_code_is_the_same_error_in_all_shapes(
    scripted: Scripted, scripted_client: Client, code: str, expected: type[KalturaError], shape: str
) -> None:
    body = {"json": json_error(code), "xml": xml_error(code), "header": b""}[shape]
    headers = {"X-Kaltura": f"error- {code}"} if shape == "header" else {}
    scripted.replies = [(200, {**headers, "X-Kaltura-Session": "4711", "X-Me": "front-3"}, body)]
    with pytest.raises(expected) as caught:
        scripted_client.ask(Query(PEOPLE, DAY), RequestStats())
    error = caught.value
    assert type(error) is expected
    assert str(error).startswith("report 6001, events in [")
    assert error.advice
    assert KS not in everything_said(error)
    if code != "INVALID_KS":
        assert error.code == code
        assert error.kaltura_session == "4711, X-Me front-3"
        assert code in str(error)
    tries = {RateLimited: ATTEMPTS, Unavailable: ATTEMPTS, ServerFault: SERVER_FAULT_ATTEMPTS}.get(expected, 1)
    assert len(scripted.bodies) == tries


ECHOES: dict[str, Callable[[str], str]] = {
    "plain": str,
    "encoded": lambda ks: httpx.QueryParams({"k": ks})["k"] and str(httpx.QueryParams({"k": ks}))[2:],
    "escaped": lambda ks: ks.replace("/", "\\/"),
    "its beginning": lambda ks: ks[:40],
}


@pytest.mark.parametrize("shape", [json_error, xml_error])
@pytest.mark.parametrize("echo", ECHOES)
@pytest.mark.parametrize("where", ["message", "args", "both"])
def test_an_invalid_ks_that_quotes_the_ks_is_told_without_it(
    scripted: Scripted,
    scripted_client: Client,
    caplog: pytest.LogCaptureFixture,
    shape: Callable[..., bytes],
    echo: str,
    where: str,
) -> None:
    caplog.set_level(logging.DEBUG)
    echoed = ECHOES[echo](KS)
    message = f'Invalid KS "{echoed}", Error "-1,INVALID_STR"' if where != "args" else "Invalid KS"
    args = {"KSID": echoed, "ERR_CODE": "-1", "ERR_DESC": "INVALID_STR"} if where != "message" else None
    scripted.replies = [(200, {}, shape("INVALID_KS", message, args))]
    with pytest.raises(SessionInvalid) as caught:
        scripted_client.post_report(Query(ROOMS, DAY), KS)
    assert echoed not in everything_said(caught.value) + caplog.text
    assert KS[:20] not in everything_said(caught.value) + caplog.text
    assert "INVALID_KS" in str(caught.value)
    assert "INVALID_STR" not in str(caught.value)  # which the server says for every reason


REASONS = {
    "EXPIRED": (SessionInvalid, ""),
    "LOGOUT": (SessionInvalid, "session.end"),
    "EXCEEDED_RESTRICTED_URI": (Refused, "urirestrict"),
    "EXCEEDED_RESTRICTED_IP": (Refused, "iprestrict"),
    "EXCEEDED_ACTIONS_LIMIT": (Refused, "actionslimit"),
    "INVALID_PARTNER": (Refused, "KALTURA_PARTNER_ID"),
    "INVALID_USER": (Refused, "KALTURA_USER_ID"),
    "INVALID_TYPE": (Refused, "ADMIN"),
    "LKS_DISABLED": (Refused, "KALTURA_KS"),
}


@pytest.mark.parametrize("shape", [json_error, xml_error])
@pytest.mark.parametrize("reason", REASONS)
def test_the_reason_of_a_refused_session_is_read_from_ksid_alone_and_has_words_of_its_own(
    scripted: Scripted, scripted_client: Client, shape: Callable[..., bytes], reason: str
) -> None:
    expected, says = REASONS[reason]
    args = {"KSID": reason, "ERR_CODE": "-1", "ERR_DESC": "INVALID_STR"}
    scripted.replies = [(200, {}, shape("INVALID_KS", f'Invalid KS "{reason}", Error "-1,INVALID_STR"', args))]
    with pytest.raises(expected) as caught:
        scripted_client.post_report(Query(ROOMS, DAY), KS)
    assert f"INVALID_KS ({reason})" in str(caught.value)
    assert says in caught.value.advice


@pytest.mark.parametrize("word", ["ERR_DESC", "A_KS_THAT_READS_LIKE_A_WORD", "expired"])
def test_a_word_that_is_no_known_reason_may_be_a_session_and_is_not_repeated(
    scripted: Scripted, scripted_client: Client, word: str
) -> None:
    args = {"KSID": word, "ERR_CODE": "-1", "ERR_DESC": "LOGOUT"}
    scripted.replies = [(200, {}, json_error("INVALID_KS", word, args))]
    with pytest.raises(SessionInvalid) as caught:
        scripted_client.post_report(Query(ROOMS, DAY), KS)
    assert word not in str(caught.value)
    assert "LOGOUT" not in str(caught.value)


def test_an_error_that_comes_as_a_document_and_in_the_header_is_one_message_with_its_text(
    scripted: Scripted, scripted_client: Client
) -> None:
    headers = {"X-Kaltura": "error- SERVICE_FORBIDDEN"}
    scripted.replies = [(200, headers, json_error("SERVICE_FORBIDDEN", "The access to [report] is forbidden"))]
    with pytest.raises(Refused, match=r"SERVICE_FORBIDDEN: The access to \[report\] is forbidden.*ANALYTICS_BASE"):
        scripted_client.post_report(Query(ROOMS, DAY), KS)


@pytest.mark.parametrize("echo", ["plain", "encoded", "escaped"])
def test_another_error_that_quotes_the_ks_is_told_without_it(
    scripted: Scripted, scripted_client: Client, echo: str
) -> None:
    echoed = ECHOES[echo](KS)
    scripted.replies = [(200, {"X-Me": KS}, json_error("SOME_CODE", f"could not use {echoed} here"))]
    with pytest.raises(Refused, match="could not use .redacted. here") as caught:
        scripted_client.ask(Query(ROOMS, DAY), RequestStats())
    assert KS not in everything_said(caught.value)


def test_a_message_of_an_xml_error_is_read_without_its_entities(scripted: Scripted, scripted_client: Client) -> None:
    scripted.replies = [(200, {}, xml_error("SOME_CODE", "a &quot;b&quot; &amp; c"))]
    with pytest.raises(Refused, match='SOME_CODE: a "b" & c'):
        scripted_client.ask(Query(ROOMS, DAY), RequestStats())


GOOD = b"\xef\xbb\xbf" + ",".join(SESSION_COLUMNS).encode() + b"\n"


@pytest.mark.parametrize(
    ("reply", "expected", "says"),
    [
        ((500, {"X-Kaltura": "error- REPORT_NOT_FOUND"}, json_error("MISSING_KS")), Unavailable, "HTTP 500"),
        ((200, {"X-Kaltura": "error- REPORT_NOT_FOUND"}, json_error("MISSING_KS")), Refused, "REPORT_NOT_FOUND"),
        ((200, {"X-Kaltura": "ERROR- REPORT_NOT_FOUND"}, GOOD), Refused, "REPORT_NOT_FOUND"),
        ((200, {"X-Kaltura": "error-"}, b""), UnknownCode, "an error without a code"),
        ((200, {}, b"\xef\xbb\xbf" + json_error("MISSING_KS")), Refused, "MISSING_KS"),
        ((200, {}, b"\n " + xml_error("MISSING_KS")), Refused, "MISSING_KS"),
        ((200, {}, b'{"code": 5'), Unavailable, "a page came back"),
        ((200, {}, b"{}"), Unavailable, "a page came back"),
        ((200, {}, b"null"), Unavailable, "a page came back"),
        ((200, {}, b""), Unavailable, "the reply is empty"),
        ((204, {}, b""), Unavailable, "the reply is empty"),
        ((200, {"content-length": "9999"}, GOOD), Unavailable, "the connection failed"),
        ((200, {"content-length": ""}, GOOD + b"1_a,half a li"), Unavailable, "broke off within a line"),
        ((200, {}, GOOD + b"1_a,half a line of a gateway that has counted it"), Unavailable, "broke off within a line"),
        ((200, {}, GOOD.rstrip(b"\n")), Unavailable, "broke off within a line"),
        ((200, {"content-encoding": "gzip"}, GOOD), Unavailable, "can.t be unpacked"),
        ((200, {"content-type": "text/csv"}, GOOD.removeprefix(b"\xef\xbb\xbf")), BadReply, "without the mark"),
        ((429, {}, b""), RateLimited, "HTTP 429"),
        ((408, {}, b""), Unavailable, "HTTP 408"),
        ((504, {}, b"<html>"), Unavailable, "HTTP 504"),
        ((403, {}, b"<html>"), Refused, "firewall"),
        ((407, {}, b"<html>"), Refused, "KALTURA_BASE_URL"),
        ((404, {}, b"<html>"), Refused, "KALTURA_BASE_URL"),
        ((413, {}, b"<html>"), Refused, "too large for a gateway"),
    ],
)
def test_what_a_reply_means_is_decided_in_the_order_of_section_5(
    scripted: Scripted,
    scripted_client: Client,
    reply: tuple[int, dict[str, str], bytes],
    expected: type[KalturaError],
    says: str,
) -> None:
    scripted.replies = [reply]
    with pytest.raises(expected, match=says) as caught:
        scripted_client.ask(Query(ROOMS, DAY), RequestStats())
    assert type(caught.value) is expected
    assert len(scripted.bodies) == (1 if issubclass(expected, (Refused, BadReply)) else ATTEMPTS)


def test_a_whole_report_without_a_length_is_taken(scripted: Scripted, scripted_client: Client) -> None:
    scripted.replies = [(200, {"content-length": ""}, GOOD)]
    assert scripted_client.ask(Query(ROOMS, DAY), RequestStats()).rows.received == 0


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_refused_as_it_would_carry_the_ks_to_another_host(
    scripted: Scripted, scripted_client: Client, status: int
) -> None:
    scripted.replies = [(status, {"location": f"https://elsewhere.example/login?from=/api&ks={KS}"}, b"")]
    with pytest.raises(Refused, match=rf"HTTP {status} sends .* to https://elsewhere.example, .*KALTURA_BASE_URL") as e:
        scripted_client.ask(Query(ROOMS, DAY), RequestStats())
    assert KS not in everything_said(e.value)
    assert len(scripted.bodies) == 1


@pytest.mark.parametrize("location", ["", "/other", "https://[", "//"])
def test_a_redirect_to_nowhere_is_refused_too(scripted: Scripted, scripted_client: Client, location: str) -> None:
    scripted.replies = [(302, {"location": location}, b"")]
    with pytest.raises(Refused, match="not followed"):
        scripted_client.ask(Query(ROOMS, DAY), RequestStats())


def test_everything_is_posted_and_the_address_holds_nothing(scripted: Scripted, scripted_client: Client) -> None:
    scripted.replies = [(200, {}, GOOD)]
    scripted_client.ask(
        Query(ROOMS, DAY, {ENTRY: ["1_a", "1_b"]}, limit=7), RequestStats(), excluded_columns=("entry_name",)
    )
    assert KS not in scripted.lines[0]
    assert scripted.lines[0].startswith("POST /api_v3/service/report/action/getCsvFromStringParams HTTP/1.1 ")
    fields = dict(httpx.QueryParams(scripted.bodies[0]))
    start, end = DAY.start, DAY.end
    assert fields == {
        "ks": KS,
        "format": "1",
        "nocache": "1",
        "id": "6000",
        "excludedFields": "entry_name",
        "params": f"from_date={start};to_date={end};fromDate={start};toDate={end};entry_ids=1_a,1_b;limit=7",
    }


def test_a_reply_without_end_is_stopped_at_the_bound(
    scripted: Scripted, scripted_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(body_module, "REPLY_LIMIT_BYTES", 1000)
    scripted.replies = [(200, {}, GOOD + b"x" * 100_000)]
    with pytest.raises(BadReply, match="larger than 1,000 bytes"):
        scripted_client.ask(Query(ROOMS, DAY), RequestStats())
    assert len(scripted.bodies) == 1


def test_the_bound_is_on_what_a_packed_reply_unpacks_to(
    scripted: Scripted, scripted_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(body_module, "REPLY_LIMIT_BYTES", 1_000_000)
    bomb = gzip.compress(GOOD + b"x" * 20_000_000)
    assert len(bomb) < 50_000
    scripted.replies = [(200, {"content-encoding": "gzip"}, bomb)]
    with pytest.raises(BadReply, match="larger than 1,000,000 bytes"):
        scripted_client.ask(Query(ROOMS, DAY), RequestStats())
    scripted.replies = [(200, {"content-encoding": "gzip"}, gzip.compress(GOOD))]
    assert scripted_client.ask(Query(ROOMS, DAY), RequestStats()).rows.received == 0


@pytest.mark.parametrize("bits", [zlib.MAX_WBITS, -zlib.MAX_WBITS])
@pytest.mark.parametrize("beyond", [1, 200, 257])
def test_what_has_no_room_in_the_last_piece_is_read_too(bits: int, beyond: int) -> None:
    content = b"a" * (body_module.PIECE_BYTES + beyond)
    packer = zlib.compressobj(wbits=bits)
    packed = packer.compress(content) + packer.flush()
    reply = httpx.Response(200, headers={"content-encoding": "deflate"}, content=iter([packed]))
    assert body_module.read(reply, "", time.monotonic() + 60) == content


@pytest.mark.parametrize("at", [0, 1, len(GOOD) // 2, len(GOOD)])
def test_a_reply_that_is_packed_in_parts_is_read_to_its_end(
    scripted: Scripted, scripted_client: Client, at: int
) -> None:
    line = b"1_room,1_cue\n"
    body = GOOD + line * 3
    packed = gzip.compress(body[:at]) + gzip.compress(body[at : len(GOOD)]) + gzip.compress(body[len(GOOD) :])
    scripted.replies = [(200, {"content-encoding": "gzip"}, packed)]
    rows = scripted_client.ask(Query(ROOMS, DAY), RequestStats()).rows
    assert rows.line_count == 3


@pytest.mark.parametrize("after", [b"\n", b"1_room,1_cue\n", gzip.compress(GOOD)[:-9]])
def test_what_follows_a_packed_reply_and_can_not_be_unpacked_is_no_end_to_pass_over(
    scripted: Scripted, scripted_client: Client, after: bytes
) -> None:
    packed = (200, {"content-encoding": "gzip"}, gzip.compress(GOOD) + after)
    scripted.replies = [packed] * 9
    with pytest.raises(Unavailable):
        scripted_client.ask(Query(ROOMS, DAY), RequestStats())


@pytest.mark.parametrize("encoding", ["gzip, gzip", "gzip,deflate", "br", "zstd"])
def test_a_reply_that_is_packed_twice_or_otherwise_is_refused_unopened(
    scripted: Scripted, scripted_client: Client, encoding: str
) -> None:
    scripted.replies = [(200, {"content-encoding": encoding}, gzip.compress(gzip.compress(GOOD)))]
    with pytest.raises(BadReply, match="which was not asked for"):
        scripted_client.ask(Query(ROOMS, DAY), RequestStats())


def test_json_that_is_nested_thousands_deep_is_a_page_and_no_crash(scripted: Scripted, scripted_client: Client) -> None:
    scripted.replies = [(200, {}, b'{"a":' * 10_000)]
    with pytest.raises(Unavailable, match="a page came back"):
        scripted_client.ask(Query(ROOMS, DAY), RequestStats())
    scripted.replies = [(200, {}, b'{"a":' * 1_000_000)]
    with pytest.raises(BadReply, match="a line of the reply is longer"):
        scripted_client.ask(Query(ROOMS, DAY), RequestStats())


def test_an_xml_error_can_not_blow_its_entities_up(scripted: Scripted, scripted_client: Client) -> None:
    bomb = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>'
    scripted.replies = [(200, {}, bomb + xml_error("A_CODE_OF_NEXT_YEAR", "&b;&b;&b;"))]
    with pytest.raises(Refused, match="&b;&b;&b;"):
        scripted_client.ask(Query(ROOMS, DAY), RequestStats())


def test_what_a_server_says_sends_no_commands_to_a_terminal_and_adds_no_line_to_a_log(
    scripted: Scripted, scripted_client: Client
) -> None:
    scripted.replies = [(200, {}, json_error("A_CODE", "no\x1b]0;owned\x07\n2026-01-01 all is well\r\u202e\x9b2J"))]
    with pytest.raises(Refused) as caught:
        scripted_client.ask(Query(ROOMS, DAY), RequestStats())
    assert str(caught.value).isprintable()
    assert "A_CODE: no" in str(caught.value)


def test_a_reply_that_comes_by_drops_does_not_hold_a_run_for_ever(
    scripted: Scripted, scripted_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "REPLY_LIMIT_SECONDS", -1)
    scripted.replies = [(200, {}, GOOD)]
    with pytest.raises(Unavailable, match="no answer in time"):
        scripted_client.ask(Query(ROOMS, DAY), RequestStats())


def test_a_server_that_does_not_answer_in_time_is_asked_again_and_given_up(kaltura: Running, asking: Client) -> None:
    asking._http.timeout = httpx.Timeout(0.05)
    kaltura.faults.add(Fault("slow", seconds=0.4, times=None))
    with pytest.raises(Unavailable, match="no answer in time .ReadTimeout."):
        asking.ask(Query(ROOMS, DAY), RequestStats())
    assert client_module.READ_TIMEOUT_SECONDS >= 300


def test_nobody_listening_is_retried_and_tells_which_setting_holds_the_address() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    asking = Client(f"http://127.0.0.1:{port}", Credentials("9999", ks=KS), pause_scale=0.0)
    stats = RequestStats()
    with pytest.raises(Unavailable, match="ConnectError.*KALTURA_BASE_URL"):
        asking.ask(Query(ROOMS, DAY), stats)
    assert stats.requests == ATTEMPTS
    asking.close()


def test_a_certificate_that_nobody_vouches_for_is_refused_before_the_ks_is_sent(tmp_path: Path) -> None:
    with listening(Certificate.made_in(tmp_path).server) as script:
        asking = Client(script.url, Credentials("9999", ks=KS), pause_scale=0.0)
        stats = RequestStats()
        with pytest.raises(Refused, match="CERTIFICATE_VERIFY_FAILED.*SSL_CERT_FILE"):
            asking.ask(Query(ROOMS, DAY), stats)
        asking.close()
        assert (stats.requests, script.bodies) == (1, [])


@pytest.mark.parametrize(
    ("base_url", "says"),
    [
        ("", "is no address"),
        ("www.kaltura.com", "Write it as https://www.kaltura.com"),
        ("ftp://www.kaltura.com", "is no address"),
        ("https://", "is no address"),
        ("https://[", "is no address"),
        ("https://www..kaltura.com", "is no address"),
        (f"https://{'a' * 64}.com", "is no address"),
        ("ftp://user:hidden@www.kaltura.com", "is no address"),
        ("https://user:hidden@", "is no address"),
        ("www.kaltura.com/?ks=hidden", "is no address"),
        ("https://[#hidden", "is no address"),
        ("https://user:hidden@www.kaltura.com", "more than the address of www.kaltura.com"),
        ("https://www.kaltura.com?ks=hidden", "more than the address"),
        ("https://www.kaltura.com/#hidden", "more than the address"),
    ],
)
def test_an_address_that_is_none_or_more_than_one_is_refused_unasked(base_url: str, says: str) -> None:
    with pytest.raises(Refused, match=says) as caught:
        Client(base_url, Credentials("9999", ks=KS))
    assert "hidden" not in everything_said(caught.value)


@pytest.mark.parametrize("suffix", ["/", "/api_v3", "/api_v3/", "\n"])
def test_an_address_as_people_paste_it_is_understood(scripted: Scripted, suffix: str) -> None:
    scripted.replies = [(200, {}, GOOD)]
    asking = Client(scripted.url + suffix, Credentials("9999", ks=KS))
    asking.ask(Query(ROOMS, DAY), RequestStats())
    assert "POST /api_v3/service/report/" in scripted.lines[0]
    asking.close()


def test_a_proxy_of_the_environment_is_not_asked_for_a_stand_in_on_this_machine(
    kaltura: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    with client_of(kaltura) as asking:
        assert asking.ask(Query(ROOMS, DAY), RequestStats()).rows.received == 2


def test_a_proxy_of_the_environment_is_used_for_everybody_else(
    scripted: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", scripted.url)
    scripted.replies = [(200, {}, GOOD)]
    asking = Client("http://kaltura.example", Credentials("9999", ks=KS))
    asking.ask(Query(ROOMS, DAY), RequestStats())
    asking.close()
    assert scripted.lines[0].startswith("POST http://kaltura.example/api_v3/")


def test_a_proxy_setting_that_makes_no_sense_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "gopher://user:hidden@proxy.example")
    with pytest.raises(Refused, match="HTTPS_PROXY") as caught:
        Client("https://kaltura.example", Credentials("9999", ks=KS))
    assert "hidden" not in everything_said(caught.value)


# --- answers -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["newline", "header"])
def test_an_empty_report_of_either_form_is_no_rows_and_no_error(kaltura: Running, asking: Client, form: Any) -> None:
    kaltura.empty_report = form
    reply = asking.ask(Query(ROOMS, Window(DAY.start - 9 * HOUR, DAY.start)), RequestStats())
    assert reply.rows.received == 0
    assert list(reply.rows.frame) == list(SESSION_COLUMNS)


def test_excluded_columns_are_not_sent_and_not_missed(kaltura: Running, asking: Client) -> None:
    reply = asking.ask(Query(PEOPLE, DAY), RequestStats(), excluded_columns=PERSONAL)
    assert reply.rows.received == 6
    assert not set(PERSONAL) & set(reply.rows.frame)
    assert kaltura.requests[-1].excluded_fields == PERSONAL


def test_a_missing_column_names_report_window_column_and_trace(kaltura: Running, asking: Client) -> None:
    kaltura.faults.add(Fault("missing_column", column="session_start_time"))
    with pytest.raises(ColumnMissing, match=r"report 6000, .*no column session_start_time.*X-Me.*make doctor"):
        asking.ask(Query(ROOMS, DAY), RequestStats())
    assert len(kaltura.requests) == 1


@pytest.mark.parametrize(("cap", "is_cut"), [(1, True), (2, True), (3, False)])
def test_a_reply_as_long_as_the_cap_is_cut_off_and_one_row_less_is_whole(
    kaltura: Running, cap: int, is_cut: bool
) -> None:
    kaltura.row_cap = cap
    with client_of(kaltura) as asking:
        if not is_cut:
            assert asking.ask(Query(ROOMS, DAY), RequestStats()).rows.received == 2
            return
        with pytest.raises(CutOff, match=rf"report 6000, .*cut off at {cap} rows .X-Kaltura-Session"):
            asking.ask(Query(ROOMS, DAY), RequestStats())


@pytest.mark.parametrize(("limit", "is_cut"), [(1, True), (2, True), (3, False)])
def test_a_reply_as_long_as_its_limit_is_cut_off(kaltura: Running, asking: Client, limit: int, is_cut: bool) -> None:
    query = Query(ROOMS, DAY, limit=limit)
    if is_cut:
        with pytest.raises(CutOff):
            asking.ask(query, RequestStats())
    else:
        assert asking.ask(query, RequestStats()).rows.received == 2


def test_a_filter_that_is_heeded_brings_its_rows_alone(kaltura: Running, asking: Client) -> None:
    reply = asking.ask(Query(ROOMS, DAY, {ENTRY: ["1_lecture", "1_nobody"]}), RequestStats())
    assert list(reply.rows.frame["entry_id"]) == ["1_lecture"]


def test_a_filter_that_the_server_ignores_in_silence_is_an_error(kaltura: Running, asking: Client) -> None:
    kaltura.faults.add(Fault("ignore_filters"))
    with pytest.raises(FilterIgnored, match="report 6000, .*1 entry_ids: rows of 1 other entry_id"):
        asking.ask(Query(ROOMS, DAY, {ENTRY: ["1_lecture"]}), RequestStats())


REFUSALS = [
    (200, {"x-kaltura": "error- INVALID_PARAMETER_CHAR"}, b""),
    (413, {}, b"<html>"),
    (200, {}, GOOD + b"1_other,,,1_cue,1,2,,1,0\n"),  # the rows of another room
]


@pytest.mark.parametrize("reply", REFUSALS)
@pytest.mark.parametrize("is_chosen", [True, False])
def test_the_settings_of_filters_are_named_only_where_one_asks_for_the_ids(
    scripted: Scripted, scripted_client: Client, reply: tuple[int, dict[str, str], bytes], is_chosen: bool
) -> None:
    scripted.replies = [reply]
    query = Query(ROOMS, DAY, {ENTRY: ["1_asked"]}, chosen=frozenset({ENTRY} if is_chosen else ()))
    with pytest.raises((Refused, FilterIgnored)) as caught:
        scripted_client.ask(query, RequestStats())
    assert ("KALTURA_*_IDS" in str(caught.value)) is is_chosen


def test_how_often_it_was_tried_is_said_where_it_was_more_than_once(kaltura: Running, asking: Client) -> None:
    kaltura.faults.add(Fault("bad_gateway", times=ATTEMPTS), Fault("internal_error", times=SERVER_FAULT_ATTEMPTS))
    said = []
    for _ in range(2):
        with pytest.raises(Unavailable) as caught:
            asking.ask(Query(ROOMS, DAY), RequestStats())
        said.append(str(caught.value))
    assert f"It was tried {ATTEMPTS} times." in said[0]
    assert f"It was tried {SERVER_FAULT_ATTEMPTS} times." in said[1]
    kaltura.faults.add(Fault("bad_gateway"))
    with pytest.raises(Unavailable) as caught:
        asking.raw(Query(ROOMS, DAY), RequestStats(), tries=1)
    assert "tried" not in str(caught.value)


@pytest.mark.parametrize(
    ("page", "begins"),
    [
        (b"<html><head><title>Down for 3 hours</title>", "'<html><head><title>'"),
        (b"Access denied, by policy\n", ""),
        (b"1_room,1_cue,ada,Ada Example,ada@example.edu\n", ""),
        (b"Ada Example\n", ""),
        (b"<p>" + b"x" * 70 + b"</p>", "'<p>'"),
    ],
)
def test_a_page_is_told_by_how_it_begins_and_not_what_may_be_a_row(
    scripted: Scripted, scripted_client: Client, page: bytes, begins: str
) -> None:
    scripted.replies = [(200, {}, page)]
    with pytest.raises(Unavailable, match="a page came back in place of a report") as caught:
        scripted_client.raw(Query(ROOMS, DAY), RequestStats(), tries=1)
    assert ("begins" in caught.value.what) == bool(begins)
    assert begins in caught.value.what


def test_a_misspelt_filter_is_an_error_and_not_the_whole_report(kaltura: Running, asking: Client) -> None:
    with pytest.raises(FilterIgnored):
        asking.ask(Query(ROOMS, DAY, {Filter("entryIds", "entry_id"): ["1_lecture"]}), RequestStats())


@pytest.mark.parametrize("ids", [[], [""], ["a,b"], ["a;limit=1"], ["a\nb"], ["a\rb"], [" a"], ["a", "b "]])
def test_ids_that_can_not_be_sent_or_would_filter_nothing_are_refused_unasked(
    kaltura: Running, asking: Client, ids: list[str]
) -> None:
    with pytest.raises(Refused, match="report 6000, .*entry_ids"):
        asking.ask(Query(ROOMS, DAY, {ENTRY: ids}), RequestStats())
    assert kaltura.requests == []


@pytest.mark.parametrize("mode", ["both", "fromDate", "from_date"])
@pytest.mark.parametrize("source", [ROOMS, PEOPLE, BREAKOUTS])
def test_dates_are_understood_whichever_spelling_the_server_knows(
    kaltura: Running, asking: Client, mode: Any, source: Source
) -> None:
    kaltura.breakout_dates = mode
    assert asking.ask(Query(source, DAY), RequestStats()).rows.received > 0


@pytest.mark.parametrize(("mode", "names"), [("fromDate", SNAKE_DATES), ("from_date", CAMEL_DATES)])
def test_the_spelling_that_the_server_does_not_know_is_answered_as_a_bug(
    kaltura: Running, asking: Client, mode: Any, names: tuple[str, str]
) -> None:
    kaltura.breakout_dates = mode
    with pytest.raises(ServerFault):
        asking.ask(Query(BREAKOUTS, DAY, dates=(names,)), RequestStats())


def test_no_more_requests_are_under_way_than_allowed(kaltura: Running) -> None:
    at_once, most, lock = 0, 0, threading.Lock()
    with client_of(kaltura, max_concurrency=2) as asking:
        stream = asking._http.stream

        @contextmanager
        def counted(*args: Any, **kwargs: Any) -> Iterator[httpx.Response]:
            nonlocal at_once, most
            with lock:
                at_once += 1
                most = max(most, at_once)
            with stream(*args, **kwargs) as response:
                yield response
            with lock:
                at_once -= 1

        asking._http.stream = counted  # type: ignore[method-assign]
        threads = [threading.Thread(target=asking.ask, args=(Query(ROOMS, DAY), RequestStats())) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(kaltura.requests) == 8
    assert most == 2
