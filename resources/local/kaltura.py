"""The stand-in Kaltura that a checkout without an account pulls from: a thread of the process that asks first.

The university behind it is drawn from a seed and the dates that are asked for, so every process sees the same one.
What one process orders of its own stand-in, such as a fault, another does not see. `python -m pipelines standin` serves
one in the foreground, for whoever wants an address.
"""

from __future__ import annotations

import datetime as dt
import os
import threading
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from resources.errors import ConfigurationError
from resources.kaltura.errors import Refused
from resources.kaltura.session import Credentials
from resources.settings import Settings, partner_id

if TYPE_CHECKING:
    from simulator import University

SEED, ROOMS = 7, 60
ACCOUNT = 9999  # of `simulator.tokens.DEMO`, whose import no account needs

_lock = threading.Lock()
_open = ExitStack()  # until the process ends: its thread ends with it
_urls: list[str] = []


def credentials() -> Credentials:
    """Invented, and good for the stand-in alone."""
    from simulator.tokens import DEMO  # which imports all of the stand-in; no account needs it

    return Credentials(str(DEMO.partner_id), app_token_id=DEMO.app_token_id, app_token=DEMO.app_token)


def is_standin() -> bool:
    """Whether the settings name no account."""
    return not os.environ.get("KALTURA_PARTNER_ID", "").strip()


def expect_account_or_demo() -> None:
    """Raises `Refused` where the stand-in would be taken for the account of a database that is somebody's own."""
    has_own_database = bool(os.environ.get("DATABASE_URL", "").strip())
    if is_standin() and has_own_database and os.environ.get("KALTURA_DEMO", "").strip() != "1":
        raise Refused(
            "DATABASE_URL is set and KALTURA_PARTNER_ID is not: the account would be the stand-in's, of invented data",
            advice="Set KALTURA_PARTNER_ID and the account's credentials or, where invented data is wanted, KALTURA_DEMO=1.",
        )


def account() -> int:
    """The partner id that is set, or the stand-in's. Raises `SettingError`, or as `expect_account_or_demo` does."""
    expect_account_or_demo()
    return partner_id(lambda: str(ACCOUNT))


class StandinError(ConfigurationError):
    """The stand-in did not start; the message says why."""


def start() -> str:
    """The base URL of this process's stand-in. Idempotent, and safe for several threads. Raises `StandinError`."""
    with _lock:
        if not _urls:
            _urls.append(_served())
        return _urls[0]


def write_lists(folder: Path, first: dt.date, last: dt.date) -> None:
    """The university's own lists for these days, as the CSV files that `load-lists` reads."""
    from simulator import lists

    folder.mkdir(parents=True, exist_ok=True)
    for name, text in lists(_university(), first, last).items():
        (folder / f"{name}.csv").write_text(text, "utf-8", newline="")


@cache
def _university() -> University:
    from simulator import University  # a second of importing, which no account needs

    return University(SEED, str(Settings.from_environment().timezone), ROOMS)


def _served() -> str:
    from simulator import serving

    try:
        return _open.enter_context(serving(_university())).base_url
    except OSError as error:
        raise StandinError(f"the stand-in Kaltura did not start: {error.strerror}.") from None
