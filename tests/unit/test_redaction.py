"""No spelling hides a secret from the redaction: what can't be told to be clean is left out, and said so."""

import base64
import html
import json
from urllib.parse import quote

import pytest

from resources.kaltura.errors import LEFT_OUT, redacted

SECRETS = {
    "app token": "0d4f1c9a7e6b5d3c2f1a0e9d8c7b6a5f",  # pragma: allowlist secret
    "KS": "djJ8OTk5OXz-kPq_7Yx0aZ3wRtV9uLmN2bHs8eJcQf4gD6iK1oTzXvBnM5yWlEr",  # pragma: allowlist secret
    "a password": "korrekt-pferd+batterie/é'heft",
}
ENCODED = {
    "as it is": lambda s: s,
    "in capitals": str.upper,
    "base64": lambda s: base64.b64encode(s.encode()).decode(),
    "base64 behind a name": lambda s: base64.b64encode(f"user:{s}".encode()).decode(),
    "base64 behind two letters": lambda s: base64.urlsafe_b64encode(f"ab{s}".encode()).decode(),
    "base64 in lines": lambda s: base64.encodebytes((s * 2).encode()).decode(),
    "base64 of base64": lambda s: base64.b64encode(base64.b64encode(s.encode())).decode(),
    "hex": lambda s: s.encode().hex(),
    "hex with blanks": lambda s: s.encode().hex(" "),
    "hex with colons": lambda s: s.encode().hex(":"),
    "unicode escapes": lambda s: "".join(f"\\u{ord(c):04x}" for c in s),
    "byte escapes": lambda s: "".join(f"\\x{b:02x}" for b in s.encode("latin-1")),
    "JSON": json.dumps,
    "decimal entities": lambda s: "".join(f"&#{ord(c)};" for c in s),
    "hex entities": lambda s: "".join(f"&#x{ord(c):x};" for c in s),
    "named entities": html.escape,
    "percent-encoded, every byte": lambda s: "".join(f"%{b:02X}" for b in s.encode()),
    "percent-encoded twice": lambda s: quote(quote(s, safe=""), safe=""),
    "quoted-printable": lambda s: "".join(f"={b:02X}" for b in s.encode()),
    "with a blank in each": " ".join,
    "with a line end in each": "\n".join,
    "in pieces of ten": lambda s: "\r\n ".join(s[at : at + 10] for at in range(0, len(s), 10)),
    "half of it": lambda s: s[: len(s) // 2 + 1],
    "the end of it": lambda s: s[-16:],
}


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("way", ENCODED)
def test_no_spelling_of_a_secret_gets_through(way: str, secret: str) -> None:
    said = redacted(f"the server says {ENCODED[way](SECRETS[secret])} and more", *SECRETS.values())
    assert said == LEFT_OUT or "[redacted]" in said
    assert SECRETS[secret][:12].lower() not in said.lower()
    assert ENCODED[way](SECRETS[secret])[8:24] not in said


@pytest.mark.parametrize(
    "text",
    [
        "INVALID_PARAMETER_CHAR: The parameter [entry_ids] has a character that is not allowed",
        "Internal server error occurred, X-Kaltura-Session 1234567890, dGhlIHNlcnZlcg==",
        "Raumübersicht &amp; mehr: 50 % von 0x1f",
        "",
    ],
)
def test_a_text_without_a_secret_stays_as_it_is(text: str) -> None:
    assert redacted(text, *SECRETS.values()) == " ".join(text.split())
