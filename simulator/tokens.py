"""Kaltura sessions (KS): who may ask, for how long. A KS that is issued here is an opaque random string; none is logged."""

import hashlib
import hmac
import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

from simulator import signed_ks
from simulator.errors import ApiError

LONGEST_SESSION_SECONDS = 24 * 3600
USER_SESSION_TYPE, ADMIN_SESSION_TYPE = 0, 2

_HASHES = {"SHA1": hashlib.sha1, "MD5": hashlib.md5, "SHA256": hashlib.sha256, "SHA512": hashlib.sha512}


@dataclass(frozen=True)
class Credentials:
    """What a client needs to know of an account. The defaults are the demo account's: invented, and no secret."""

    partner_id: int = 9999
    admin_secret: str = "demo-admin-secret-of-the-simulator"
    app_token_id: str = "1_demotoken"
    app_token: str = "demo-app-token-of-the-simulator"
    app_token_hash: str = "SHA1"  # SHA1, MD5, SHA256 or SHA512
    app_token_type: int | None = None  # the token's own session type; None: what is asked for, a user's by default
    app_token_privileges: str = ""


DEMO = Credentials()


@dataclass(frozen=True)
class _Ks:
    valid_until: float
    may_report: bool
    kind: int = USER_SESSION_TYPE
    user_id: str = ""
    privileges: str = ""
    app_token_id: str = ""
    ended_as: str = ""  # EXPIRED or LOGOUT once it is dead


