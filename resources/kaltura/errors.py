"""What can go wrong between us and Kaltura, as classes that say what to do next.

    KalturaError
    ├── Refused            a person must change something: credentials, permission, a report id, a setting
    │   ├── UnknownCode    ... or ask Kaltura what it means
    │   └── GivenUp        ... or run it again: the run was stopped, and nobody waits for the answer
    ├── SessionInvalid     the session token (KS) is dead: get a new one, once
    ├── Unavailable        ask again after a pause
    │   ├── RateLimited    ... a long one
    │   └── ServerFault    ... two more times at most: a server's bug and a wrong parameter look alike
    ├── TooMuch            ask for less
    │   ├── CutOff         the reply holds as many rows as the server ever sends
    │   ├── PerhapsCut     rows may be missing, as the server drops some after it has cut the others off
    │   ├── TimedOut       the server gave the query up
    │   ├── TooWide        more days than may lie in memory in parts: whoever chose them chooses fewer
    │   └── EmptyReply     an empty report against which something speaks: asked for in parts, it may have rows
    └── BadReply           the reply is whole, but not what was asked for
        ├── FiguresLost    0 stands for figures that the store lost: asked for once more, and later again
        ├── ColumnMissing  a column that the table needs is not in the header
        ├── FilterIgnored  rows came back that the filter should have kept out
        └── Unsplittable   too much even for a single session or room

`reply.py` and `client.py` raise them after docs/kaltura-api.md section 5; `complete.py` answers `TooMuch`; everything else
ends a day with its message.
A message never holds a token: `redacted` is the one place that takes them out.
"""

import datetime as dt
import html
import json
import re
from urllib.parse import quote, quote_plus

from resources.errors import ProjectError
from resources.runtime.printable import printable
from resources.runtime.redaction import is_clean

LEFT_OUT = "(left out: it may hold a part of a credential)"
ASK_SUPPORT = "Ask Kaltura's support, with what --json prints."
MESSAGE_LIMIT = 600  # characters of what a server says; a gateway's page would fill an event log

# A KS is base64-ish and long, perhaps URL-encoded; app tokens, secrets and token hashes are 32 or more hex digits.
_TOKEN = re.compile(r"(?:[A-Za-z0-9+/_=-]|%[0-9A-Fa-f]{2}|\\/){64,}|\b[0-9a-fA-F]{32,}\b")


def redacted(text: str, *secrets: str) -> str:
    """`text` on one line, without the given secrets in any spelling and without anything that has a token's shape.

    Where a part of a secret remains, encoded or in pieces, nothing of the text is told.
    """
    for spelling in sorted({way for secret in secrets if secret for way in _spellings(secret)}, key=len, reverse=True):
        text = re.sub(re.escape(spelling), "[redacted]", text, flags=re.IGNORECASE)
    if not is_clean(text, secrets):
        return LEFT_OUT
    text = printable(" ".join(_TOKEN.sub("[redacted]", text).split()))
    return text if len(text) <= MESSAGE_LIMIT else text[:MESSAGE_LIMIT] + "..."


def _spellings(secret: str) -> set[str]:
    """The ways in which a server may write back what it was sent. Case is left to the search: `%2b` is `%2B`."""
    escaped = json.dumps(secret)[1:-1]
    return {secret, quote(secret, safe=""), quote(secret), quote_plus(secret), html.escape(secret)} | {
        escaped,
        escaped.replace("/", "\\/"),
    }


