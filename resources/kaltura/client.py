"""One question put to Kaltura over HTTP, and its answer: rows, or an error that says what to do next.

A POST for everything, so that no token ever stands in a URL; no redirect is followed, so that none goes to another
host; certificates are always checked. `reply.py` tells what a reply means.
"""

import json
import logging
import math
import random
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard

import httpx
import stamina
from stamina.instrumentation import RetryDetails, set_on_retry_hooks

from resources.kaltura import body, csv, deadline
from resources.kaltura.address import address_of, is_this_machine
from resources.kaltura.clock import Clock
from resources.kaltura.errors import (
    CutOff,
    FilterIgnored,
    GivenUp,
    KalturaError,
    RateLimited,
    Refused,
    ServerFault,
    SessionInvalid,
    Unavailable,
    redacted,
)
from resources.kaltura.query import Query
from resources.kaltura.quotes import Quotes
from resources.kaltura.reply import ADDRESS_ADVICE, CHECK_IDS, Raw, raise_for_csv, raise_for_error
from resources.kaltura.session import Credentials, SessionToken

log = logging.getLogger("kaltura")
# At its debug level the library writes down every header of a reply, and one of them repeats the ids that were asked for.
logging.getLogger("httpcore").setLevel(logging.WARNING)

REPORT_ROW_CAP = 100_000  # a longer report is cut there in silence (section 3)
CONNECT_TIMEOUT_SECONDS = 10
READ_TIMEOUT_SECONDS = 330  # the server gives a query up at 600 s; gateways before it at 300 s
REPLY_LIMIT_SECONDS = 1800.0  # for one try, headers and body: what comes by drops never runs into a read timeout
QUESTION_LIMIT_SECONDS = 3600.0  # for one question with all its tries and pauses: no new try begins later, none goes on
ATTEMPTS = 6
SERVER_FAULT_ATTEMPTS = 3
RATE_LIMIT_PAUSE_SECONDS = (10.0, 60.0)
# The other pauses: each so many times the one before it up to the longest, and up to the jitter longer than that.
FIRST_PAUSE_SECONDS = 1.0
PAUSE_GROWTH = 3
LONGEST_PAUSE_SECONDS = 60.0
PAUSE_JITTER_SECONDS = 2.0

_SECRET_FIELDS = ("ks", "secret", "tokenHash")


@dataclass
class RequestStats:
    """What a report has cost so far: requests, tries included, and the last reply's trace for Kaltura's support."""

    requests: int = 0
    kaltura_session: str = ""


