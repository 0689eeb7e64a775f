"""What a reply means: CSV, or one of the errors of `errors.py`.

Kaltura answers nearly everything with HTTP 200, errors included, in two shapes; gateways before it answer in their own.
It is decided in the order of docs/kaltura-api.md section 5.
"""

import html
import json
import re
from dataclasses import dataclass, field
from typing import Any

import httpx

from resources.kaltura import csv
from resources.kaltura.errors import (
    BadReply,
    KalturaError,
    RateLimited,
    Refused,
    ServerFault,
    SessionInvalid,
    TimedOut,
    Unavailable,
    UnknownCode,
    redacted,
)
from resources.kaltura.header import SHOWN_CHARACTERS, is_of_columns

ERROR_LIMIT_BYTES = 65536  # no error document is longer, and none that is gets read
PAGE_LIMIT_BYTES = 1024  # of one that is no report: as far as is looked at
CHECK_IDS = "Check the KALTURA_*_IDS settings, and the filters in the run's config."
TRACE_LIMIT = 100  # characters kept of what a server says to identify itself

_ADVICE = {
    "MISSING_KS": "No session token reached Kaltura: check KALTURA_BASE_URL and any proxy before it.",
    "SERVICE_FORBIDDEN": "The token may not read reports: give its role the permission ANALYTICS_BASE.",
    "START_SESSION_ERROR": (
        "The admin secret does not fit the account: check KALTURA_PARTNER_ID, KALTURA_ADMIN_SECRET and the region in "
        "KALTURA_BASE_URL."
    ),
    "INVALID_WIDGET_ID": "The account is not known there: check KALTURA_PARTNER_ID and the region in KALTURA_BASE_URL.",
    "APP_TOKEN_ID_NOT_FOUND": "There is no such app token in this account and region: check KALTURA_APP_TOKEN_ID.",
    "APP_TOKEN_NOT_ACTIVE": "The app token is disabled: enable it, or make a new one.",
    "APP_TOKEN_EXPIRED": "The app token has expired: make a new one.",
    "INVALID_APP_TOKEN_HASH": "Check KALTURA_APP_TOKEN, and KALTURA_APP_TOKEN_HASH against the token's hash type.",
    "REPORT_NOT_FOUND": (
        "The account has no such report: ask Kaltura to switch on Rooms analytics. Where only one of the three is lacking, "
        "pull the others meanwhile: select their assets alone, in Dagster's UI or by `dagster asset materialize --select`."
    ),
    "INVALID_PARAMETER_CHAR": "A parameter holds a character that Kaltura refuses.",
    "SERVICE_DOES_NOT_EXISTS": "That address is not Kaltura's API, or an old version of it: check KALTURA_BASE_URL.",
    "ACTION_DOES_NOT_EXISTS": "That address is not Kaltura's API, or an old version of it: check KALTURA_BASE_URL.",
}
_APP_TOKENS_ADVICE = "Check KALTURA_APP_TOKEN_ID and KALTURA_APP_TOKEN, and the token itself in Kaltura's console."
# Why a session is refused: the words that an INVALID_KS can have in KSID, where any other text may be the KS itself.
# Of the first two a new session may be rid. The others are the account's or the token's own, and refuse every new one.
_ENDED: dict[str, str] = {
    "EXPIRED": "",
    "LOGOUT": (
        "Somebody ended a session of this app token, which kills all of its sessions for about a day: use another app "
        "token, and never call session.end with one."
    ),
}
_PRIVILEGES = "The credentials are right, the privileges are not"
_SESSION_REFUSED: dict[str, str] = {
    "EXCEEDED_RESTRICTED_URI": (
        f"{_PRIVILEGES}: urirestrict leaves this address out. Write urirestrict:/api_v3/service/report/* into the app "
        "token's session privileges."
    ),
    "EXCEEDED_RESTRICTED_IP": (
        f"{_PRIVILEGES}: iprestrict leaves this machine's address out. Add the address from which it reaches Kaltura "
        "to the app token's session privileges."
    ),
    "EXCEEDED_ACTIONS_LIMIT": (
        f"{_PRIVILEGES}: actionslimit is used up. Take it out of the app token's session privileges."
    ),
    "INVALID_PARTNER": (
        "The session is another account's, or the account is blocked: check KALTURA_PARTNER_ID and the region in "
        "KALTURA_BASE_URL."
    ),
    "INVALID_USER": "The session's user is gone or blocked: check KALTURA_USER_ID, and the user of the app token.",
    "INVALID_TYPE": (
        "It is a user's session, and an admin's is asked for: make the app token with the session type ADMIN, or with "
        "a role by setrole."
    ),
    "LKS_DISABLED": (
        "The account takes no session that was made outside of Kaltura: set an app token in place of KALTURA_KS."
    ),
}
_STATUS_ADVICE = {
    401: "A proxy or firewall before Kaltura asks for credentials of its own: check the proxy settings.",
    403: "A firewall or an access rule before Kaltura refuses this machine: ask for its address to be let through.",
    413: "The request is too large for a gateway, which should let 32 kB through.",
}
# What else to say where a setting, or a run's config, keeps a report to some ids.
_CHOSEN_IDS_ADVICE: dict[str | int, str] = {
    "INVALID_PARAMETER_CHAR": CHECK_IDS,
    413: "Give fewer ids in the KALTURA_*_IDS settings or in the run's config.",
}
ADDRESS_ADVICE = "Check KALTURA_BASE_URL: it has to be the API of your region, as https://www.kaltura.com."
_BY_CODE: dict[str, type[KalturaError]] = {
    "INVALID_KS": SessionInvalid,
    "ACTION_BLOCKED": RateLimited,
    "DRUID_QUERY_TIMED_OUT": TimedOut,
    "INTERNAL_SERVERL_ERROR": ServerFault,
    "INTERNAL_SERVER_ERROR": ServerFault,
    "INTERNAL_DATABASE_ERROR": Unavailable,
}


