"""What can go wrong between us and Kaltura, as classes that say what to do next.

    KalturaError
    ├── Refused            a person must change something: credentials, permission, a report id, a setting
    ├── SessionInvalid     the session token (KS) is dead: get a new one, once
    ├── Unavailable        ask again after a pause
    │   ├── RateLimited    ... a long one
    │   └── ServerFault    ... two more times at most: a server's bug and a wrong parameter look alike
    ├── TooMuch            ask for less
    │   ├── CutOff         the reply holds as many rows as the server ever sends
    │   └── TimedOut       the server gave the query up
    └── BadReply           the reply is whole, but not what was asked for
        ├── ColumnMissing  a column that the table needs is not in the header
        ├── FilterIgnored  rows came back that the filter should have kept out
        └── Unsplittable   too much even for a single session or room

`client.py` raises them after docs/kaltura-api.md section 5; `whole.py` answers `TooMuch`; everything else ends a day with its message.
A message never holds a token: `redacted` is the one place that takes them out.
"""

import re

# A KS is base64-ish and long; app tokens, secrets and token hashes are 32 or more hex digits.
_TOKEN = re.compile(r"[A-Za-z0-9+/_=-]{64,}|\b[0-9a-fA-F]{32,}\b")


def redacted(text: str, *secrets: str) -> str:
    """`text` without the given secrets and without anything that has the shape of a token."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, "[redacted]")
    return _TOKEN.sub("[redacted]", text)


class KalturaError(Exception):
    """Base of all. `about` names the report and window, `advice` says what to do."""

    default_advice = ""

    def __init__(self, what: str, *, about: str = "", advice: str = "", kaltura_session: str = "") -> None:
        self.what = what
        self.about = about
        self.advice = advice or self.default_advice
        self.kaltura_session = kaltura_session
        super().__init__(what, about)

    def __str__(self) -> str:
        subject = f"{self.about}: " if self.about else ""
        trace = f" (X-Kaltura-Session {self.kaltura_session})" if self.kaltura_session else ""
        return " ".join(part for part in (f"{subject}{self.what}{trace}.", self.advice) if part)


class Refused(KalturaError):
    default_advice = "Asking again will not help: correct the setting it names, then run the failed days again."


class SessionInvalid(KalturaError):
    default_advice = "The session token was renewed once and refused again: check the app token or secret."


class Unavailable(KalturaError):
    default_advice = "It was tried several times. Run the failed days again later."


class RateLimited(Unavailable):
    default_advice = "Kaltura is limiting requests. Run the failed days again later, or lower KALTURA_MAX_CONCURRENCY."


class ServerFault(Unavailable):
    default_advice = (
        "Kaltura answers a wrong or missing parameter this way too: run `make doctor`, then ask Kaltura's support."
    )


class TooMuch(KalturaError):
    default_advice = "It has to be asked for in smaller parts."


class CutOff(TooMuch):
    pass


class TimedOut(TooMuch):
    pass


class BadReply(KalturaError):
    default_advice = (
        "Nothing of these days was written. Run `make doctor` to compare the account with what is expected."
    )


class ColumnMissing(BadReply):
    pass


class FilterIgnored(BadReply):
    default_advice = "The server ignored a filter. Nothing of these days was written; check the KALTURA_*_IDS settings."


class Unsplittable(BadReply):
    default_advice = "Kaltura has no way to ask for less than this: ask its support for an export of that session."