@dataclass(frozen=True)
class Reply:
    """The rows that answer a query."""

    query: Query
    rows: csv.Rows


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
        address = address_of(base_url)
        self.base_url = str(address)
        self.is_remote = not is_this_machine(address.host)
        self.row_cap = row_cap
        self.tries = ATTEMPTS  # at one question, of which each is unavailable
        self.clock = Clock()
        self._quotes = Quotes()
        self.heeded: set[tuple[int, str]] = set()  # filters, by report, that the server has shown to know
        self._pause_scale = pause_scale
        self._given_up = threading.Event()
        self._places = threading.BoundedSemaphore(max_concurrency)
        self._http = deadline.respected_by(self._connections(address, max_concurrency))
        self.session = SessionToken(credentials, self._call, self.clock)

    def _connections(self, address: httpx.URL, most: int) -> httpx.Client:
        try:
            return httpx.Client(
                base_url=address,
                timeout=httpx.Timeout(READ_TIMEOUT_SECONDS, connect=CONNECT_TIMEOUT_SECONDS),
                limits=httpx.Limits(max_connections=most),
                follow_redirects=False,
                headers={"user-agent": "kaltura-room-warehouse", "accept-encoding": "gzip, deflate"},
                # HTTPS_PROXY, NO_PROXY and SSL_CERT_FILE count, except for a stand-in on this machine.
                trust_env=self.is_remote,
                # Certificates of authorities take 25 ms to read, and nobody on this machine's http shows one.
                verify=self.is_remote or address.scheme == "https" or ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
            )
        except (ValueError, ImportError, OSError) as error:
            raise Refused(
                f"no connection can be prepared ({type(error).__name__}: {redacted(str(error))})",
                advice="Check the variables HTTPS_PROXY, ALL_PROXY, NO_PROXY and SSL_CERT_FILE.",
            ) from None

    def close(self) -> None:
        self._http.close()

    def give_up(self) -> None:
        """Ends what other threads ask for and their pauses, with `GivenUp`, and has nothing asked for any more.

        Kaltura may take ten minutes to answer, and six tries an hour: too long for somebody who has pressed Ctrl-C.
        """
        self._given_up.set()
        deadline.cut_off(self._http)

    def ask(self, query: Query, stats: RequestStats, *, excluded_columns: tuple[str, ...] = ()) -> Reply:
        """All rows that answer `query`.

        Raises `TooMuch` where the reply was cut or the query timed out, `Refused` where this machine's clock and
        Kaltura's disagree, and any other `KalturaError` once asking again is of no use.
        """
        raw = self.raw(query, stats, excluded_columns=excluded_columns)
        self.clock.require_agreement()
        try:
            return self._reply(query, raw, excluded_columns)
        except KalturaError as error:
            error.what = redacted(error.what, *raw.secrets)  # it may name columns, and those are the server's words
            error.args = (error.what,)
            error.kaltura_session = raw.kaltura_session
            raise

    def raw(
        self, query: Query, stats: RequestStats, *, excluded_columns: tuple[str, ...] = (), tries: int | None = None
    ) -> Raw:
        """Some CSV that answers `query`, as it came. Raises like `ask`, except for what only its rows can tell.

        `tries` are fewer than the client's where an error may be the answer.
        """
        gives_up_at = time.monotonic() + QUESTION_LIMIT_SECONDS
        for attempt in self._attempts(renewals=1, tries=tries):
            ks = self._ks(query)  # has tries of its own, so it stands outside of this question's
            with attempt:
                stats.requests += 1
                started = time.monotonic()
                try:
                    raw = self.post_report(query, ks, excluded_columns=excluded_columns, gives_up_at=gives_up_at)
                except KalturaError as error:
                    error.tries = attempt.num
                    stats.kaltura_session = error.kaltura_session or stats.kaltura_session
                    raise
                stats.kaltura_session = raw.kaltura_session or stats.kaltura_session
                log.debug("%s: %s bytes in %.1f s", query, f"{len(raw.body):,}", time.monotonic() - started)
        return raw

    def post_report(
        self, query: Query, ks: str, *, excluded_columns: tuple[str, ...] = (), gives_up_at: float = math.inf
    ) -> Raw:
        """One try at `query`. Raises the `KalturaError` that the reply stands for; any CSV is returned as it came."""
        fields = {"ks": ks, "id": str(query.source.report_id), "params": query.params(), "nocache": "1"}
        if excluded_columns:
            fields["excludedFields"] = ",".join(excluded_columns)
        try:
            raw = self.post("report", "getCsvFromStringParams", fields, about=str(query), gives_up_at=gives_up_at)
            secrets = (*self._secrets(fields), *query.people)
            raise_for_csv(raw, str(query), secrets, has_chosen_ids=bool(query.chosen))
        except SessionInvalid as error:
            self.session.discard(ks, error.what)
            raise
        return raw

    def post(
        self, service: str, action: str, fields: Mapping[str, str], *, about: str, gives_up_at: float = math.inf
    ) -> Raw:
        """One request and whatever came back. Raises `Unavailable` or `Refused` where nothing whole did.

        `GivenUp` is raised in the place of any of them after `give_up`.
        """
        gives_up_at = min(gives_up_at, time.monotonic() + REPLY_LIMIT_SECONDS)
        path = f"/api_v3/service/{service}/action/{action}"
        try:
            with self._places, deadline.until(gives_up_at):
                self._require_somebody_waits(about)
                asked_at = self.clock.steady()
                with self._http.stream("POST", path, data={**fields, "format": "1"}) as response:
                    self.clock.heard(response.headers.get("date", ""), asked_at)
                    return Raw(
                        response.status_code,
                        response.headers,
                        body.read(response, about, gives_up_at),
                        self._secrets(fields),
                    )
        except (httpx.RequestError, Unavailable) as error:
            self._require_somebody_waits(about)
            if isinstance(error, Unavailable):
                raise
            raise _connection_error(error, about, self._secrets(fields)) from None

    def _require_somebody_waits(self, about: str) -> None:
        if self._given_up.is_set():
            raise GivenUp(about=about) from None

    def _reply(self, query: Query, raw: Raw, excluded_columns: tuple[str, ...]) -> Reply:
        about = str(query)
        most = min(self.row_cap, query.limit or self.row_cap)
        if raw.body.count(b"\n") > most:  # so many that reading them would only take memory
            raise CutOff(f"the reply was cut off at {most:,} rows", about=about)
        rows = csv.parse(raw.body, query.source, about, left_out=excluded_columns, quotes=self._quotes)
        if rows.line_count >= most:
            raise CutOff(f"the reply was cut off at {most:,} rows", about=about)
        self._check_filters(query, rows)
        return Reply(query, rows)

    def _ks(self, query: Query) -> str:
        try:
            return self.session.get()
        except KalturaError as error:
            error.about = f"{query}: {error.about}" if error.about else str(query)
            raise

    def _attempts(self, *, renewals: int, tries: int | None = None) -> Iterator[stamina.Attempt]:
        return iter(
            stamina.retry_context(
                on=_RetryPolicy(self._pause_scale, renewals, min(tries or self.tries, self.tries), self._given_up),
                attempts=ATTEMPTS,
                timeout=QUESTION_LIMIT_SECONDS,
            )
        )

    def _secrets(self, fields: Mapping[str, str]) -> tuple[str, ...]:
        """Everything that must not be in a message about a request with these fields."""
        return (*self.session.secrets, *(fields.get(name, "") for name in _SECRET_FIELDS))

    def _check_filters(self, query: Query, rows: csv.Rows) -> None:
        for filter_, asked in query.ids.items():
            if filter_.column is None or filter_.column not in rows.frame:
                continue
            foreign = filter_.strangers(rows.frame[filter_.column].unique(), asked)
            if foreign:
                what = f"rows of {foreign:,} other {filter_.column} came back"
                advice = f"{FilterIgnored.default_advice} {CHECK_IDS}" if filter_ in query.chosen else ""
                raise FilterIgnored(what, about=str(query), advice=advice)

    def _call(self, service: str, action: str, fields: Mapping[str, str]) -> Any:
        """A service that answers with JSON; `session.py` gets its tokens through here."""
        about = f"{service}.{action}"
        gives_up_at = time.monotonic() + QUESTION_LIMIT_SECONDS
        for attempt in self._attempts(renewals=0):  # the same fields would meet the same refusal
            with attempt:
                try:
                    return self._document(
                        self.post(service, action, fields, about=about, gives_up_at=gives_up_at), about
                    )
                except KalturaError as error:
                    error.tries = attempt.num
                    raise
        raise AssertionError("an attempt either returns or raises")

    def _document(self, raw: Raw, about: str) -> Any:
        raise_for_error(raw, about, raw.secrets)
        try:
            return json.loads(raw.body.decode("utf-8-sig"))
        except (ValueError, RecursionError):
            session = raw.kaltura_session
            raise Unavailable(
                "the reply is not JSON", about=about, advice=ADDRESS_ADVICE, kaltura_session=session
            ) from None