@dataclass(frozen=True)
class Raw:
    """A reply as it came: status, headers, body."""

    status: int
    headers: httpx.Headers = field(repr=False)
    body: bytes = field(repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)  # what went out with the question

    @property
    def kaltura_session(self) -> str:
        """What Kaltura's support asks for: the reply's X-Kaltura-Session and, if there is one, its X-Me."""
        session, me = (self.headers.get(name, "").strip() for name in ("x-kaltura-session", "x-me"))
        return redacted(", ".join(part for part in (session, me and f"X-Me {me}") if part), *self.secrets)[:TRACE_LIMIT]


def raise_for_csv(raw: Raw, about: str, secrets: tuple[str, ...], *, has_chosen_ids: bool = False) -> None:
    """Return if the reply is a whole CSV; otherwise raise what it is."""
    try:
        raise_for_error(raw, about, secrets)
    except Refused as error:
        if has_chosen_ids and (more := _CHOSEN_IDS_ADVICE.get(error.code or raw.status)):
            error.advice = f"{error.advice} {more}"
        raise
    session = raw.kaltura_session
    if not raw.body:
        raise Unavailable("the reply is empty, which not even an empty report is", about=about, kaltura_session=session)
    if not raw.body.startswith(csv.BOM):
        if is_of_columns(_first_line(raw.body)):
            raise BadReply(
                "the report came without the mark that Kaltura begins each with (a BOM)",
                about=about,
                advice="A proxy or gateway before Kaltura changes replies: have it pass them on as they are.",
                kaltura_session=session,
            )
        what = f"a page came back in place of a report{_beginning(raw.body, secrets)}"
        raise Unavailable(what, about=about, kaltura_session=session)
    if not raw.body.endswith(b"\n"):  # every whole one does; a gateway may announce the length of what it has got
        raise Unavailable("the reply broke off within a line", about=about, kaltura_session=session)


def raise_for_error(raw: Raw, about: str, secrets: tuple[str, ...]) -> None:
    """Return if the reply is no error; otherwise raise the one it is.

    The text of an INVALID_KS is never quoted, for it quotes the KS.
    """
    session = raw.kaltura_session
    if not 200 <= raw.status < 300:
        raise http_error(raw, about)
    code, message, reason = _error_of(raw)
    if not code:
        return
    if code == "INVALID_KS":
        what = f"{code} ({reason})" if reason else code
        if reason in _SESSION_REFUSED:
            advice = _SESSION_REFUSED[reason]
            raise Refused(what, about=about, advice=advice, code=code, kaltura_session=session)
        raise SessionInvalid(what, about=about, advice=_ENDED.get(reason, ""), code=code, kaltura_session=session)
    advice = _ADVICE.get(code, _APP_TOKENS_ADVICE if code.startswith("APP_TOKEN_") else "")
    error = _BY_CODE.get(code, Refused if advice else UnknownCode)
    what = redacted(f"{code}: {message}" if message else code, *secrets)
    raise error(what, about=about, advice=advice, code=redacted(code, *secrets), kaltura_session=session)


