"""The session token (KS): got by app token, by admin secret, or given ready-made; renewed before it ends.

Everything goes by POST, and nothing here ever calls `session.end`: on an app token's KS that would kill every
session of the token for a day (docs/kaltura-api.md section 6).
"""

import base64
import binascii
import hashlib
import math
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple

from resources.kaltura.clock import Clock
from resources.kaltura.errors import Refused, SessionInvalid, redacted

LIFETIME_SECONDS = 4 * 3600  # long enough for a year's backfill to need few, well under the usual maximum of a day
RENEW_BEFORE_END_SECONDS = 600  # a report may take that long, and its KS has to outlive it
HASHES = ("SHA1", "MD5", "SHA256", "SHA512")
USER, ADMIN = 0, 2  # types of a session

_URL_SAFE = bytes.maketrans(b"-_", b"+/")
_NAMES_ACCOUNT = re.compile(rb"v2\|(?P<v2>-?\d{1,18})\||[0-9a-fA-F]{40}\|(?P<v1>-?\d{1,18});")
_OF_AN_END = ("EXPIRED", "LOGOUT")  # the reasons of an INVALID_KS that was good before
_NO_KS_ADVICE = "Check KALTURA_BASE_URL: that is not how Kaltura's API answers."

Call = Callable[[str, str, Mapping[str, str]], Any]
"""`call(service, action, fields)` posts to Kaltura and returns the reply's JSON."""


@dataclass(frozen=True)
class Credentials:
    """One of three ways in: app token (id, token, hash type), admin secret, or a KS.

    Raises `Refused` if none is whole.
    """

    partner_id: str
    app_token_id: str = ""
    app_token: str = field(default="", repr=False)
    app_token_hash: str = "SHA1"  # noqa: S105 - the name of a hash
    admin_secret: str = field(default="", repr=False)
    user_id: str = ""
    ks: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        for each in fields(self):  # a secret read from a file usually ends in a newline, which is no part of it
            object.__setattr__(self, each.name, getattr(self, each.name).strip())
        if not self.partner_id.isdecimal():
            given = redacted(self.partner_id, *self.secrets)
            raise Refused(f"KALTURA_PARTNER_ID={given!r} is not a number", advice="It is shown in the KMC's settings.")
        if bool(self.app_token_id) != bool(self.app_token):
            raise Refused(
                "KALTURA_APP_TOKEN_ID and KALTURA_APP_TOKEN belong together, and one is missing",
                advice="Set both, or neither and KALTURA_ADMIN_SECRET or KALTURA_KS.",
            )
        if not (self.app_token or self.admin_secret or self.ks):
            raise Refused(
                "there are no credentials",
                advice="Set KALTURA_APP_TOKEN_ID and KALTURA_APP_TOKEN, or KALTURA_ADMIN_SECRET, or KALTURA_KS.",
            )
        if self.app_token_hash.upper() not in HASHES:
            given = redacted(self.app_token_hash, *self.secrets)
            raise Refused(
                f"KALTURA_APP_TOKEN_HASH={given!r} is none of {', '.join(HASHES)}",
                advice="It is the hash type that the app token was made with.",
            )
        if not (self.app_token or self.admin_secret) and account_of(self.ks) not in (None, int(self.partner_id)):
            raise Refused(
                "KALTURA_KS is a session of another account than KALTURA_PARTNER_ID, under which its rows would be stored",
                advice="Set the KS of this account, or the partner id of that one.",
            )

    @property
    def secrets(self) -> tuple[str, ...]:
        return tuple(value for value in (self.app_token, self.admin_secret, self.ks) if value)

    @property
    def way(self) -> str:
        """The way in that is used where several are given."""
        if self.app_token:
            return f"app token, {self.app_token_hash.upper()}"
        return "admin secret" if self.admin_secret else "a ready KS"


def account_of(ks: str) -> int | None:
    """The account that a KS names in clear, in either version of its format; None of one that can't be read so."""
    try:
        told = base64.b64decode(ks.encode("ascii").translate(_URL_SAFE) + b"==")
    except (binascii.Error, UnicodeEncodeError):
        return None
    named = _NAMES_ACCOUNT.match(told)
    return int(named["v1"] or named["v2"]) if named else None


class _Started(NamedTuple):
    """A new KS; how long it is granted for and whether it is a plain user's, as far as Kaltura says so."""

    ks: str
    granted_seconds: float | None = None
    is_users: bool | None = None


