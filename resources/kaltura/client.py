"""One question put to Kaltura over HTTP, and its answer: rows, or an error that says what to do next.

A POST for everything, so that no token ever stands in a URL; no redirect is followed, so that none goes to another host.
What a reply means is decided in the order of docs/kaltura-api.md section 5.
"""

import json
import logging
import random
import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
import stamina

from resources.kaltura import csv
from resources.kaltura.errors import (
    BadReply,
    CutOff,
    FilterIgnored,
    KalturaError,
    RateLimited,
    Refused,
    ServerFault,
    SessionInvalid,
    TimedOut,
    Unavailable,
    redacted,
)
from resources.kaltura.query import Query
from resources.kaltura.session import Credentials, SessionToken

log = logging.getLogger("kaltura")

REPORT_ROW_CAP = 100_000  # a longer report is cut there in silence (section 3)
CONNECT_TIMEOUT_SECONDS = 10
READ_TIMEOUT_SECONDS = 330  # the server gives a query up at 600 s; gateways before it at 300 s
REPLY_LIMIT_BYTES = 512 * 1024 * 1024  # 100,000 rows are some 15 MB: more than this is no report
ATTEMPTS = 6
SERVER_FAULT_ATTEMPTS = 3
RATE_LIMIT_PAUSE_SECONDS = (10.0, 60.0)

_FATAL_ADVICE = {
    "MISSING_KS": "No session token reached Kaltura: check KALTURA_BASE_URL and any proxy before it.",
    "SERVICE_FORBIDDEN": "The token may not read reports: give its role the permission ANALYTICS_BASE.",
    "START_SESSION_ERROR": "The admin secret does not fit the account: check KALTURA_PARTNER_ID and KALTURA_ADMIN_SECRET.",
    "APP_TOKEN_ID_NOT_FOUND": "There is no such app token in this account and region: check KALTURA_APP_TOKEN_ID.",
    "APP_TOKEN_NOT_ACTIVE": "The app token is disabled or has expired: make a new one.",
    "INVALID_APP_TOKEN_HASH": "Check KALTURA_APP_TOKEN, and KALTURA_APP_TOKEN_HASH against the token's hash type.",
    "REPORT_NOT_FOUND": "The account has no such report: ask Kaltura to switch on Rooms analytics.",
    "INVALID_PARAMETER_CHAR": "A filter holds a character that Kaltura refuses: check the KALTURA_*_IDS settings.",
}
_BY_CODE: dict[str, type[KalturaError]] = {
    "INVALID_KS": SessionInvalid,
    "ACTION_BLOCKED": RateLimited,
    "DRUID_QUERY_TIMED_OUT": TimedOut,
    "INTERNAL_SERVERL_ERROR": ServerFault,
    "INTERNAL_SERVER_ERROR": ServerFault,
    "INTERNAL_DATABASE_ERROR": Unavailable,
}


@dataclass
class Tally:
    """What a report has cost so far: requests, tries included, and the sessions that Kaltura's support asks for."""

    requests: int = 0
    kaltura_session: str = ""


@dataclass(frozen=True)
class Reply:
    """The rows that answer a query."""

    query: Query
    rows: csv.Rows


@dataclass(frozen=True)
class Raw:
    """A reply as it came: status, headers, body."""

    status: int
    headers: httpx.Headers = field(repr=False)
    body: bytes = field(repr=False)

    @property
    def kaltura_session(self) -> str:
        return self.headers.get("x-kaltura-session", "")


