"""Kaltura's CSV: UTF-8 with a BOM, commas, LF, and no quoting at all (docs/kaltura-api.md section 3).

A well-formed reply goes through Arrow's parser untouched. Where a line has too few commas, a newline stood inside a
name and broke the row in two: the pieces are joined again. A line that can't be made whole becomes a `Reject`.
Every line of the body ends up in exactly one of the two.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import cast

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.csv

from resources.kaltura.errors import BadReply, ColumnMissing, redacted
from resources.kaltura.header import in_place_of_header, names_in
from resources.kaltura.query import Source
from resources.kaltura.quotes import Quotes

BOM = b"\xef\xbb\xbf"
LF, COMMA = ord("\n"), ord(",")
PRIVATE_USE = range(0xE000, 0xF900)  # some of them stand for the line ends in names while lines are cut


@dataclass(frozen=True)
class Reject:
    """A row that can't be used: as it came, and why."""

    raw: str
    reason: str


@dataclass(frozen=True)
class Rows:
    """A reply's rows: every value as the string that was sent, and the lines that are no rows.

    `line_count` is what the server's row cap is compared with. It counts a broken row twice, which at worst
    takes a whole reply for a cut one, never the other way round.
    """

    frame: pd.DataFrame
    rejects: list[Reject] = field(default_factory=list)
    line_count: int = 0
    body: "_Body | None" = field(default=None, repr=False)

    @property
    def received(self) -> int:
        return len(self.frame) + len(self.rejects)

    def as_came(self, position: int) -> str:
        """A line as the server sent it, by its place: first the rows of `frame`, then the rejects."""
        if position >= len(self.frame):
            return self.rejects[position - len(self.frame)].raw
        return self.body.line(position) if self.body else ",".join(self.frame.iloc[position])


@dataclass(frozen=True)
class _Body:
    """The lines of the rows, and the characters that stand for the line ends which are part of a name."""

    lines: bytes
    line_ends: Mapping[str, str] = field(default_factory=dict)

    def line(self, position: int) -> str:
        start = int(self._ends[position - 1]) + 1 if position else 0
        line = self.lines[start : int(self._ends[position])].decode()
        for sign, meant in self.line_ends.items():
            line = line.replace(sign, meant)
        return line

    @cached_property
    def _ends(self) -> npt.NDArray[np.int64]:
        return np.flatnonzero(np.frombuffer(self.lines, dtype=np.uint8) == LF)


def no_rows(columns: Iterable[str]) -> Rows:
    """An empty report."""
    return Rows(pd.DataFrame(columns=list(columns), dtype="str"))


def parse(
    body: bytes, source: Source, about: str, *, left_out: tuple[str, ...] = (), quotes: Quotes | None = None
) -> Rows:
    """The rows of a reply that starts with a BOM. `left_out` are the columns that the server was told not to send.

    `quotes` is what other replies have told of the server's own.

    Raises `ColumnMissing` where the header lacks a column of `source`, `BadReply` where there are rows under no header.
    """
    required = tuple(name for name in source.columns if name not in left_out)
    start = len(BOM) if body.startswith(BOM) else 0  # one copy of what can be megabytes, where partition makes two
    end = body.find(b"\n", start)
    end = len(body) if end < 0 else end
    header_line, lines = body[start:end], body[end + 1 :]
    if header_line.endswith(b"\r"):
        header_line, lines = header_line.rstrip(b"\r"), lines.replace(b"\r\n", b"\n")
    if not header_line.strip():
        if lines.strip():
            raise BadReply("there are rows under an empty header", about=about)
        return no_rows(required)
    header = _header(header_line, required, about)
    quotes = quotes or Quotes()
    if lines and not lines.endswith(b"\n"):
        lines += b"\n"
    # Of a line with nothing in it Arrow makes an empty row: it may be the end of a text.
    if b"\r" not in lines and b"\0" not in lines and b"\n\n" not in lines and not lines.startswith(b"\n"):
        try:
            frame = _frame(lines, header)
            return Rows(quotes.taken_off(frame, source) if b'"' in lines else frame, [], len(frame), _Body(lines))
        except pa.ArrowInvalid:
            pass  # a line has too few fields, or too many, or is no UTF-8
    return _rows_of_broken(_postgres_can_hold(lines), header, source, quotes)


def _rows_of_broken(lines: bytes, header: list[str], source: Source, quotes: Quotes) -> Rows:
    view = np.frombuffer(lines, dtype=np.uint8)
    ends = np.flatnonzero(view == LF)
    commas = np.diff(np.searchsorted(np.flatnonzero(view == COMMA), ends), prepend=0)
    newline, carriage_return = _unused_characters(lines)
    repaired, rejects = _repaired(lines, ends, commas, header, source.one_line, newline.encode())
    repaired = repaired.replace(b"\r", carriage_return.encode())  # the parser ends lines at either
    frame = _frame(repaired, header)
    line_ends = {newline: "\n", carriage_return: "\r"}
    for sign, meant in line_ends.items():
        for name in frame if meant.encode() in lines else ():
            frame[name] = frame[name].str.replace(sign, meant, regex=False)
    return Rows(quotes.taken_off(frame, source), rejects, len(ends), _Body(repaired, line_ends))


