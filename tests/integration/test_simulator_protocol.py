"""The stand-in speaks Kaltura's protocol beyond the reports: bodies in three forms, services, several in one request.

Each request is written out by hand, as Kaltura's documentation shows it. All accounts and people are invented.
"""

import hashlib
import json
import time
from collections.abc import Callable, Iterator
from typing import Any
from xml.etree import ElementTree

import httpx
import pytest

from simulator import DEMO, ListedWorld, Running, serving

SESSION_START = "/api_v3/service/session/action/start"
REPORT = "/api_v3/service/report/action/getCsvFromStringParams"
JSON, FORM = "application/json", "application/x-www-form-urlencoded"
NOON = 1_780_056_000


@pytest.fixture(scope="module")
def kaltura() -> Iterator[Running]:
    with serving(ListedWorld()) as running:
        yield running


@pytest.fixture(scope="module")
def http(kaltura: Running) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=kaltura.base_url, timeout=20) as client:
        yield client


@pytest.fixture
def ks(http: httpx.Client) -> str:
    return str(http.post(SESSION_START, data={**START, "userId": "ada.example", "privileges": "edit:*"}).json())


START: dict[str, str | int] = {"secret": DEMO.admin_secret, "partnerId": DEMO.partner_id, "type": 2, "format": 1}
QUESTION: dict[str, str | int] = {"format": 1, "id": 6000, "params": f"from_date={NOON};to_date={NOON + 3600}"}

Sent = Callable[[dict[str, Any]], dict[str, Any]]
"""How fields are written into a request."""


def form(fields: dict[str, Any]) -> dict[str, Any]:
    return {"data": fields}


def as_json(fields: dict[str, Any]) -> dict[str, Any]:
    return {"json": fields}


def in_json_as_text(fields: dict[str, Any]) -> dict[str, Any]:
    return {"json": {name: str(value) for name, value in fields.items()}}


def multipart(fields: dict[str, Any]) -> dict[str, Any]:
    return {"files": [(name, (None, str(value))) for name, value in fields.items()]}


def multipart_with_a_file(fields: dict[str, Any]) -> dict[str, Any]:
    return {"data": fields, "files": {"fileData": ("invented.txt", b"nothing", "text/plain")}}


def in_query(fields: dict[str, Any]) -> dict[str, Any]:
    return {"params": fields}


def over_a_wrong_body(fields: dict[str, Any]) -> dict[str, Any]:
    return {"params": fields, "json": dict.fromkeys(fields, "wrong")}


READ = [form, as_json, in_json_as_text, multipart, multipart_with_a_file, in_query, over_a_wrong_body]


@pytest.mark.parametrize("sent", READ)
def test_a_request_says_the_same_in_every_form(http: httpx.Client, sent: Sent) -> None:
    ks = http.post(SESSION_START, **sent(START)).json()
    assert isinstance(ks, str)
    assert len(ks) > 40
    assert http.post(REPORT, **sent({**QUESTION, "ks": ks})).content == b"\xef\xbb\xbf\n"


NOT_READ = [
    (b"{}", JSON),
    (b"[1, 2]", JSON),
    (b'"text"', JSON),
    (b'{"secret": ', JSON),
    (json.dumps(START).encode(), f"{JSON}; charset=utf-8"),
    (json.dumps(START).encode(), FORM),
    (json.dumps(START).encode(), ""),
    (httpx.Request("POST", "http://x", data={**START}).content, JSON),
    (httpx.Request("POST", "http://x", data={**START}).content, "text/plain"),
    (b"no boundary", "multipart/form-data"),
]


@pytest.mark.parametrize(("body", "content_type"), NOT_READ)
def test_a_body_under_another_type_says_nothing(http: httpx.Client, body: bytes, content_type: str) -> None:
    reply = http.post(f"{SESSION_START}?format=1", content=body, headers={"content-type": content_type})
    assert (reply.status_code, reply.json()["code"]) == (200, "START_SESSION_ERROR")


# --- services and actions ------------------------------------------------------------------------------------------