class Tokens:
    """The account's live and dead sessions. They age by the real clock, not by the clock that reports are asked at."""

    def __init__(self, credentials: Credentials = DEMO, *, may_report: bool = True) -> None:
        self.credentials = credentials
        self.may_report = may_report
        self._issued: dict[str, _Ks] = {}
        self._logged_out_tokens: set[str] = set()
        self._lock = threading.Lock()

    def start(self, fields: Mapping[str, str]) -> str:
        """session.start: the KS alone."""
        self._expect_partner(fields.get("partnerId", ""))
        if not hmac.compare_digest(fields.get("secret", "").encode(), self.credentials.admin_secret.encode()):
            raise ApiError("START_SESSION_ERROR", f"No session for partner {self.credentials.partner_id}")
        is_admin = _whole(fields.get("type", ""), USER_SESSION_TYPE) == ADMIN_SESSION_TYPE
        kind = ADMIN_SESSION_TYPE if is_admin else USER_SESSION_TYPE
        privileges = fields.get("privileges", "")
        return self._issue(fields, is_admin and self.may_report, kind=kind, privileges=privileges)

    def start_widget(self, fields: Mapping[str, str]) -> dict[str, object]:
        """session.startWidgetSession: a KS that may do no more than start an app token's session."""
        widget_id = fields.get("widgetId", "")
        if widget_id != f"_{self.credentials.partner_id}":
            raise ApiError("INVALID_WIDGET_ID", "No such widget")
        ks = self._issue({**fields, "userId": "0"}, may_report=False)
        return {
            "ks": ks,
            "partnerId": self.credentials.partner_id,
            "userId": 0,
            "objectType": "KalturaStartWidgetSessionResponse",
        }

    def start_app_token(self, fields: Mapping[str, str]) -> dict[str, object]:
        """appToken.startSession: the app token's KS, for whoever can hash the widget's KS with the token."""
        widget_ks = fields.get("ks", "")
        self._expect_live(widget_ks)
        if fields.get("id") != self.credentials.app_token_id:
            raise ApiError("APP_TOKEN_ID_NOT_FOUND", "No app token has this id")
        digest = _HASHES[self.credentials.app_token_hash]((widget_ks + self.credentials.app_token).encode()).hexdigest()
        if not hmac.compare_digest(fields.get("tokenHash", "").encode(), digest.encode()):
            raise ApiError("INVALID_APP_TOKEN_HASH", "The token hash doesn't match")
        kind = self.credentials.app_token_type
        if kind is None:
            kind = _whole(fields.get("type", ""), USER_SESSION_TYPE)
        privileges = _merged(self.credentials.app_token_privileges, fields.get("sessionPrivileges", ""))
        may_report = self.may_report and (
            kind == ADMIN_SESSION_TYPE or "setrole:" in self.credentials.app_token_privileges
        )
        return self._info(self._issue(fields, may_report, kind, privileges, self.credentials.app_token_id))

    def get(self, fields: Mapping[str, str]) -> dict[str, object]:
        """session.get: what is known of `session`, or of the KS itself."""
        self._expect_live(fields.get("ks", ""))
        asked = fields.get("session") or fields["ks"]
        self._expect_live(asked)
        return self._info(asked)

    def _info(self, ks: str) -> dict[str, object]:
        session = self._issued[ks]
        return {
            "ks": ks,
            "sessionType": session.kind,
            "partnerId": self.credentials.partner_id,
            "userId": session.user_id,
            "expiry": int(session.valid_until),
            "privileges": session.privileges,
            "objectType": "KalturaSessionInfo",
        }

    def end(self, fields: Mapping[str, str]) -> None:
        """session.end: on an app token's KS it kills every KS of that token, also those still to come."""
        ks = fields.get("ks", "")
        session = self._expect_live(ks)
        with self._lock:
            self._issued[ks] = replace(session, ended_as="LOGOUT")
            if session.app_token_id:
                self._logged_out_tokens.add(session.app_token_id)

    def authorize(self, ks: str) -> None:
        """Return if this KS may ask for reports."""
        if not self._expect_live(ks).may_report:
            raise ApiError("SERVICE_FORBIDDEN", "This session may not ask for reports", {"SERVICE": "report"})

    def expire(self, ks: str) -> None:
        with self._lock:
            if ks in self._issued:
                self._issued[ks] = replace(self._issued[ks], ended_as="EXPIRED")

    def expire_all(self) -> None:
        for ks in list(self._issued):
            self.expire(ks)

    def _issue(
        self,
        fields: Mapping[str, str],
        may_report: bool,
        kind: int = USER_SESSION_TYPE,
        privileges: str = "",
        app_token_id: str = "",
    ) -> str:
        asked_seconds = _whole(fields.get("expiry", ""), LONGEST_SESSION_SECONDS)
        valid_until = time.time() + min(asked_seconds, LONGEST_SESSION_SECONDS)
        ks = secrets.token_urlsafe(60)
        with self._lock:
            self._issued[ks] = _Ks(valid_until, may_report, kind, fields.get("userId", ""), privileges, app_token_id)
        return ks

    def _expect_partner(self, partner_id: str) -> None:
        if partner_id != str(self.credentials.partner_id):
            raise ApiError("START_SESSION_ERROR", "No session for this partner")

    def _expect_live(self, ks: str) -> _Ks:
        if not ks:
            raise ApiError("MISSING_KS", "This action needs a ks")
        session = self._issued.get(ks) or self._signed(ks)
        if session is None:
            raise invalid_ks(ks)
        if session.ended_as or session.app_token_id in self._logged_out_tokens:
            raise invalid_ks(session.ended_as or "LOGOUT")
        if session.valid_until <= time.time():
            raise invalid_ks("EXPIRED")
        return session

    def _signed(self, ks: str) -> _Ks | None:
        """One that the client has made itself; known from the first time that it is seen, so that it can be ended."""
        found = signed_ks.read(ks, self.credentials.partner_id, self.credentials.admin_secret)
        if found is None:
            return None
        may_report = self.may_report and found.kind == ADMIN_SESSION_TYPE
        with self._lock:
            return self._issued.setdefault(
                ks, _Ks(found.valid_until, may_report, found.kind, found.user_id, found.privileges)
            )


def invalid_ks(ks_id: str) -> ApiError:
    """The document for a KS that doesn't count: `ks_id` is the reason, or the whole KS where it can't be read.

    What else the server says is the same for every reason.
    """
    message = f'Invalid KS "{ks_id}", Error "-1,INVALID_STR"'
    return ApiError("INVALID_KS", message, {"KSID": ks_id, "ERR_CODE": "-1", "ERR_DESC": "INVALID_STR"})


def _merged(of_token: str, asked: str) -> str:
    """An app token's own privileges, and of those asked for the ones that it has not."""
    own = [each for each in of_token.split(",") if each]
    names = {each.partition(":")[0] for each in own}
    return ",".join([*own, *(each for each in asked.split(",") if each and each.partition(":")[0] not in names)])


def _whole(text: str, default: int) -> int:
    return int(text) if text.isdecimal() else default
