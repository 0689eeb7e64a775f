"""The session token (KS): got by app token, by admin secret, or given ready-made; renewed before it ends.

Everything goes by POST, and nothing here ever calls `session.end`: on an app token's KS that would kill every
session of the token for a day (docs/kaltura-api.md section 6).
"""

import hashlib
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from resources.kaltura.errors import Refused

LIFETIME_SECONDS = 4 * 3600  # long enough for a year's backfill to need few, well under the usual maximum of a day
RENEW_BEFORE_END_SECONDS = 600  # a report may take that long, and its KS has to outlive it
HASHES = ("SHA1", "MD5", "SHA256", "SHA512")
ADMIN = 2

Call = Callable[[str, str, Mapping[str, str]], Any]
"""`call(service, action, fields)` posts to Kaltura and returns the reply's JSON."""


@dataclass(frozen=True)
class Credentials:
    """One of three ways in: app token (id, token, hash type), admin secret, or a KS. Raises `Refused` if none is whole."""

    partner_id: str
    app_token_id: str = ""
    app_token: str = field(default="", repr=False)
    app_token_hash: str = "SHA1"
    admin_secret: str = field(default="", repr=False)
    user_id: str = ""
    ks: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        if not self.partner_id.isdecimal():
            raise Refused(
                f"KALTURA_PARTNER_ID={self.partner_id!r} is not a number", advice="It is shown in the KMC's settings."
            )
        if bool(self.app_token_id) != bool(self.app_token):
            raise Refused("KALTURA_APP_TOKEN_ID and KALTURA_APP_TOKEN belong together, and one is missing")
        if not (self.app_token or self.admin_secret or self.ks):
            raise Refused(
                "there are no credentials",
                advice="Set KALTURA_APP_TOKEN_ID and KALTURA_APP_TOKEN, or KALTURA_ADMIN_SECRET, or KALTURA_KS.",
            )
        if self.app_token_hash.upper() not in HASHES:
            raise Refused(f"KALTURA_APP_TOKEN_HASH={self.app_token_hash!r} is none of {', '.join(HASHES)}")

    @property
    def secrets(self) -> tuple[str, ...]:
        return tuple(value for value in (self.app_token, self.admin_secret, self.ks) if value)


class SessionToken:
    """The KS in use. Safe to share between threads: of several that find it dead, one gets the new one."""

    def __init__(self, credentials: Credentials, call: Call) -> None:
        self._credentials = credentials
        self._call = call
        self._lock = threading.Lock()
        self._ks = ""
        self._renew_at = 0.0

    def get(self) -> str:
        """A KS that is good for the next request."""
        with self._lock:
            if time.time() >= self._renew_at:
                self._start()
            return self._ks

    def discard(self, dead: str) -> None:
        """Forget `dead`, which Kaltura refused, unless another thread has already replaced it."""
        with self._lock:
            if self._ks == dead:
                self._renew_at = 0.0

    @property
    def secrets(self) -> tuple[str, ...]:
        return (*self._credentials.secrets, self._ks) if self._ks else self._credentials.secrets

    def _start(self) -> None:
        with_ = self._credentials
        if with_.app_token:
            self._ks, lifetime = self._by_app_token()
        elif with_.admin_secret:
            self._ks, lifetime = self._by_admin_secret()
        else:
            if self._ks:
                raise Refused(
                    "the KS in KALTURA_KS is no longer valid", advice="Set a new one, or better an app token."
                )
            self._ks, lifetime = with_.ks, float("inf")
        self._renew_at = time.time() + lifetime - min(RENEW_BEFORE_END_SECONDS, lifetime / 10)

    def _by_app_token(self) -> tuple[str, float]:
        with_ = self._credentials
        widget = self._call("session", "startWidgetSession", {"widgetId": f"_{with_.partner_id}"})
        widget_ks = _text(widget, "ks")
        token_hash = hashlib.new(with_.app_token_hash.lower(), (widget_ks + with_.app_token).encode()).hexdigest()
        fields = {
            "ks": widget_ks,
            "id": with_.app_token_id,
            "tokenHash": token_hash,
            "expiry": str(LIFETIME_SECONDS),
        } | ({"userId": with_.user_id} if with_.user_id else {})
        session = self._call("appToken", "startSession", fields)
        ends_at = session.get("expiry")
        lifetime = float(ends_at) - time.time() if isinstance(ends_at, int | float) else float(LIFETIME_SECONDS)
        # The clocks may differ by more than the session lasts; then only INVALID_KS can tell that it has ended.
        return _text(session, "ks"), lifetime if lifetime > 0 else float(LIFETIME_SECONDS)

    def _by_admin_secret(self) -> tuple[str, float]:
        with_ = self._credentials
        fields = {
            "secret": with_.admin_secret,
            "userId": with_.user_id,
            "type": str(ADMIN),
            "partnerId": with_.partner_id,
            "expiry": str(LIFETIME_SECONDS),
        }
        ks = self._call("session", "start", fields)
        if not isinstance(ks, str) or not ks:
            raise Refused("session.start answered with something that is no session token")
        return ks, float(LIFETIME_SECONDS)


def _text(reply: Any, name: str) -> str:
    value = reply.get(name) if isinstance(reply, dict) else None
    if not isinstance(value, str) or not value:
        raise Refused(f"a session was asked for, and the reply has no {name!r}", advice="Check KALTURA_BASE_URL.")
    return value