class KalturaError(ProjectError):
    """Base of all. `about` names the report and window, `advice` says what to do.

    `code` is Kaltura's own word for it, if it sent one; `kaltura_session` is what its support asks for; `tries` is how
    often it was asked. `doctors_advice` stands in place of the default one where nobody pulls days.
    """

    default_advice = ""
    doctors_advice = ""
    tries = 1

    def __init__(
        self, what: str, *, about: str = "", advice: str = "", code: str = "", kaltura_session: str = ""
    ) -> None:
        self.what = what
        self.about = about
        self.advice = advice or self.default_advice
        self.code = code
        self.kaltura_session = kaltura_session
        super().__init__(what)

    @property
    def what_and_where(self) -> str:
        """What went wrong, of what, and where at Kaltura's; without the advice."""
        subject = f"{self.about}: " if self.about else ""
        trace = f" (X-Kaltura-Session {self.kaltura_session})" if self.kaltura_session else ""
        return printable(f"{subject}{self.what.rstrip('.')}{trace}.")

    @property
    def how_often(self) -> str:
        return f"It was tried {self.tries} times." if self.tries > 1 else ""

    @property
    def advice_to_the_doctor(self) -> str:
        return self.doctors_advice or self.advice if self.advice == self.default_advice else self.advice

    def __str__(self) -> str:
        return " ".join(part for part in (self.what_and_where, self.how_often, self.advice) if part)


class Refused(KalturaError):
    default_advice = "Asking again will not help: correct the setting it names, then run the failed days again."
    doctors_advice = "Asking again will not help: correct the setting it names."


class UnknownCode(Refused):
    default_advice = (
        "This version does not know that code, so it does not ask again. Run `make doctor`, and ask Kaltura's support what "
        "it means."
    )
    doctors_advice = f"This version does not know that code. {ASK_SUPPORT}"


class GivenUp(Refused):
    default_advice = "Run it again to go on."

    def __init__(self, what: str = "the run was stopped before an answer came", **more: str) -> None:
        super().__init__(what, **more)


class SessionInvalid(KalturaError):
    default_advice = "The session token was renewed once and refused again: check the app token or secret."


class Unavailable(KalturaError):
    default_advice = "Run the failed days again later."
    doctors_advice = "Ask again later."


class RateLimited(Unavailable):
    default_advice = "Kaltura is limiting requests. Run the failed days again later, or lower KALTURA_MAX_CONCURRENCY."
    doctors_advice = "Kaltura is limiting requests. Ask again later."


class ServerFault(Unavailable):
    default_advice = (
        "Kaltura answers a wrong or missing parameter this way too: run `make doctor`, then ask Kaltura's support."
    )
    doctors_advice = f"Kaltura answers a wrong or missing parameter this way too. {ASK_SUPPORT}"


class TooMuch(KalturaError):
    default_advice = "It has to be asked for in smaller parts."
    doctors_advice = "A pull asks for it in smaller parts."


class CutOff(TooMuch):
    pass


class PerhapsCut(TooMuch):
    pass


class TimedOut(TooMuch):
    pass


class TooWide(TooMuch):
    """More days than may lie in memory in parts, where one reply can't hold them: for whoever chose them to choose fewer."""


class EmptyReply(TooMuch):
    """`days` are those to blame, by their first and last date, where they are known."""

    default_advice = (
        "Kaltura sends an empty report also where it could not read its own store. Run the days again later. If they "
        "really had nothing, run them once with `python -m pipelines pull --accept-empty --from DAY --to DAY`, or with "
        "`accept_empty: true` in the run's config."
    )
    days: tuple[dt.date, dt.date] | None = None


class BadReply(KalturaError):
    default_advice = (
        "Nothing of these days was written. Run `make doctor` to compare the account with what is expected."
    )
    doctors_advice = f"Days like these can't be loaded. {ASK_SUPPORT}"


class FiguresLost(BadReply):
    default_advice = (
        "Nothing of these days was written; what was loaded before stands. Kaltura prints 0 for figures that its store lost: "
        "run the days again later. If they really are 0, run them once with `python -m pipelines pull --accept-empty "
        "--from DAY --to DAY`, or with `accept_empty: true` in the run's config: they stay believed then, and so does each "
        "report of these days that is empty in that run."
    )
    doctors_advice = "Days like these can't be loaded. Ask again later; if it stays, ask Kaltura's support."


class ColumnMissing(BadReply):
    pass


class FilterIgnored(BadReply):
    default_advice = "The server ignored a filter. Nothing of these days was written; ask Kaltura's support."


class Unsplittable(BadReply):
    default_advice = "Kaltura has no way to ask for less than this: ask its support for an export of that session."