def http_error(raw: Raw, about: str) -> KalturaError:
    status, session = raw.status, raw.kaltura_session
    if status == 429:
        return RateLimited("too many requests (HTTP 429)", about=about, kaltura_session=session)
    if status == 408 or status >= 500:
        what = f"the server or a gateway before it failed (HTTP {status})"
        return Unavailable(what, about=about, kaltura_session=session)
    if 300 <= status < 400:
        what = f"HTTP {status} sends the request on to {_host(raw)}, which is not followed"
        return Refused(what, about=about, advice=ADDRESS_ADVICE, kaltura_session=session)
    advice = _STATUS_ADVICE.get(status, ADDRESS_ADVICE)
    return Refused(f"HTTP {status}", about=about, advice=advice, kaltura_session=session)


def _beginning(body: bytes, secrets: tuple[str, ...]) -> str:
    """How a page begins, as far as it is markup."""
    markup = re.match(r"(<[^<>\d@]*>\s*)+", _first_line(body))
    begins = markup[0] if markup else ""
    return f", which begins {redacted(begins[:SHOWN_CHARACTERS], *secrets)!r}" if begins else ""


def _first_line(body: bytes) -> str:
    return body[:PAGE_LIMIT_BYTES].decode("utf-8", "replace").strip().partition("\n")[0]


def _host(raw: Raw) -> str:
    """Scheme and host of a redirect's target alone: the rest may repeat what was asked."""
    try:
        url = httpx.URL(raw.headers.get("location", ""))
    except httpx.InvalidURL:
        return "an address that is none"
    return f"{redacted(url.scheme, *raw.secrets)}://{redacted(url.host, *raw.secrets)}" if url.host else "another path"


def _error_of(raw: Raw) -> tuple[str, str, str]:
    """Code, message and reason of an error; three empty strings if the reply is none.

    Some come in both shapes at once: then the header decides, and the document says more.
    """
    code, message, reason = _error_of_document(raw.body)
    header = raw.headers.get("x-kaltura", "").strip()
    if not header.lower().startswith("error-"):
        return code, message, reason
    named = header[len("error-") :].strip() or code or "an error without a code"
    return (named, message, reason) if named == code else (named, "", "")


def _error_of_document(body: bytes) -> tuple[str, str, str]:
    start = body[:4096].lstrip(csv.BOM + b" \t\r\n")
    if start.startswith(b"{"):
        return _error_of_json(body)
    if start.startswith(b"<") and b"<error>" in start:
        return _error_of_xml(body[:ERROR_LIMIT_BYTES].decode("utf-8", "replace"))
    return "", "", ""


def _error_of_json(body: bytes) -> tuple[str, str, str]:
    if len(body) > ERROR_LIMIT_BYTES:
        return "", "", ""
    try:
        document = json.loads(body.decode("utf-8-sig"))
    except (ValueError, RecursionError):  # the second for what is nested thousands deep
        return "", "", ""
    if "code" not in document or "message" not in document:
        return "", "", ""
    args = document.get("args")
    reason = args.get("KSID") if isinstance(args, dict) else None
    return str(document["code"]), str(document["message"]), _known_reason(reason)


def _error_of_xml(text: str) -> tuple[str, str, str]:
    code, message = (re.search(rf"<{name}>([^<]*)</{name}>", text) for name in ("code", "message"))
    if not code:
        return "", "", ""
    args = re.search(r"<name>KSID</name>\s*<value>([^<]*)</value>", text)
    reason = _known_reason(args[1] if args else None)
    return html.unescape(code[1]).strip(), html.unescape(message[1]) if message else "", reason


def _known_reason(text: Any) -> str:
    """The word for which an INVALID_KS refuses a session; empty for anything else, which may be the KS."""
    return text if isinstance(text, str) and (text in _ENDED or text in _SESSION_REFUSED) else ""
