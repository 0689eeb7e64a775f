"""A KS of version 2, which a client has made itself with the account's admin secret, as Kaltura's documentation has it.

Base64, with `-` and `_` for `+` and `/`, of `v2|PARTNER|` and what is encrypted: AES-128 in CBC mode, an initialization vector
of zeros, padded with zeros; the key is the first 16 bytes of the secret's SHA-1. Within, the SHA-1 of all that follows,
16 bytes of chance, and the fields as a query string: `_e` when it ends (Unix seconds), `_t` its type, `_u` the user, and
a field for each privilege.
"""

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass
from urllib.parse import parse_qsl

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

_BLOCK_BYTES = 16
_RANDOM_BYTES = 16
_DIGEST_BYTES = 20


@dataclass(frozen=True)
class SignedKs:
    """What its fields say."""

    valid_until: int
    kind: int
    user_id: str
    privileges: str


def read(ks: str, partner_id: int, admin_secret: str) -> SignedKs | None:
    """None for what this account's secret has not signed."""
    try:
        version, partner, encrypted = base64.b64decode(ks, b"-_", validate=True).split(b"|", 2)
    except (binascii.Error, ValueError):
        return None
    if (version, partner) != (b"v2", str(partner_id).encode()) or not encrypted or len(encrypted) % _BLOCK_BYTES:
        return None
    # Kaltura's format, not our choice: nothing is kept secret by the stand-in.
    key = hashlib.sha1(admin_secret.encode()).digest()[:_BLOCK_BYTES]
    decryptor = Cipher(algorithms.AES(key), modes.CBC(bytes(_BLOCK_BYTES))).decryptor()
    plain = (decryptor.update(encrypted) + decryptor.finalize()).rstrip(b"\0")
    digest, signed = plain[:_DIGEST_BYTES], plain[_DIGEST_BYTES:]
    if not hmac.compare_digest(digest, hashlib.sha1(signed).digest()):
        return None
    return _fields(signed[_RANDOM_BYTES:].decode("utf-8", "replace"))


def _fields(text: str) -> SignedKs | None:
    fields = dict(parse_qsl(text, keep_blank_values=True))
    valid_until, kind, user_id = (fields.pop(name, "") for name in ("_e", "_t", "_u"))
    if not valid_until.isdecimal():
        return None
    privileges = ",".join(f"{name}:{value}" if value else name for name, value in fields.items())
    return SignedKs(int(valid_until), int(kind) if kind.isdecimal() else 0, user_id, privileges)