class Client:
    """A connection pool, a session token and the rules of asking. Safe to share between threads.

    `pause_scale` shortens the pauses between tries; `row_cap` is where the server cuts a reply.
    """

    def __init__(
        self,
        base_url: str,
        credentials: Credentials,
        *,
        max_concurrency: int = 2,
        row_cap: int = REPORT_ROW_CAP,
        pause_scale: float = 1.0,
    ) -> None:
        if not re.match(r"https?://[^/]", base_url):
            raise Refused(f"KALTURA_BASE_URL={base_url!r} is no address", advice="Write it as https://www.kaltura.com.")
        self.row_cap = row_cap
        self._pause_scale = pause_scale
        self._places = threading.BoundedSemaphore(max_concurrency)
        self._http = httpx.Client(
            base_url=base_url.rstrip("/"),
            timeout=httpx.Timeout(READ_TIMEOUT_SECONDS, connect=CONNECT_TIMEOUT_SECONDS),
            limits=httpx.Limits(max_connections=max_concurrency),
            follow_redirects=False,
            headers={"user-agent": "kaltura-room-warehouse"},
        )
        self.session = SessionToken(credentials, self._call)

    def close(self) -> None:
        self._http.close()

    def ask(self, query: Query, tally: Tally, *, excluded_columns: tuple[str, ...] = ()) -> Reply:
        """All rows that answer `query`.

        Raises `TooMuch` where the reply was cut or the query timed out, and any other `KalturaError` once asking again
        is of no use.
        """
        about = str(query)
        raw = self._with_retries(query, tally, excluded_columns)
        rows = csv.parse(raw.body, query.source, about, left_out=excluded_columns)
        most = min(self.row_cap, query.limit or self.row_cap)
        if rows.line_count >= most:
            raise CutOff(f"the reply was cut off at {most:,} rows", about=about, kaltura_session=raw.kaltura_session)
        self._check_filters(query, rows)
        return Reply(query, rows)

    def post_report(self, query: Query, *, excluded_columns: tuple[str, ...] = ()) -> Raw:
        """One try at `query`. Raises the `KalturaError` that the reply stands for; any CSV is returned as it came."""
        ks = self.session.get()
        fields = {"ks": ks, "id": str(query.source.report_id), "params": query.params(), "nocache": "1"}
        if excluded_columns:
            fields["excludedFields"] = ",".join(excluded_columns)
        try:
            raw = self._post("report", "getCsvFromStringParams", fields, about=str(query))
            _raise_for_csv(raw, str(query), self.session.secrets)
        except SessionInvalid:
            self.session.discard(ks)
            raise
        return raw

    def _with_retries(self, query: Query, tally: Tally, excluded_columns: tuple[str, ...]) -> Raw:
        policy = _RetryPolicy(self._pause_scale)
        for attempt in stamina.retry_context(
            on=policy,
            attempts=ATTEMPTS,
            timeout=None,
            wait_initial=1.0 * self._pause_scale,
            wait_max=60.0 * self._pause_scale,
            wait_jitter=2.0 * self._pause_scale,
            wait_exp_base=3,
        ):
            with attempt:
                tally.requests += 1
                started = time.monotonic()
                try:
                    raw = self.post_report(query, excluded_columns=excluded_columns)
                except KalturaError as error:
                    tally.kaltura_session = error.kaltura_session or tally.kaltura_session
                    raise
                tally.kaltura_session = raw.kaltura_session or tally.kaltura_session
                log.debug("%s: %s bytes in %.1f s", query, f"{len(raw.body):,}", time.monotonic() - started)
        return raw

    def _check_filters(self, query: Query, rows: csv.Rows) -> None:
        for filter_, asked in query.ids.items():
            if filter_.column is None or filter_.column not in rows.frame:
                continue
            came = set(rows.frame[filter_.column].unique())
            if not came <= set(asked):
                foreign = len(came - set(asked))
                raise FilterIgnored(f"rows of {foreign:,} other {filter_.column} came back", about=str(query))

    def _call(self, service: str, action: str, fields: Mapping[str, str]) -> Any:
        """A service that answers with JSON; `session.py` gets its tokens through here."""
        about = f"{service}.{action}"
        policy = _RetryPolicy(self._pause_scale)
        for attempt in stamina.retry_context(
            on=policy,
            attempts=ATTEMPTS,
            timeout=None,
            wait_initial=1.0 * self._pause_scale,
            wait_max=30 * self._pause_scale,
        ):
            with attempt:
                raw = self._post(service, action, fields, about=about)
                secrets = (*self.session.secrets, *(fields.get(name, "") for name in ("ks", "tokenHash")))
                _raise_for_error(raw, about, secrets)
                try:
                    return json.loads(raw.body.decode("utf-8-sig"))
                except ValueError:
                    raise Unavailable("the reply is not JSON", about=about) from None

    def _post(self, service: str, action: str, fields: Mapping[str, str], *, about: str) -> Raw:
        path = f"/api_v3/service/{service}/action/{action}"
        try:
            with self._places, self._http.stream("POST", path, data={**fields, "format": "1"}) as response:
                body = bytearray()
                for chunk in response.iter_bytes():
                    body += chunk
                    if len(body) > REPLY_LIMIT_BYTES:
                        raise BadReply(f"the reply is larger than {REPLY_LIMIT_BYTES:,} bytes", about=about)
                return Raw(response.status_code, response.headers, bytes(body))
        except httpx.TimeoutException as error:
            raise Unavailable(f"no answer in time ({type(error).__name__})", about=about) from None
        except httpx.RequestError as error:
            raise Unavailable(
                f"the connection failed ({type(error).__name__}: {redacted(str(error))})", about=about
            ) from None


