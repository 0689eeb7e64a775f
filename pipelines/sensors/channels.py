"""Where alerts go: a webhook of a chat, a mailbox, or both; and whether they arrived.

`ALERT_WEBHOOK_URL` and `ALERT_SMTP_URL` are secrets: a webhook's address is all that it takes to post there. No message,
log line or exception of this module holds one of them, or what a server answered to it.
"""

import logging
import os
import re
import smtplib
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from email.message import EmailMessage
from html import escape
from typing import Any, Protocol
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

import httpx

from resources.errors import ProjectError
from resources.runtime.printable import printable
from resources.settings import SettingError

TIMEOUT_SECONDS = 15

# Workflows of Teams read adaptive cards alone; Slack, Mattermost and most others read `{"text": ...}`.
TEAMS_HOSTS = ("logic.azure.com", "api.powerplatform.com", "api.powerautomate.com", "webhook.office.com")
FORMATS = ("text", "teams")

HOW_TO = "Set ALERT_WEBHOOK_URL or ALERT_SMTP_URL in .env, start Dagster again, and try it with `make alert-test`."

logging.getLogger("httpx").setLevel(logging.WARNING)  # it logs the address of each request


class NotDelivered(ProjectError):
    """No channel took the message; the text says why, without the address."""


class PartlyDelivered(NotDelivered):
    """A channel took the message for some of those whom it was for; the text says for how many it did not."""


class Channel(Protocol):
    @property
    def name(self) -> str:
        """What it is, without what is secret about it."""

    def send(self, headline: str, lines: Sequence[str]) -> None:
        """Raises `NotDelivered`, or `PartlyDelivered` where somebody is told all the same."""


@dataclass(frozen=True)
class Unusable:
    """A channel whose setting can't be used, beside one that can: it takes no message, and says why."""

    name: str
    reason: str

    def send(self, headline: str, lines: Sequence[str]) -> None:
        raise NotDelivered(self.reason)


@dataclass(frozen=True)
class Webhook:
    """Posts JSON to an address that a chat handed out."""

    url: str = field(repr=False)
    format: str

    @property
    def name(self) -> str:
        return f"webhook on {urlsplit(self.url).hostname}"

    def send(self, headline: str, lines: Sequence[str]) -> None:
        body = _card(headline, lines) if self.format == "teams" else _text(headline, lines)
        try:
            answer = httpx.post(self.url, json=body, timeout=TIMEOUT_SECONDS, follow_redirects=False)
        except httpx.HTTPError as error:
            raise NotDelivered(f"{self.name}: no connection ({type(error).__name__})") from None
        if not answer.is_success:
            raise NotDelivered(f"{self.name}: it answered {answer.status_code}")


# What begins a link, a picture, a mention or emphasis in a chat's markdown is broken by a character without width.
_MARKDOWN = re.compile(r"://|www\.|mailto:|\]\(|!\[|(?<!\w)[@#*_~`](?=\S)|(?<=\S)[*_~`](?!\w)", re.IGNORECASE)
_JOINER = "\u2060"


def as_chat_text(line: str) -> str:
    """A line as Slack, Mattermost and their like show it: as text, whatever a server or a room's name says in it.

    The link to the run at its end is ours and stays one.
    """
    ui = os.environ.get("DAGSTER_UI_URL", "").strip().rstrip("/")
    if ui and (link := re.search(rf" {re.escape(ui)}/runs/[0-9a-f-]{{36}}$", line)):
        return as_chat_text(line[: link.start()]) + escape(link[0], quote=False)
    return escape(_MARKDOWN.sub(lambda found: _JOINER.join((*found[0], "")), printable(line)), quote=False)


def _text(headline: str, lines: Sequence[str]) -> dict[str, str]:
    return {"text": "\n".join(map(as_chat_text, (headline, *lines)))}


def _card(headline: str, lines: Sequence[str]) -> dict[str, Any]:
    """Runs of text: unlike a TextBlock's, Teams reads no markdown in them."""
    runs: list[dict[str, str]] = [{"type": "TextRun", "text": printable(headline), "weight": "Bolder"}]
    runs += [{"type": "TextRun", "text": printable(line)} for line in lines]
    blocks = [{"type": "RichTextBlock", "inlines": [run]} for run in runs]
    content = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": blocks,
    }
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "content": content}
    return {"type": "message", "attachments": [attachment]}


@dataclass(frozen=True)
class Mailbox:
    """Sends mail through a server: `smtps` from the first byte encrypted, `smtp` after STARTTLS, or not with `tls=no`."""

    host: str
    port: int
    is_smtps: bool
    starttls: bool
    user: str
    password: str = field(repr=False)
    sender: str
    recipients: tuple[str, ...]

    @property
    def name(self) -> str:
        return f"mail by {self.host}:{self.port}"

    def send(self, headline: str, lines: Sequence[str]) -> None:
        message = EmailMessage()
        message["Subject"] = printable(headline)
        message["From"] = self.sender
        message["To"] = ", ".join(self.recipients)
        message.set_content("\n\n".join(map(printable, lines)) + "\n")
        try:
            with self._connection() as server:
                if self.user:
                    server.login(self.user, self.password)
                refused = server.send_message(message)
        except smtplib.SMTPResponseException as error:
            raise NotDelivered(f"{self.name}: it answered {error.smtp_code} ({type(error).__name__})") from None
        except (smtplib.SMTPException, OSError) as error:
            raise NotDelivered(f"{self.name}: {type(error).__name__}{_hint(error)}") from None
        if refused:
            codes = ", ".join(sorted({str(code) for code, _ in refused.values()}))
            raise PartlyDelivered(
                f"{self.name}: it refused {len(refused)} of {len(self.recipients)} recipients ({codes}) and took the message "
                "for the others"
            )

    def _connection(self) -> smtplib.SMTP:
        verified = ssl.create_default_context()
        if self.is_smtps:
            return smtplib.SMTP_SSL(self.host, self.port, timeout=TIMEOUT_SECONDS, context=verified)
        server = smtplib.SMTP(self.host, self.port, timeout=TIMEOUT_SECONDS)
        try:
            if self.starttls:
                server.starttls(context=verified)
        except BaseException:
            server.close()
            raise
        return server