UNKNOWN = [
    ("/api_v3/", {}, "SERVICE_NOT_SPECIFIED", {}),
    ("/api_v3/service/media", {}, "SERVICE_DOES_NOT_EXISTS", {"SERVICE_NAME": "media"}),
    ("/api_v3/service/nothing/action/get", {}, "SERVICE_DOES_NOT_EXISTS", {"SERVICE_NAME": "nothing"}),
    ("/api_v3/service/session", {}, "ACTION_NOT_SPECIFIED", {}),
    ("/api_v3/", {"service": "session"}, "ACTION_NOT_SPECIFIED", {}),
    (
        "/api_v3/service/session/action/nothing",
        {},
        "ACTION_DOES_NOT_EXISTS",
        {"ACTION_NAME": "nothing", "SERVICE_NAME": "session"},
    ),
    (
        "/api_v3/index.php/service/report/action/nothing",
        {},
        "ACTION_DOES_NOT_EXISTS",
        {"ACTION_NAME": "nothing", "SERVICE_NAME": "report"},
    ),
    (
        "/api_v3/?service=appToken&action=get",
        {},
        "ACTION_DOES_NOT_EXISTS",
        {"ACTION_NAME": "get", "SERVICE_NAME": "appToken"},
    ),
    ("/api_v3/service/session/action/get", {}, "MISSING_KS", {}),
    ("/api_v3/service/session/action/end", {}, "MISSING_KS", {}),
    ("/api_v3/service/session/action/get", {"ks": "none"}, "INVALID_KS", None),
    ("/api_v3/service/session/action/end", {"ks": "none"}, "INVALID_KS", None),
]


@pytest.mark.parametrize(("path", "fields", "code", "details"), UNKNOWN)
@pytest.mark.parametrize("sent", [form, as_json, multipart])
def test_what_is_not_there_is_told_in_kalturas_own_codes(
    http: httpx.Client, sent: Sent, path: str, fields: dict[str, str], code: str, details: dict[str, str] | None
) -> None:
    reply = http.post(path, **sent({**fields, "format": "1"}))
    document = reply.json()
    assert (reply.status_code, document["code"], document["objectType"]) == (200, code, "KalturaAPIException")
    assert details is None or document["args"] == (details or [])  # as PHP writes an empty array
    assert all(value in document["message"] for value in (details or {}).values())


@pytest.mark.parametrize("sent", [form, as_json, multipart])
def test_the_system_answers_without_a_session(http: httpx.Client, sent: Sent) -> None:
    assert http.post("/api_v3/service/system/action/ping", **sent({"format": 1})).json() is True
    assert abs(http.post("/api_v3/service/system/action/getTime", **sent({"format": 1})).json() - time.time()) < 60
    assert "<result>1</result>" in http.post("/api_v3/service/system/action/ping").text


def test_the_time_is_the_one_that_replies_carry(http: httpx.Client, kaltura: Running) -> None:
    kaltura.clock_ahead_seconds = 86_400.0
    try:
        told = http.post("/api_v3/service/system/action/getTime", data={"format": 1}).json()
    finally:
        kaltura.clock_ahead_seconds = 0.0
    assert told - time.time() > 80_000


# --- sessions ------------------------------------------------------------------------------------------------------

GRANTED = [
    ({}, 0, "", "", 86_400),
    ({"type": 2}, 2, "", "", 86_400),
    ({"type": 2, "userId": "ada.example"}, 2, "ada.example", "", 86_400),
    ({"expiry": 600, "privileges": "edit:*,setrole:REPORT_VIEWER_ROLE"}, 0, "", "edit:*,setrole:REPORT_VIEWER_ROLE", 600),
    ({"expiry": 99 * 86_400}, 0, "", "", 86_400),
]  # fmt: skip


@pytest.mark.parametrize(("asked", "kind", "user_id", "privileges", "seconds"), GRANTED)
@pytest.mark.parametrize("sent", [form, as_json, multipart])
def test_a_session_says_what_it_was_started_with(
    http: httpx.Client, sent: Sent, asked: dict[str, Any], kind: int, user_id: str, privileges: str, seconds: int
) -> None:
    start = {name: value for name, value in START.items() if name != "type"}
    ks = http.post(SESSION_START, **sent(start | asked)).json()
    info = http.post("/api_v3/service/session/action/get", **sent({"ks": ks, "format": 1})).json()
    assert abs(info.pop("expiry") - time.time() - seconds) < 60
    assert info == {
        "ks": ks,
        "sessionType": kind,
        "partnerId": DEMO.partner_id,
        "userId": user_id,
        "privileges": privileges,
        "objectType": "KalturaSessionInfo",
    }


def test_another_session_is_told_to_one_that_lives(http: httpx.Client, ks: str) -> None:
    other = http.post(SESSION_START, data={**START, "userId": "bo.example"}).json()
    asked = {"ks": ks, "session": other, "format": 1}
    assert http.post("/api_v3/service/session/action/get", data=asked).json()["userId"] == "bo.example"
    assert http.post("/api_v3/service/session/action/end", data={"ks": other, "format": 1}).json() is None
    ended = http.post("/api_v3/service/session/action/get", data=asked).json()
    assert (ended["code"], ended["args"]["KSID"]) == ("INVALID_KS", "LOGOUT")


