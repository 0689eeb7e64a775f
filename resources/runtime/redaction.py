"""Whether a stranger's text holds a part of a secret, in whatever encoding: told by the secret's value, not by its shape.

The text is decoded in every way that is known here, over and over; what is then found of a secret is never cut out, for
nobody could say what else is left: the caller leaves the whole text out.
"""

import base64
import binascii
import html
import re
import unicodedata
import zlib
from collections.abc import Callable, Iterable
from urllib.parse import unquote

PIECE = 12  # characters of a secret that are too many to be told
LEAST_SECRET = 6
DEPTH = 4  # encodings within each other
MOST_FORMS = 200
TEXT_LIMIT = 20_000  # of a longer one the rest is not told either
LEAST_SEEN = 0.75  # of the characters of what was decoded: of less it is noise, and a word was no such encoding

_ESCAPE = re.compile(r"(?:\\+|%)(?:u\{([0-9a-f]{1,6})\}|u([0-9a-f]{4})|x([0-9a-f]{2})|([0-7]{3}))", re.IGNORECASE)
_LONG_ESCAPE = re.compile(r"\\+U([0-9a-fA-F]{8})")
_CSS = re.compile(r"\\([0-9a-fA-F]{2,6})\s?")
_LINE_END = re.compile(r"\\+[nrt]")  # of JSON within JSON, too
_QUOTE = re.compile(r"""\\+(["'/])""")
_QUOTED = re.compile(r"=([0-9a-fA-F]{2})")
_BASE32 = re.compile(r"[A-Za-z2-7]{16,}")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{8,}")
_BASE85 = re.compile(r"[!-~]{15,}")
_HEX = re.compile(r"(?:[0-9a-fA-F]{2}[^0-9a-zA-Z]{0,2}){6,}")
_NUMBER = re.compile(r"0[xX][0-9a-fA-F]{2}|[01]{8}|\d{2,3}")
_NUMBERS = re.compile(rf"(?:(?:{_NUMBER.pattern})[^0-9a-zA-Z]{{1,3}}){{5,}}(?:{_NUMBER.pattern})")
_BETWEEN = re.compile(r"[^0-9a-zA-Z]+")
_PACKED = (b"\x1f\x8b", b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda")  # gzip, and zlib at its levels
_UNSEEN = re.compile(r"[\0\s]+")


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


def _plain(text: str) -> list[str]:
    """Letters of other widths and shapes as ASCII; without what is not seen; in one word."""
    ascii_alone = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return [unicodedata.normalize("NFKC", text), ascii_alone, _UNSEEN.sub("", ascii_alone)]


def _unescaped(text: str) -> list[str]:
    def character(found: re.Match[str]) -> str:
        *hexadecimal, octal = found.groups()
        return _character(int(octal, 8) if octal else int(next(filter(None, hexadecimal)), 16))

    of_number = (kind.sub(lambda found: _character(int(found[1], 16)), text) for kind in (_LONG_ESCAPE, _CSS))
    return [_ESCAPE.sub(character, text), *of_number, _QUOTE.sub(r"\1", _LINE_END.sub("\n", text))]


def _numbered(text: str) -> list[str]:
    """Characters as an array of their numbers: decimal, 0x and hex, or bits."""
    return ["".join(_character(_number(each)) for each in _NUMBER.findall(word)) for word in _NUMBERS.findall(text)]


def _number(digits: str) -> int:
    if digits[:2].lower() == "0x":
        return int(digits, 16)
    return int(digits, 10 if len(digits) < len("00000000") else 2)


def _character(number: int) -> str:
    return chr(number) if number < 0x110000 else ""


def _unbased(text: str) -> list[str]:
    """Of base64, also from amidst a word: what stands before may be a name, or a part of another character."""
    decoded = []
    for word in _words(_BASE64, text):
        plain = word.replace("-", "+").replace("_", "/")
        decoded += [_decoded(base64.b64decode, _whole(plain[skipped:], 4)) for skipped in range(4)]
    return decoded


def _rebased(text: str) -> list[str]:
    """Of base32, base85 and uuencode."""
    decoded = []
    for word in _words(_BASE32, text):
        decoded += [_decoded(base64.b32decode, _whole(word[skipped:].upper(), 8)) for skipped in range(8)]
    for word in _words(_BASE85, text):
        for framed in {word, word.strip("\"'")}:
            inside = framed.removeprefix("<~").removesuffix("~>")
            decoded += [_decoded(decode, inside) for decode in (base64.b85decode, base64.a85decode, binascii.a2b_uu)]
    return decoded


def _unhexed(text: str) -> list[str]:
    words = [re.sub(r"[^0-9a-fA-F]", "", word) for word in _words(_HEX, text)]
    return [_decoded(bytes.fromhex, _whole(word[skipped:], 2)) for word in words for skipped in (0, 1)]


def _words(kind: re.Pattern[str], text: str) -> set[str]:
    """As they stand there, and over the ends of lines."""
    return {word for each in (text, re.sub(r"\s+", "", text)) for word in kind.findall(each)}


def _whole(word: str, group: int) -> str:
    return word[: len(word) - len(word) % group]


def _decoded(decode: Callable[[str], bytes], word: str) -> str:
    """As text, unpacked where it is packed; empty where it is noise."""
    try:
        found = decode(word)
        if found[:2] in _PACKED:
            found = zlib.decompressobj(zlib.MAX_WBITS | 32).decompress(found, TEXT_LIMIT)
    except (ValueError, zlib.error):
        return ""
    text = found.decode("latin-1")
    seen = sum(each.isascii() and (each.isprintable() or each in "\0\t\r\n") for each in text)
    return text if seen >= LEAST_SEEN * len(text) else ""


_DECODERS: tuple[Callable[[str], list[str]], ...] = (
    lambda text: [unquote(text, errors="replace")],
    lambda text: [html.unescape(text)],
    lambda text: [_QUOTED.sub(lambda found: chr(int(found[1], 16)), text)],
    _plain,
    _unescaped,
    _numbered,
    _unbased,
    _rebased,
    _unhexed,
)
