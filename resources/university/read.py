"""Reads a list's file as spreadsheets write it: UTF-8 with or without a mark, `,` `;` or tabs, any line end, quotes.

No message holds a value of the file: lists name people.
"""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from resources.errors import ConfigurationError
from resources.runtime.printable import printable

MOST_BYTES = 256 << 20
SEPARATORS = (",", ";", "\t")
SHOWN = 5
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_SAVE_AS = "In a spreadsheet: save it as `CSV UTF-8`."


class ListRefused(ConfigurationError):
    """A list that can't be used; what the table holds stays. The message has lines and reasons, and no value."""


@dataclass(frozen=True)
class Fault:
    """What is wrong with one line of a file."""

    line: int
    reason: str


@dataclass(frozen=True)
class Lines:
    """A file's rows as text, by column, and the line that each row began on. '' is an empty field."""

    columns: dict[str, list[str]]
    numbers: list[int]


def refused(path: Path, why: str) -> ListRefused:
    """The file whole, for what the message says."""
    return ListRefused(f"{printable(path.name)} was refused, and what was loaded of it before stays: {why}")


def refused_lines(path: Path, faults: list[Fault]) -> ListRefused:
    """The first faults, by line, and how many more there are."""
    told = [f"line {fault.line}: {fault.reason}" for fault in faults[:SHOWN]]
    if len(faults) > SHOWN:
        told.append(f"and {len(faults) - SHOWN:,} more")
    return refused(path, "; ".join(told) + ".")


def read(path: Path, known: list[str], required: tuple[str, ...]) -> Lines:
    """The file's columns, each of them one of the `known`. Raises `ListRefused`, or `OSError`."""
    rows = _rows(path)
    _, header = next(rows, (1, []))
    names = [name.strip().lower() for name in header]
    while names and not names[-1]:
        names.pop()
    _expect_header(path, names, known, required)
    columns: dict[str, list[str]] = {name: [] for name in names}
    numbers: list[int] = []
    faults: list[Fault] = []
    for number, fields in rows:
        if not any(field.strip() for field in fields):
            continue
        if len(fields) < len(names) or any(field.strip() for field in fields[len(names) :]):
            faults.append(Fault(number, f"has {len(fields)} fields, and the first line {len(names)}"))
            continue
        numbers.append(number)
        for name, value in zip(names, fields, strict=False):
            columns[name].append(value.strip())
    if faults:
        raise refused_lines(path, faults)
    return Lines(columns, numbers)


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Each row with the number of the line that it begins on."""
    text = _text(path)
    start, first = 1, text.split("\n", 1)[0].strip()
    if first.lower().startswith("sep=") and len(first) == len("sep=,"):  # a spreadsheet's own line
        text, start = text.split("\n", 1)[-1], 2
        first = text.split("\n", 1)[0]
    separator = max(SEPARATORS, key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    while True:
        number = start + reader.line_num
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error:
            raise refused_lines(path, [Fault(number, "a quote is not closed, or stands inside a field")]) from None
        yield number, row


def _text(path: Path) -> str:
    size = path.stat().st_size
    if size > MOST_BYTES:
        raise refused(path, f"it has {size:,} bytes, and {MOST_BYTES:,} is the most.")
    raw = path.read_bytes()
    if raw[:2] in _UTF_16 or raw[1:2] == b"\0":
        raise refused(path, f"it is UTF-16, and UTF-8 is needed. {_SAVE_AS}")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        words = f"line {line} is not UTF-8: the file may be Latin-1 (Windows-1252). {_SAVE_AS}"
        raise refused(path, words) from None
    if "\0" in text:
        raise refused(path, f"line {text.count(chr(10), 0, text.index(chr(0))) + 1} holds a NUL: it is no text.")
    return text


def _expect_header(path: Path, names: list[str], known: list[str], required: tuple[str, ...]) -> None:
    """What is not known is named only where the rest makes sure that this is a header, and nobody's row."""
    lacking = [name for name in required if name not in names]
    if lacking:
        raise refused(path, f"line 1 has to name the columns, and lacks {', '.join(lacking)}.")
    unknown = [name for name in names if name not in known]
    if unknown:
        shown = ", ".join(printable(name[:40]) or "a column without a name" for name in unknown)
        raise refused(path, f"line 1 has {shown}. The columns that there are: {', '.join(known)}.")
    if len(set(names)) < len(names):
        raise refused(path, "line 1 names a column twice.")
