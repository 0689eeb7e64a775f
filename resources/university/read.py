"""Reads a list's file as spreadsheets write it: UTF-8 with or without a mark, `,` `;` or tabs, any line end, quotes.

It is read in pieces: as text and Python values a long list would take ten times its size of memory.
No message holds a value of the file: lists name people.
"""

import codecs
import csv
import heapq
import io
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import BinaryIO, TextIO

from resources.errors import ConfigurationError
from resources.runtime.printable import printable

LINES_AT_ONCE = 20_000
MOST_BYTES = 256 << 20
_BLOCK_BYTES = 1 << 20
SEPARATORS = (",", ";", "\t")
SHOWN = 5
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_SAVE_AS = "In a spreadsheet: save it as `CSV UTF-8`."


class ListRefused(ConfigurationError):
    """A list that can't be used; what the table holds stays. The message has lines and reasons, and no value."""


@dataclass(frozen=True, order=True)
class Fault:
    """What is wrong with one line of a file."""

    line: int
    reason: str


class Faults:
    """What is wrong with a file: the first faults, and how many there are."""

    def __init__(self) -> None:
        self.first: list[Fault] = []
        self.count = 0

    def add(self, found: Iterable[Fault]) -> None:
        self.first = heapq.nsmallest(SHOWN, chain(self.first, self._counted(found)))

    def _counted(self, found: Iterable[Fault]) -> Iterator[Fault]:
        for each in found:
            self.count += 1
            yield each


@dataclass(frozen=True)
class Lines:
    """Rows of a file as text, by column, and the line that each row began on. '' is an empty field."""

    columns: dict[str, list[str]]
    numbers: list[int]


def refused(path: Path, why: str) -> ListRefused:
    """The file whole, for what the message says."""
    return ListRefused(f"{printable(path.name)} was refused, and what was loaded of it before stays: {why}")


def refused_lines(path: Path, faults: Faults) -> ListRefused:
    """The first faults, by line, and how many more there are."""
    told = [f"line {fault.line}: {fault.reason}" for fault in faults.first]
    if faults.count > len(told):
        told.append(f"and {faults.count - len(told):,} more")
    return refused(path, "; ".join(told) + ".")


def read(path: Path, known: list[str], required: tuple[str, ...], faults: Faults) -> Iterator[Lines]:
    """Pieces of the file, each with all of its columns, which are among the `known`. There is one, if only an empty one.

    Lines with too few or too many fields are left out, and added to the `faults`. Raises `ListRefused`, or `OSError`.
    """
    with path.open("rb") as given, _read_twice(given) as file:
        _expect_text(path, file)
        with io.TextIOWrapper(file, encoding="utf-8-sig", newline="") as text:
            try:
                yield from _pieces(path, text, known, required, faults)
            except UnicodeDecodeError:
                raise refused(path, "it changes while it is read.") from None


@contextmanager
def _read_twice(given: BinaryIO) -> Iterator[BinaryIO]:
    """The file, or a copy without a name where it is a pipe, of which nothing can be read again."""
    if given.seekable():
        yield given
        return
    with tempfile.TemporaryFile() as copy:
        while copy.tell() <= MOST_BYTES and (block := given.read(_BLOCK_BYTES)):
            copy.write(block)
        copy.seek(0)
        yield copy


def _pieces(path: Path, text: TextIO, known: list[str], required: tuple[str, ...], faults: Faults) -> Iterator[Lines]:
    rows = _rows(path, text)
    _, header = next(rows, (1, []))
    names = [name.strip().lower() for name in header]
    while names and not names[-1]:
        names.pop()
    _expect_header(path, names, known, required)
    yield _lines(islice(rows, LINES_AT_ONCE), names, faults)
    for row in rows:
        yield _lines(chain([row], islice(rows, LINES_AT_ONCE - 1)), names, faults)


def _lines(rows: Iterable[tuple[int, list[str]]], names: list[str], faults: Faults) -> Lines:
    columns: dict[str, list[str]] = {name: [] for name in names}
    numbers: list[int] = []
    found = []
    for number, fields in rows:
        if not any(field.strip() for field in fields):
            continue
        if len(fields) < len(names) or any(field.strip() for field in fields[len(names) :]):
            found.append(Fault(number, f"has {len(fields)} fields, and the first line {len(names)}"))
            continue
        numbers.append(number)
        for name, value in zip(names, fields, strict=False):
            columns[name].append(value.strip())
    faults.add(found)
    return Lines(columns, numbers)


def _rows(path: Path, text: TextIO) -> Iterator[tuple[int, list[str]]]:
    """Each row with the number of the line that it begins on."""
    start, first = 1, text.readline()
    if first.strip().lower().startswith("sep=") and len(first.strip()) == len("sep=,"):  # a spreadsheet's own line
        start, first = 2, text.readline()
    separator = max(SEPARATORS, key=first.count)
    reader = csv.reader(chain([first], text), delimiter=separator, strict=True)
    while True:
        number = start + reader.line_num
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error:
            raise refused(path, f"line {number}: a quote is not closed, or stands inside a field.") from None
        yield number, row


def _expect_text(path: Path, file: BinaryIO) -> None:
    """Whether the file is text is known before any of its lines is judged. At the end it stands at its beginning again."""
    size = os.fstat(file.fileno()).st_size
    if size > MOST_BYTES:
        raise refused(path, f"it has {size:,} bytes, and {MOST_BYTES:,} is the most.")
    decoder, lines = codecs.getincrementaldecoder("utf-8")(), 1
    while block := file.read(_BLOCK_BYTES):
        if file.tell() == len(block) and (block[:2] in _UTF_16 or block[1:2] == b"\0"):
            raise refused(path, f"it is UTF-16, and UTF-8 is needed. {_SAVE_AS}")
        _expect_utf_8(path, decoder, block, lines)
        if b"\0" in block:
            line = lines + block.count(b"\n", 0, block.index(0))
            raise refused(path, f"line {line} holds a NUL: it is no text.")
        lines += block.count(b"\n")
    _expect_utf_8(path, decoder, b"", lines)
    file.seek(0)


def _expect_utf_8(path: Path, decoder: codecs.IncrementalDecoder, block: bytes, line: int) -> None:
    """`line`: on which the block begins. What a block leaves over of a letter has no line end."""
    try:
        decoder.decode(block, final=not block)
    except UnicodeDecodeError as error:
        line += error.object.count(b"\n", 0, error.start)
        words = f"line {line} is not UTF-8: the file may be Latin-1 (Windows-1252). {_SAVE_AS}"
        raise refused(path, words) from None


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