def pause_bounds(error: BaseException, pauses: int) -> tuple[float, float]:
    """The least and the most seconds before the next try, after so many pauses.

    Each time longer, and drawn: so that many clients that met the same trouble do not come back at the same moment.
    """
    if isinstance(error, RateLimited):
        return RATE_LIMIT_PAUSE_SECONDS
    low = min(FIRST_PAUSE_SECONDS * PAUSE_GROWTH**pauses, LONGEST_PAUSE_SECONDS)
    return low, low + PAUSE_JITTER_SECONDS


class _RetryPolicy:
    """What stamina asks after each failure of one question: whether to try again. It makes the pause before that itself.

    For a pause of stamina's own ends for nobody, and `given_up` ends this one. `renewals` is how often a dead session
    token is worth another try, `tries` how often what is unavailable is asked.
    """

    def __init__(self, pause_scale: float, renewals: int, tries: int, given_up: threading.Event) -> None:
        self._tries = tries
        self._pause_scale = pause_scale
        self._renewals = renewals
        self._server_faults = 0
        self._pauses = 0
        self._given_up = given_up

    def __call__(self, error: Exception) -> bool | float:
        if self._given_up.is_set() or not self._is_worth_another_try(error):
            return False
        if not isinstance(error, SessionInvalid):
            pause = self._pause(error)
            log.warning("%s It is asked again in %.0f s.", error.what_and_where, pause)
            self._sleep(pause)
        return 0.0

    def _sleep(self, seconds: float) -> None:
        self._given_up.wait(seconds)

    def _is_worth_another_try(self, error: Exception) -> TypeGuard[KalturaError]:
        if isinstance(error, SessionInvalid):
            self._renewals -= 1
            return self._renewals >= 0
        self._tries -= 1
        if self._tries <= 0:
            return False
        if isinstance(error, ServerFault):
            self._server_faults += 1
            return self._server_faults < SERVER_FAULT_ATTEMPTS
        return isinstance(error, Unavailable)

    def _pause(self, error: KalturaError) -> float:
        low, high = pause_bounds(error, self._pauses)
        self._pauses += 1
        return random.uniform(low, high) * self._pause_scale  # noqa: S311 - no secret hangs on it


def _log_retry(details: RetryDetails) -> None:
    """One line for each pause. stamina's own would show the error's repr, on stdout, whatever the log's settings."""
    if not isinstance(details.caused_by, KalturaError):  # of those the policy has told
        logging.getLogger("stamina").warning(
            "%s; tried again in %.0f s", type(details.caused_by).__name__, details.wait_for
        )


set_on_retry_hooks([_log_retry])  # for the whole process: stamina knows no narrower place


def _connection_error(error: httpx.RequestError, about: str, secrets: tuple[str, ...]) -> KalturaError:
    """What a connection that failed stands for. A body shorter than its Content-Length comes this way too."""
    if isinstance(error, httpx.TimeoutException):
        return Unavailable(f"no answer in time ({type(error).__name__})", about=about)
    what = f"the connection failed ({type(error).__name__}: {redacted(str(error), *secrets)})"
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return Refused(
                what,
                about=about,
                advice="The server's certificate is not trusted. If a proxy of yours replaces certificates, name its "
                "authority in SSL_CERT_FILE; else check KALTURA_BASE_URL.",
            )
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, httpx.ConnectError | httpx.UnsupportedProtocol | httpx.ProxyError):
        return Unavailable(what, about=about, advice="Check KALTURA_BASE_URL, the network and its proxy settings.")
    return Unavailable(what, about=about)