class SessionToken:
    """The KS in use. Safe to share between threads: of several that find it dead, one gets the new one."""

    def __init__(self, credentials: Credentials, call: Call, clock: Clock | None = None) -> None:
        self._credentials = credentials
        self._clock = clock or Clock()
        self._call = call
        self._lock = threading.Lock()
        self._ks = ""
        self._refused_as = (
            ""  # what Kaltura said of the last one that it refused: a code, and a reason where it is known
        )
        self._renew_at = -math.inf  # by a clock that nobody sets
        self.granted_seconds: float | None = None  # how long the KS lasts, where Kaltura says so
        self.is_users: bool | None = None  # whether it is a user's without a role, which may read no reports

    def get(self) -> str:
        """A KS that is good for the next request."""
        with self._lock:
            if self._clock.steady() >= self._renew_at:
                self._start()
            return self._ks

    def discard(self, dead: str, refused_as: str = "") -> None:
        """Forget `dead`, which Kaltura refused with these words, unless another thread has already replaced it."""
        with self._lock:
            if self._ks == dead:
                self._refused_as = refused_as
                self._renew_at = -math.inf

    @property
    def secrets(self) -> tuple[str, ...]:
        return (*self._credentials.secrets, self._ks) if self._ks else self._credentials.secrets

    def _start(self) -> None:
        try:
            started = self._started()
        except SessionInvalid:  # the widget's KS was refused, so a second one is asked for; then that is that
            started = self._started()
        granted = started.granted_seconds
        lifetime = min(granted or LIFETIME_SECONDS, LIFETIME_SECONDS) if self.is_renewable else math.inf
        self._ks, self.granted_seconds, self.is_users = started
        self._renew_at = self._clock.steady() + lifetime - min(RENEW_BEFORE_END_SECONDS, lifetime / 4)

    @property
    def way(self) -> str:
        return self._credentials.way

    @property
    def is_renewable(self) -> bool:
        """Whether a new KS can be had once this one ends."""
        return bool(self._credentials.app_token or self._credentials.admin_secret)

    def _started(self) -> _Started:
        if self._credentials.app_token:
            return self._by_app_token()
        if self._credentials.admin_secret:
            return _Started(self._by_admin_secret())
        if self._ks:
            raise self._of_a_ready_ks()
        return _Started(self._credentials.ks)

    def _of_a_ready_ks(self) -> Refused:
        """Where Kaltura names no reason, the KS may as well be cut off, or another region's, as at its end."""
        renewed = "a new one, or better an app token, which renews itself"
        if any(f"({reason})" in self._refused_as for reason in _OF_AN_END):
            return Refused("the KS in KALTURA_KS is no longer valid", advice=f"It can't be renewed: set {renewed}.")
        said = f" ({self._refused_as})" if self._refused_as else ""
        return Refused(
            f"the KS in KALTURA_KS is not valid{said}",
            advice="Where it has never worked: check that it is whole, and that KALTURA_BASE_URL is the region that it was "
            f"made in. Where it has, it has been ended: set {renewed}.",
        )

    def _by_app_token(self) -> _Started:
        """A token that was made without a session type gives a user's session unless an admin's is asked for."""
        with_ = self._credentials
        widget = self._call("session", "startWidgetSession", {"widgetId": f"_{with_.partner_id}"})
        widget_ks = _text(widget, "ks")
        token_hash = hashlib.new(with_.app_token_hash.lower(), (widget_ks + with_.app_token).encode()).hexdigest()
        asked = {
            "ks": widget_ks,
            "id": with_.app_token_id,
            "tokenHash": token_hash,
            "type": str(ADMIN),
            "expiry": str(LIFETIME_SECONDS),
        }
        if with_.user_id:
            asked["userId"] = with_.user_id
        session = self._call("appToken", "startSession", asked)
        ks, granted = _text(session, "ks"), _lifetime(session.get("expiry"), self._clock.now())
        return _Started(ks, granted, _is_users(session))

    def _by_admin_secret(self) -> str:
        with_ = self._credentials
        asked = {
            "secret": with_.admin_secret,
            "userId": with_.user_id,
            "type": str(ADMIN),
            "partnerId": with_.partner_id,
            "expiry": str(LIFETIME_SECONDS),
        }
        ks = self._call("session", "start", asked)
        if not isinstance(ks, str) or not ks:
            raise Refused("session.start answered with something that is no session token", advice=_NO_KS_ADVICE)
        return ks


def _text(reply: Any, name: str) -> str:
    value = reply.get(name) if isinstance(reply, dict) else None
    if not isinstance(value, str) or not value:
        raise Refused(f"a session was asked for, and the reply has no {name!r}", advice=_NO_KS_ADVICE)
    return value


def _is_users(session: Mapping[str, Any]) -> bool | None:
    """Whether the session is a user's, and no role is set in its place; None where the reply tells nothing."""
    kind = str(session.get("sessionType", ""))
    if kind not in (str(USER), str(ADMIN)):
        return None
    return kind == str(USER) and "setrole:" not in str(session.get("privileges", ""))


def _lifetime(ends_at: Any, now: float) -> float | None:
    """Seconds up to `ends_at`; None where it tells nothing.

    `now` is by Kaltura's clock, where its replies tell the time; where they do not, only INVALID_KS can tell that a
    session has ended.
    """
    try:
        seconds = float(ends_at) - now
    except (TypeError, ValueError, OverflowError):
        return None
    return seconds if seconds > 0 else None