def _header(line: bytes, required: tuple[str, ...], about: str) -> list[str]:
    text = _postgres_can_hold(line).decode()
    names = names_in(text)
    missing = [name for name in required if name not in names]
    if missing:
        # Without any column that is expected, the line may be a row of data: those stand in no message.
        is_header = len(missing) < len(required)
        there = f"it has {redacted(', '.join(names))}" if is_header else in_place_of_header(text, required)
        raise ColumnMissing(f"the reply has no column {', '.join(missing)}; {there}", about=about)
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        named = redacted(", ".join(name for name in twice if name in required))
        raise BadReply(f"the reply has {f'the column {named}' if named else 'a column'} twice", about=about)
    return names


def _postgres_can_hold(lines: bytes) -> bytes:
    """The lines with every byte that is no UTF-8, and every NUL, as U+FFFD: neither fits a text column."""
    if not _is_utf8(lines):
        lines = lines.decode("utf-8", "replace").encode()
    return lines.replace(b"\0", "\ufffd".encode()) if b"\0" in lines else lines


def _is_utf8(lines: bytes) -> bool:
    """Told by Arrow, in place: Python would decode the whole into four bytes a character to say so."""
    try:
        pa.LargeStringArray.from_buffers(1, pa.array([0, len(lines)]).buffers()[1], pa.py_buffer(lines)).validate(
            full=True
        )
    except pa.ArrowInvalid:
        return False
    return True


def _unused_characters(lines: bytes) -> tuple[str, str]:
    """Two characters that no name holds, not even one with an old phone's private-use emoji."""
    candidates = map(chr, (*PRIVATE_USE, *range(0xF0000, 0x10FFFE)))
    unused = (character for character in candidates if character.encode() not in lines)
    return next(unused), next(unused)


def _repaired(
    lines: bytes,
    ends: npt.NDArray[np.int64],
    commas: npt.NDArray[np.int64],
    header: list[str],
    one_line: frozenset[str],
    newline: bytes,
) -> tuple[bytes, list[Reject]]:
    """The lines with rows that a newline broke made whole again by `newline`, and the pieces that make no row.

    `ends` are the places of the line ends, `commas` how many commas stand before each. A stretch of lines that have as
    many as they should is taken as it is; only the lines around the others are looked at one by one.
    """
    repair = _Repair(header, one_line, newline)
    odd = np.flatnonzero(commas != len(header) - 1)
    ones = np.unique(np.concatenate([odd, odd + 1]))  # a whole line, too, can be the end of a broken one's row
    starts = np.concatenate([[0], ends + 1])
    reached = 0
    for number in ones[ones < len(ends)].tolist():
        repair.take_whole(lines[starts[reached] : starts[number]])
        repair.take(lines[starts[number] : ends[number]], int(commas[number]))
        reached = number + 1
    repair.take_whole(lines[starts[reached] :])
    repair.set_aside()
    return b"".join(repair.rows), repair.rejects


class _Repair:
    """Lines on their way to be rows again: pieces wait until they make one together.

    A piece without a comma is the end of the row before it where the last column may break, and the beginning of the next one
    where the first may: texts that people type, and columns that nobody has declared.
    """

    def __init__(self, header: list[str], one_line: frozenset[str], newline: bytes) -> None:
        self.rows: list[bytes] = []  # rows and stretches of rows, each but the last followed by its line end
        self.rejects: list[Reject] = []
        self._fields = len(header)
        self._head_may_break, self._tail_may_break = (name not in one_line for name in (header[0], header[-1]))
        self._newline = newline
        self._pieces: list[bytes] = []
        self._seen = 0
        self._row_just_ended = False

    def take_whole(self, rows: bytes) -> None:
        """Lines of which each is a row, with their line ends. No piece is waiting, or there are none."""
        if rows:
            self._row_just_ended = True
            self.rows += [rows[:-1], b"\n"]

    def take(self, line: bytes, commas: int) -> None:
        most = self._fields - 1
        if not self._pieces and commas == 0 and self._row_just_ended and self._tail_may_break:
            self.rows[-1:] = [self._newline, line, b"\n"]
            return
        if self._seen + commas > most or (self._pieces and self._seen == 0 and not self._head_may_break):
            self.set_aside()
        self._pieces.append(line)
        self._seen += commas
        self._row_just_ended = self._seen == most
        if self._row_just_ended:
            self.rows += [self._newline.join(self._pieces), b"\n"]
            self._pieces.clear()
        if self._seen >= most:
            self.set_aside()

    def set_aside(self) -> None:
        """What waits makes no row."""
        self.rejects += (
            Reject(piece.decode(), f"the line has {piece.count(b',') + 1} of {self._fields} fields")
            for piece in self._pieces
        )
        self._pieces.clear()
        self._seen = 0


def _frame(lines: bytes, header: list[str]) -> pd.DataFrame:
    """The lines as strings; nothing is taken for a missing value, a number, a quote or a comment."""
    if not lines:
        return no_rows(header).frame
    if lines.startswith(BOM):
        lines = BOM + lines  # the parser takes one for its own; this one begins the first value
    table = pyarrow.csv.read_csv(
        pa.py_buffer(lines),
        pyarrow.csv.ReadOptions(column_names=header, block_size=len(lines)),
        pyarrow.csv.ParseOptions(quote_char=False, double_quote=False, escape_char=False, ignore_empty_lines=False),
        pyarrow.csv.ConvertOptions(column_types=dict.fromkeys(header, pa.large_string()), strings_can_be_null=False),
    )
    return cast(pd.DataFrame, table.combine_chunks().to_pandas())
