"""A search for secrets wherever a program can leave them: any bytes, any spelling, and what databases keep compressed."""

import base64
import html
import json
import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from urllib.parse import quote, quote_plus

Secrets = Mapping[str, str]  # by the name that a finding tells


def found(secrets: Secrets, content: bytes | str) -> list[str]:
    """The names of the secrets that the content holds, in any spelling."""
    text = content.encode() if isinstance(content, str) else content
    lowered = text.lower()
    return [name for name, secret in secrets.items() if any(way in text or way in lowered for way in spellings(secret))]


def spellings(secret: str) -> set[bytes]:
    """The secret as it is, URL-encoded, escaped for JSON and HTML, as hex, and in base64 at each of three offsets."""
    raw = secret.encode()
    escaped = json.dumps(secret)[1:-1]
    plain = {secret, quote(secret, safe=""), quote(secret), quote_plus(secret), escaped, escaped.replace("/", "\\/")}
    plain |= {json.dumps(escaped)[1:-1], html.escape(secret), raw.hex()}
    plain |= {way.lower() for way in plain}
    encoded = {bytes(way) for offset in range(3) for way in _base64(raw, offset)}
    return {way.encode() for way in plain} | encoded


def _base64(raw: bytes, offset: int) -> Iterator[bytes]:
    """What stays the same of its base64 whatever stands before and after it."""
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        whole = encode(bytes(offset) + raw)
        yield whole[-(-offset * 8 // 6) : (offset + len(raw)) * 8 // 6]


def in_folder(secrets: Secrets, folder: Path) -> list[str]:
    """Where below the folder secrets are: every byte of every file, and every value of every SQLite database."""
    places = []
    for path in sorted(each for each in folder.rglob("*") if each.is_file()):
        places += [f"{name} in {path}" for name in found(secrets, path.read_bytes())]
        if path.suffix == ".db":
            places += [f"{name} in a value of {path}" for value in _values(path) for name in found(secrets, value)]
    return places


def opened_files(folder: Path) -> Iterator[bytes]:
    """Every byte below the folder, and what its SQLite databases keep compressed."""
    for path in sorted(each for each in folder.rglob("*") if each.is_file()):
        yield path.read_bytes()
        if path.suffix == ".db":
            yield from _values(path)


def _values(database: Path) -> Iterator[bytes]:
    """Every text and blob of a database; what Dagster compressed is opened."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for (table,) in tables:
            for row in connection.execute(f'SELECT * FROM "{table}"'):
                yield from opened(row)


def opened(row: Iterable[object]) -> Iterator[bytes]:
    for value in row:
        if isinstance(value, bytes):
            try:
                yield zlib.decompress(value)
            except zlib.error:
                yield value
        elif isinstance(value, str):
            yield value.encode()