class _RetryPolicy:
    """What stamina asks after each failure of one question: how long to wait, or whether to give up."""

    def __init__(self, pause_scale: float) -> None:
        self._pause_scale = pause_scale
        self._renewed = False
        self._server_faults = 0

    def __call__(self, error: Exception) -> bool | float:
        decision = self._decide(error)
        if decision is not False:
            log.warning("%s It is asked again.", str(error).removesuffix(getattr(error, "advice", "")).strip())
        return decision

    def _decide(self, error: Exception) -> bool | float:
        if isinstance(error, SessionInvalid):
            first, self._renewed = not self._renewed, True
            return 0.0 if first else False
        if isinstance(error, ServerFault):
            self._server_faults += 1
            return self._server_faults < SERVER_FAULT_ATTEMPTS
        if isinstance(error, RateLimited):
            return random.uniform(*RATE_LIMIT_PAUSE_SECONDS) * self._pause_scale
        return isinstance(error, Unavailable)


def _raise_for_csv(raw: Raw, about: str, secrets: tuple[str, ...]) -> None:
    """Return if the reply is CSV; otherwise raise what it is."""
    _raise_for_error(raw, about, secrets)
    if not raw.body:
        raise Unavailable(
            "the reply is empty, which not even an empty report is", about=about, kaltura_session=raw.kaltura_session
        )
    if not raw.body.startswith(csv.BOM):
        raise Unavailable("a page came back in place of a report", about=about, kaltura_session=raw.kaltura_session)


def _raise_for_error(raw: Raw, about: str, secrets: tuple[str, ...]) -> None:
    context = {"about": about, "kaltura_session": raw.kaltura_session}
    if raw.status == 429:
        raise RateLimited("too many requests (HTTP 429)", **context)
    if raw.status == 408 or raw.status >= 500:
        raise Unavailable(f"the server or a gateway before it failed (HTTP {raw.status})", **context)
    if not 200 <= raw.status < 300:
        raise Refused(
            f"HTTP {raw.status}", advice="Check KALTURA_BASE_URL: it has to be the API of your region.", **context
        )
    code, message, args = _error_of(raw)
    if not code:
        return
    what = redacted(f"{code}: {message}" if message else code, *secrets, *args)
    raise _BY_CODE.get(code, Refused)(what.rstrip("."), advice=_FATAL_ADVICE.get(code, ""), **context)


def _error_of(raw: Raw) -> tuple[str, str, tuple[str, ...]]:
    """Code, message and token-bearing arguments of either error shape; ('', '', ()) if the reply is no error."""
    header = raw.headers.get("x-kaltura", "").strip()
    if header.startswith("error-"):
        return header.removeprefix("error-").strip(), "", ()
    start = raw.body[:4096].lstrip(csv.BOM + b" \t\r\n")
    if start.startswith(b"{"):
        try:
            document = json.loads(raw.body.decode("utf-8-sig"))
        except ValueError:
            return "", "", ()
        if isinstance(document, dict) and "code" in document and "message" in document:
            args = document.get("args")
            ksid = args.get("KSID", "") if isinstance(args, dict) else ""
            is_reason = isinstance(ksid, str) and re.fullmatch(r"[A-Z_]{0,32}", ksid)
            return str(document["code"]), str(document["message"]), () if is_reason else (str(ksid),)
    if start.startswith(b"<") and b"<error>" in raw.body[:4096]:
        code = re.search(rb"<code>([^<]+)</code>", raw.body[:8192])
        message = re.search(rb"<message>([^<]*)</message>", raw.body[:8192])
        if code:
            return code[1].decode("utf-8", "replace"), message[1].decode("utf-8", "replace") if message else "", ()
    return "", "", ()
