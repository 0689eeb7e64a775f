"""What the installation keeps of people, as `PII_MODE`, `PII_KEY` and `RETENTION_DAYS` say; imported without pandas."""

from __future__ import annotations

import enum
import hmac
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from resources.privacy.pseudonyms import People

LEAST_KEY_CHARACTERS = 32


class Mode(enum.StrEnum):
    """`PII_MODE`."""

    FULL = "full"
    PSEUDONYMOUS = "pseudonymous"
    NONE = "none"


@dataclass(frozen=True)
class Privacy:
    """The installation's settings. `retention_days` 0 keeps names for as long as there are rows."""

    mode: Mode = Mode.FULL
    key: str = field(default="", repr=False)
    retention_days: int = 0

    @property
    def is_full(self) -> bool:
        return self.mode is Mode.FULL

    @property
    def fingerprint(self) -> str | None:
        """By which another key is noticed; it tells nothing of the key."""
        return self._hmac("fingerprint") if self.key else None

    def of_account(self, partner_id: int) -> People:
        from resources.privacy.pseudonyms import People  # pandas', which takes seconds

        return People(self, partner_id)

    def _hmac(self, *parts: str) -> str:
        return hmac.digest(self.key.encode(), "\0".join(parts).encode("utf-8", "surrogatepass"), "sha256").hex()