PRIVILEGES = [
    ("", "", ""),
    ("setrole:A", "", "setrole:A"),
    ("", "edit:*", "edit:*"),
    ("setrole:A,urirestrict:/api_v3/*", "setrole:B,edit:*", "setrole:A,urirestrict:/api_v3/*,edit:*"),
]


@pytest.mark.parametrize(("of_token", "asked", "granted"), PRIVILEGES)
def test_an_app_tokens_own_privileges_win_over_those_asked_for(of_token: str, asked: str, granted: str) -> None:
    account = type(DEMO)(app_token_privileges=of_token)
    with serving(ListedWorld(), credentials=account) as other, httpx.Client(base_url=other.base_url) as http:
        widget = {"widgetId": f"_{account.partner_id}", "format": 1}
        ks = http.post("/api_v3/service/session/action/startWidgetSession", json=widget).json()["ks"]
        proof = hashlib.sha1((ks + account.app_token).encode()).hexdigest()
        asking = {"ks": ks, "id": account.app_token_id, "tokenHash": proof, "sessionPrivileges": asked, "format": 1}
        started = http.post(
            "/api_v3/service/appToken/action/startSession", json=asking | {"userId": "ada.example", "type": 2}
        ).json()
        assert (started["privileges"], started["userId"], started["sessionType"]) == (granted, "ada.example", 2)
        again = {"ks": started["ks"], "format": 1}
        assert http.post("/api_v3/service/session/action/get", json=again).json() == started


# --- several in one ------------------------------------------------------------------------------------------------

SEVERAL: dict[str, Any] = {
    "1:service": "session",
    "1:action": "start",
    "1:secret": DEMO.admin_secret,
    "1:partnerId": DEMO.partner_id,
    "1:type": 2,
    "1:userId": "ada.example",
    "2:service": "session",
    "2:action": "get",
    "2:ks": "{1:result}",
    "3:service": "session",
    "3:action": "get",
    "3:ks": "{2:result:ks}",
    "4:service": "nothing",
    "4:action": "get",
    "5:service": "session",
    "5:action": "get",
    "5:ks": "{4:result:ks}",
    "6:service": "system",
    "6:action": "ping",
    "format": 1,
}


def nested(fields: dict[str, Any]) -> dict[str, Any]:
    """As JSON has it: each request an object under its number."""
    document: dict[str, Any] = {}
    for name, value in fields.items():
        number, _, own = name.rpartition(":")
        document.setdefault(number, {})[own] = value
    return {"json": document.pop("") | document}


def in_brackets(fields: dict[str, Any]) -> dict[str, Any]:
    spelt = {f"{name.split(':')[0]}[{name.split(':')[1]}]" if ":" in name else name: fields[name] for name in fields}
    return {"data": spelt}


@pytest.mark.parametrize("path", ["/api_v3/service/multirequest", "/api_v3/?service=multirequest&action=null"])
@pytest.mark.parametrize("sent", [form, as_json, nested, multipart, in_brackets])
def test_several_requests_in_one_are_answered_in_order_and_may_build_on_each_other(
    http: httpx.Client, sent: Sent, path: str
) -> None:
    ks, info, again, missing, dangling, ping = http.post(path, **sent(SEVERAL)).json()
    assert isinstance(ks, str)
    assert (info["ks"], info["userId"]) == (ks, "ada.example")
    assert again == info
    assert (missing["code"], missing["objectType"]) == ("SERVICE_DOES_NOT_EXISTS", "KalturaAPIException")
    assert dangling["code"] == "INVALID_KS"
    assert ping is True


def test_several_requests_share_what_has_no_number(http: httpx.Client, ks: str) -> None:
    asked = {
        "ks": ks,
        "1:service": "session",
        "1:action": "get",
        "2:service": "session",
        "2:action": "get",
        "format": 1,
    }
    first, second = http.post("/api_v3/service/multirequest", data=asked).json()
    assert first == second
    assert first["userId"] == "ada.example"


def test_several_answers_in_xml_are_items_of_one_result(http: httpx.Client) -> None:
    asked = {name: value for name, value in SEVERAL.items() if name != "format"}
    root = ElementTree.fromstring(http.post("/api_v3/service/multirequest", data=asked).content)
    items = root.findall("./result/item")
    assert len(items) == 6
    assert items[1].findtext("userId") == "ada.example"
    assert items[3].findtext("error/code") == "SERVICE_DOES_NOT_EXISTS"
    assert items[5].text == "1"


def test_several_of_none_are_an_empty_list(http: httpx.Client) -> None:
    assert http.post("/api_v3/service/multirequest", json={"format": 1}).json() == []