def _hint(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return ": the server offers no STARTTLS or no login. In a network you trust, add &tls=no to ALERT_SMTP_URL"
    if isinstance(error, ssl.SSLCertVerificationError):
        return ": its certificate is not trusted; name its authority in SSL_CERT_FILE"
    return ""


def channels(environment: Mapping[str, str] | None = None) -> list[Channel]:
    """Those that are set; none is a setting too.

    Raises `SettingError`, which does not show the setting, where none of those that are set can be used.
    """
    read = os.environ if environment is None else environment
    format_ = read.get("ALERT_WEBHOOK_FORMAT", "").strip().lower()
    found: list[Channel] = []
    refused: list[Unusable] = []
    for name, made_of in (("ALERT_WEBHOOK_URL", lambda url: _webhook(url, format_)), ("ALERT_SMTP_URL", _mailbox)):
        if url := read.get(name, "").strip():
            try:
                found.append(made_of(url))
            except SettingError as error:
                refused.append(Unusable(name, str(error)))
    if refused and not found:
        raise SettingError(" ".join(each.reason for each in refused))
    return [*found, *refused]


def titled(said: str) -> str:
    """A headline: whose message it is comes first, as several accounts may post to one chat."""
    account = os.environ.get("KALTURA_PARTNER_ID", "").strip()
    return f"Kaltura rooms, {f'account {account}' if account else 'the stand-in'}: {said}"


def attempt(channel: Channel, headline: str, lines: Sequence[str]) -> None:
    """Send to one channel. Raises `NotDelivered` whatever it is that fails, so that the others are tried all the same.

    Of what a library makes of an address only the kind is told: the text may quote a secret.
    """
    try:
        channel.send(headline, lines)
    except NotDelivered:
        raise
    except Exception as error:
        raise NotDelivered(f"{channel.name}: {type(error).__name__}") from None


def deliver(to: Sequence[Channel], headline: str, lines: Sequence[str]) -> list[str]:
    """What could not be reached, if another one was. Raises `NotDelivered` where none was: nobody has been told."""
    failures, is_told = [], False
    for channel in to:
        try:
            attempt(channel, headline, lines)
            is_told = True
        except NotDelivered as error:
            failures.append(str(error))
            is_told = is_told or isinstance(error, PartlyDelivered)
    if not is_told:
        raise NotDelivered("; ".join(failures))
    return failures


def _split(name: str, url: str, schemes: Sequence[str]) -> tuple[SplitResult, int | None]:
    try:
        parts = urlsplit(url)
        port = parts.port
        (parts.hostname or "").encode("idna")  # as a socket does with every name
    except ValueError:
        raise SettingError(f"{name} is no address. It is not shown here, as it is a secret.") from None
    if not url.isprintable() or " " in url.split("?")[0]:
        raise SettingError(f"{name} has a blank, a line end or a control character in it.")
    if parts.scheme not in schemes or not parts.hostname:
        raise SettingError(f"{name} has to begin with {' or '.join(f'{each}://' for each in schemes)} and name a host.")
    return parts, port


def _webhook(url: str, format_: str) -> Webhook:
    parts, _ = _split("ALERT_WEBHOOK_URL", url, ("https", "http"))
    if format_ and format_ not in FORMATS:
        raise SettingError(f"ALERT_WEBHOOK_FORMAT={format_!r} is not one of {', '.join(FORMATS)}.")
    host = parts.hostname or ""
    is_teams = any(host == known or host.endswith(f".{known}") for known in TEAMS_HOSTS)
    return Webhook(url, format_ or ("teams" if is_teams else "text"))


def _mailbox(url: str) -> Mailbox:
    parts, port = _split("ALERT_SMTP_URL", url, ("smtps", "smtp"))
    if "@" in parts.path:  # a password's / has made a host of the user, and everybody would be told who that is
        raise SettingError(
            "ALERT_SMTP_URL has a / before the @. In a user or a password write / as %2F, @ as %40 and : as %3A."
        )
    said = parse_qs(parts.query)
    written = [each.strip() for part in said.get("to", []) for each in part.split(",")]
    recipients = tuple(dict.fromkeys(each for each in written if each))
    sender = said.get("from", [""])[0].strip()
    tls = said.get("tls", ["yes"])[0]
    if not recipients or not sender or tls not in ("yes", "no"):
        raise SettingError(
            "ALERT_SMTP_URL has to say who writes to whom, as in smtps://user:password@host/?from=a@x.org&to=b@x.org"
            " (and, for smtp:// alone, tls=no where the server has no encryption)."
        )
    if not all(each.isprintable() for each in (sender, *recipients)):
        raise SettingError("ALERT_SMTP_URL has a line end or another control character in from= or to=.")
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if not f"{user}{password}".isascii():
        raise SettingError(
            "ALERT_SMTP_URL has a user or password with other than ASCII characters, which can't be sent."
        )
    is_smtps = parts.scheme == "smtps"
    return Mailbox(
        host=parts.hostname or "",
        port=port or (465 if is_smtps else 587),
        is_smtps=is_smtps,
        starttls=not is_smtps and tls == "yes",
        user=user,
        password=password,
        sender=sender,
        recipients=recipients,
    )
