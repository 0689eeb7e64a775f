"""The stand-in Kaltura that a checkout without an account pulls from: a thread of the process that asks first.

The university behind it is drawn from a seed and the dates that are asked for, so every process sees the same one.
What one process orders of its own stand-in, such as a fault, another does not see. `python -m pipelines standin` serves
one in the foreground, for whoever wants an address.
"""

import os
import threading
from contextlib import ExitStack

from resources.errors import ConfigurationError
from resources.kaltura.session import Credentials
from simulator.tokens import DEMO

# Invented, and good for the stand-in alone.
CREDENTIALS = Credentials(str(DEMO.partner_id), app_token_id=DEMO.app_token_id, app_token=DEMO.app_token)
SEED, ROOMS = 7, 60

_lock = threading.Lock()
_open = ExitStack()  # until the process ends: its thread ends with it
_urls: list[str] = []


class StandinError(ConfigurationError):
    """The stand-in did not start; the message says why."""


def start() -> str:
    """The base URL of this process's stand-in. Idempotent, and safe for several threads. Raises `StandinError`."""
    with _lock:
        if not _urls:
            _urls.append(_served())
        return _urls[0]


def _served() -> str:
    from simulator import University, serving  # a second of importing, which no account needs

    timezone = os.environ.get("PARTITION_TIMEZONE", "").strip() or "UTC"
    try:
        return _open.enter_context(serving(University(SEED, timezone, ROOMS))).base_url
    except OSError as error:
        raise StandinError(f"the stand-in Kaltura did not start: {error.strerror}.") from None
