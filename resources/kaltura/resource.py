"""Kaltura as Dagster's assets ask for it: the account's settings, and a client while a run needs one."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dagster as dg
from pydantic import Field

from resources.kaltura.client import REPORT_ROW_CAP, Client
from resources.kaltura.errors import Refused
from resources.kaltura.session import Credentials
from resources.local import kaltura as standin
from resources.local.kaltura import expect_account_or_demo, is_standin
from resources.settings import Settings

DEFAULT_BASE_URL = "https://www.kaltura.com"

_SETTINGS = {
    "base_url": "KALTURA_BASE_URL",
    "partner_id": "KALTURA_PARTNER_ID",
    "app_token_id": "KALTURA_APP_TOKEN_ID",
    "app_token": "KALTURA_APP_TOKEN",
    "app_token_hash": "KALTURA_APP_TOKEN_HASH",
    "admin_secret": "KALTURA_ADMIN_SECRET",  # pragma: allowlist secret
    "user_id": "KALTURA_USER_ID",
    "ks": "KALTURA_KS",
}


def account_name() -> str:
    """The partner id, or `standin`: what tells one account's pool from another's."""
    return re.sub(r"\W", "_", os.environ.get("KALTURA_PARTNER_ID", "").strip()) or "standin"


class Kaltura(dg.ConfigurableResource["Kaltura"]):
    """The account. Without a partner id it is the stand-in, which is started when first asked."""

    base_url: str = Field(default="", description="The API of the account's region.")
    partner_id: str = Field(default="", description="The account. Empty: the stand-in Kaltura.")
    app_token_id: str = ""
    app_token: str = Field(default="", repr=False)
    app_token_hash: str = ""
    admin_secret: str = Field(default="", repr=False)
    user_id: str = ""
    ks: str = Field(default="", repr=False)
    max_concurrency: int = Field(default=2, ge=1, le=16, description="Requests under way at once.")
    row_cap: int = Field(default=REPORT_ROW_CAP, ge=2, description="Rows at which Kaltura cuts a reply.")
    pause_scale: float = Field(default=1.0, ge=0, description="Shortens the pauses between tries; 1 outside of tests.")

    @classmethod
    def from_environment(cls) -> "Kaltura":
        """Settings that are set are passed by name, so that the UI shows the name of a secret and never its value."""
        given: dict[str, Any] = {
            field: dg.EnvVar(name) for field, name in _SETTINGS.items() if os.environ.get(name, "").strip()
        }
        return cls(**given, max_concurrency=Settings.from_environment().max_concurrency)

    @contextmanager
    def client(self) -> Iterator[Client]:
        """Raises `Refused` where the settings can't be used."""
        credentials = self.credentials()
        client = Client(
            self._address(),
            credentials,
            max_concurrency=self.max_concurrency,
            row_cap=self.row_cap,
            pause_scale=self.pause_scale,
        )
        try:
            yield client
        finally:
            client.close()

    @property
    def account(self) -> int:
        """The partner id that every row carries."""
        return int(self.credentials().partner_id)

    def credentials(self) -> Credentials:
        """Raises `Refused` for a run whose own config of the resource leaves the account out: it replaces all of it."""
        if self.partner_id:
            return self._given()
        if is_standin():
            expect_account_or_demo()
            return standin.credentials()
        raise Refused(
            "the run's config of the resource `kaltura` has no partner_id, which would pull from the stand-in",
            advice="Name partner_id and the credentials there too, as `env: KALTURA_...`, or leave the resource out.",
        )

    def _given(self) -> Credentials:
        return Credentials(
            partner_id=self.partner_id,
            app_token_id=self.app_token_id,
            app_token=self.app_token,
            app_token_hash=self.app_token_hash or "SHA1",
            admin_secret=self.admin_secret,
            user_id=self.user_id,
            ks=self.ks,
        )

    def _address(self) -> str:
        if not self.partner_id:
            return standin.start()
        return self.base_url or DEFAULT_BASE_URL
