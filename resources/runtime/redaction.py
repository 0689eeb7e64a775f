"""Whether a stranger's text holds a part of a secret, in whatever encoding: told by the secret's value, not by its shape.

The text is decoded in every way that is known here, over and over; what is then found of a secret is never cut out, for
nobody could say what else is left: the caller leaves the whole text out.
"""

import base64
import binascii
import html
import re
from collections.abc import Callable, Iterable
from urllib.parse import unquote

PIECE = 12  # characters of a secret that are too many to be told
LEAST_SECRET = 6
DEPTH = 4  # encodings within each other
MOST_FORMS = 200
TEXT_LIMIT = 20_000  # of a longer one the rest is not told either

_ESCAPE = re.compile(r"\\+(?:u\{?([0-9a-fA-F]{4,6})\}?|x([0-9a-fA-F]{2})|([0-7]{3}))")
_QUOTED = re.compile(r"=([0-9a-fA-F]{2})")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{8,}")
_HEX = re.compile(r"(?:[0-9a-fA-F]{2}[^0-9a-zA-Z]{0,2}){6,}")
_BETWEEN = re.compile(r"[^0-9a-zA-Z]+")


def is_clean(text: str, secrets: Iterable[str]) -> bool:
    """Whether no piece of a secret can be found in the text."""
    pieces = {piece for secret in secrets for piece in _pieces(secret)}
    if not pieces:
        return True
    forms, new = {text[:TEXT_LIMIT]}, {text[:TEXT_LIMIT]}
    for _ in range(DEPTH):
        new = {form for known in new for decode in _DECODERS for form in decode(known)} - forms
        forms |= new
        if not new or len(forms) > MOST_FORMS:
            break
    if len(forms) > MOST_FORMS:
        return False
    return not any(piece in bare for bare in {_bare(form) for form in forms} for piece in pieces)


def _pieces(secret: str) -> set[str]:
    bare = _bare(secret)
    if len(bare) < LEAST_SECRET:
        return set()
    size = min(PIECE, len(bare))
    return {bare[start : start + size] for start in range(len(bare) - size + 1)}


def _bare(text: str) -> str:
    """Letters and digits alone, in one case: what splits a secret in pieces is none of them."""
    return _BETWEEN.sub("", text).casefold()


def _unescaped(text: str) -> list[str]:
    def character(found: re.Match[str]) -> str:
        number = int(found[1] or found[2] or found[3], 16 if found[3] is None else 8)
        return chr(number) if number < 0x110000 else ""

    return [_ESCAPE.sub(character, text)]


def _unbased(text: str) -> list[str]:
    joined = re.sub(r"\s+", "", text)
    found = (word for each in {text, joined} for word in _BASE64.findall(each))
    decoded = []
    for word in found:
        plain = word.replace("-", "+").replace("_", "/")
        for skipped in range(4):
            rest = plain[skipped:]
            rest = rest[: len(rest) - len(rest) % 4]
            decoded.append(_text(lambda rest=rest: base64.b64decode(rest)))  # type: ignore[misc]
    return decoded


def _unhexed(text: str) -> list[str]:
    joined = re.sub(r"\s+", "", text)
    found = (re.sub(r"[^0-9a-fA-F]", "", word) for each in {text, joined} for word in _HEX.findall(each))
    return [
        _text(lambda word=word, at=at: bytes.fromhex(word[at : len(word) - (len(word) - at) % 2]))  # type: ignore[misc]
        for word in found
        for at in (0, 1)
    ]


def _text(decode: Callable[[], bytes]) -> str:
    try:
        return decode().decode("latin-1")
    except (ValueError, binascii.Error):
        return ""


_DECODERS: tuple[Callable[[str], list[str]], ...] = (
    lambda text: [unquote(text, errors="replace")],
    lambda text: [html.unescape(text)],
    lambda text: [_QUOTED.sub(lambda found: chr(int(found[1], 16)), text)],
    _unescaped,
    _unbased,
    _unhexed,
)
