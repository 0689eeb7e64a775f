"""The account, before any report: its settings, its host, the clock, the credentials."""

import json
import re
from collections.abc import Iterator, Mapping

import httpx

from resources.kaltura.clock import SAID_FROM_SECONDS, STOPS_FROM_SECONDS, Clock, difference
from resources.kaltura.doctor.probe import Finding, Requests
from resources.kaltura.errors import Unavailable
from resources.kaltura.reply import Raw, http_error
from resources.kaltura.session import LIFETIME_SECONDS
from resources.kaltura.windows import HOUR_SECONDS
from resources.settings import SettingError, Settings

SECRET_SETTINGS = ("KALTURA_APP_TOKEN", "KALTURA_ADMIN_SECRET", "KALTURA_KS")
REGIONS = {
    "www.kaltura.com": "US",
    "api.eu.kaltura.com": "EU",
    "api.de.kaltura.com": "DE",
    "api.sg.kaltura.com": "SG",
    "api.ca.kaltura.com": "CA",
    "api.ap.kaltura.com": "AU",
}


def host(requests: Requests) -> Iterator[Finding]:
    """`system.ping` needs no session; even a version of the API that lacks it answers with a document."""
    url = httpx.URL(requests.client.base_url)
    steady = requests.client.clock.steady
    started = steady()
    raw = _ping(requests)
    ended = steady()
    if not 200 <= raw.status < 300:
        raise http_error(raw, f"{url.host}")
    region = REGIONS.get(url.host, "a self-hosted Kaltura or a stand-in")
    found = f"{url.host} ({region}) answers in {1000 * (ended - started):,.0f} ms"
    if not _is_document(raw.body):
        advice = "Check KALTURA_BASE_URL: a web page is there, or a proxy's. It has to be the API of your region."
        yield Finding("", "failed", f"{url.host} answers, but not as Kaltura's API does", advice)
        return
    if url.scheme == "http" and requests.client.is_remote:
        advice = "Write KALTURA_BASE_URL with https: over http the session token can be read on the way."
        yield Finding("", "differs", f"{found}, unencrypted", advice, raw.kaltura_session)
    else:
        yield Finding("", "ok", found, kaltura_session=raw.kaltura_session)
    yield _clock_finding(requests.client.clock)


def _ping(requests: Requests) -> Raw:
    try:
        return requests.client.post("system", "ping", {}, about="system.ping")
    except Unavailable:  # once more: a single lost connection should not end the examination
        return requests.client.post("system", "ping", {}, about="system.ping")


def _clock_finding(clock: Clock) -> Finding:
    ahead = clock.ahead_seconds
    if ahead is None:
        return Finding("clock", "unknown", "the server tells no time")
    if abs(ahead) <= SAID_FROM_SECONDS:
        return Finding("clock", "ok", f"this machine's clock and Kaltura's differ by {abs(ahead):.0f} s")
    found = f"the clock of this machine is {difference(ahead)} Kaltura's"
    minutes = f"{STOPS_FROM_SECONDS / 60:.0f} minutes"
    if abs(ahead) > STOPS_FROM_SECONDS:
        advice = f"Set the clock (NTP): more than {minutes} off, a pull is refused, as it may ask for days that are not over."
        return Finding("clock", "failed", found, advice)
    advice = f"Set the clock (NTP). Figures go by Kaltura's; from {minutes} on a pull is refused."
    return Finding("clock", "differs", found, advice)


def credentials(requests: Requests) -> Iterator[Finding]:
    session = requests.client.session
    session.get()
    granted = session.granted_seconds
    if granted is None:
        found = f"{session.way}; Kaltura does not say how long its session lasts"
    else:
        found = f"{session.way}; a session lasts {granted / HOUR_SECONDS:.1f} h"
    if session.is_users is not None:
        found += f", as {'a user' if session.is_users else 'an admin, or with a role'}"
    if session.is_users:
        advice = "Make the app token with the session type ADMIN, or with a role: setrole in its privileges."
        yield Finding("", "differs", f"{found}, who may read no reports", advice)
    elif granted is not None and granted < LIFETIME_SECONDS / 2:
        asked = LIFETIME_SECONDS / HOUR_SECONDS
        yield Finding("", "differs", f"{found} of the {asked:.0f} h asked for", "Nothing to do: it is renewed.")
    elif not session.is_renewable:
        advice = "It can't be renewed when it ends. For a schedule set an app token instead of KALTURA_KS."
        yield Finding("", "differs", found, advice)
    else:
        yield Finding("", "ok", found)


def _is_document(body: bytes) -> bool:
    try:
        json.loads(body.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return False
    return True


def settings_findings(environment: Mapping[str, str]) -> Iterator[Finding]:
    """Whether the settings can be used at all, and which of them count."""
    given = {name for name, value in environment.items() if value.strip()}
    if "KALTURA_PARTNER_ID" not in given:
        stray = sorted(given & {*SECRET_SETTINGS, "KALTURA_APP_TOKEN_ID", "KALTURA_BASE_URL"})
        if stray:
            found = f"{', '.join(stray)} without KALTURA_PARTNER_ID: the stand-in is examined"
            yield Finding("settings", "differs", found, "Set KALTURA_PARTNER_ID to examine the account.")
        else:
            yield Finding("settings", "ok", "no account is set: the stand-in is examined")
    else:
        secrets = [name for name in SECRET_SETTINGS if name in given]
        unused = f"; {', '.join(secrets[1:])} not used" if len(secrets) > 1 else ""
        yield Finding("settings", "ok", f"{secrets[0] if secrets else 'no secret'} is set{unused}")
    restricting = sorted(name for name in given if re.fullmatch(r"KALTURA_[A-Z_]+_IDS", name))
    if restricting:
        found = f"{', '.join(restricting)} restrict every pull; the doctor looks at the whole account"
        yield Finding("filters set", "ok", found)
    try:
        Settings.from_environment(environment)
    except SettingError as error:
        yield Finding("settings", "failed", str(error), "Correct it in .env or in the environment.")
