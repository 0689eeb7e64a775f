"""Kaltura's CSV: UTF-8 with a BOM, commas, LF, and no quoting at all (docs/kaltura-api.md section 3).

A well-formed reply goes through Arrow's parser untouched. Where a line has too few commas, a newline stood inside a
name and broke the row in two: the pieces are joined again. A line that can't be made whole becomes a `Reject`.
Every line of the body ends up in exactly one of the two.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import cast

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv

from resources.kaltura.errors import BadReply, ColumnMissing
from resources.kaltura.query import Source

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

    @property
    def received(self) -> int:
        return len(self.frame) + len(self.rejects)


def no_rows(columns: Iterable[str]) -> Rows:
    """An empty report."""
    return Rows(pd.DataFrame({name: pd.Series(dtype="str") for name in columns}))


def parse(body: bytes, source: Source, about: str, *, left_out: tuple[str, ...] = ()) -> Rows:
    """The rows of a reply that starts with a BOM. `left_out` are the columns that the server was told not to send.

    Raises `ColumnMissing` where the header lacks a column of `source`, `BadReply` where there are rows under no header.
    """
    required = tuple(name for name in source.columns if name not in left_out)
    header_line, _, lines = body.removeprefix(BOM).partition(b"\n")
    if header_line.endswith(b"\r"):
        header_line, lines = header_line.rstrip(b"\r"), lines.replace(b"\r\n", b"\n")
    if not header_line.strip():
        if lines.strip():
            raise BadReply("there are rows under an empty header", about=about)
        return no_rows(required)
    header = _header(header_line, required, about)
    if lines and not lines.endswith(b"\n"):
        lines += b"\n"
    lines = _postgres_can_hold(lines)
    if b"\r" not in lines:
        try:
            frame = _frame(lines, header)
            return Rows(_unwrapped(frame) if b'"' in lines else frame, [], len(frame))
        except pa.ArrowInvalid:
            pass  # a line has too few fields, or too many
    view = np.frombuffer(lines, dtype=np.uint8)
    ends = np.flatnonzero(view == LF)
    commas = np.diff(np.searchsorted(np.flatnonzero(view == COMMA), ends), prepend=0)
    newline, carriage_return = _unused_characters(lines)
    lines, rejects = _repaired(lines, commas.tolist(), header, source.free_text, newline.encode())
    frame = _frame(lines.replace(b"\r", carriage_return.encode()), header)  # the parser ends lines at either
    for sign, meant in ((newline, "\n"), (carriage_return, "\r")):
        frame = frame.apply(lambda column, sign=sign, meant=meant: column.str.replace(sign, meant, regex=False))
    return Rows(_unwrapped(frame), rejects, len(ends))


def _header(line: bytes, required: tuple[str, ...], about: str) -> list[str]:
    names = [name.strip().strip('"') for name in _postgres_can_hold(line).decode().split(",")]
    missing = [name for name in required if name not in names]
    if missing:
        # Without any column that is expected, the line may be a row of data: those stand in no message.
        there = f"it has {', '.join(names)}" if len(missing) < len(required) else "its first line is no header"
        raise ColumnMissing(f"the reply has no column {', '.join(missing)}; {there}", about=about)
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise BadReply(f"the reply has the column {', '.join(twice)} twice", about=about)
    return names


def _postgres_can_hold(lines: bytes) -> bytes:
    """The lines with every byte that is no UTF-8, and every NUL, as U+FFFD: neither fits a text column."""
    try:
        lines.decode("utf-8")
    except UnicodeDecodeError:
        lines = lines.decode("utf-8", "replace").encode()
    return lines.replace(b"\0", "\ufffd".encode()) if b"\0" in lines else lines


def _unused_characters(lines: bytes) -> tuple[str, str]:
    """Two characters that no name holds, not even one with an old phone's private-use emoji."""
    text = set(lines.decode())
    unused = (chr(code) for code in (*PRIVATE_USE, *range(0xF0000, 0x10FFFE)) if chr(code) not in text)
    return next(unused), next(unused)


def _repaired(
    lines: bytes, commas: list[int], header: list[str], free_text: frozenset[str], newline: bytes
) -> tuple[bytes, list[Reject]]:
    """The lines with rows that a newline broke made whole again by `newline`, and the pieces that make no row.

    A piece without a comma is the end of the row before it where the last column is free text, and the beginning of the
    next one where the first is.
    """
    most = len(header) - 1
    head_may_break, tail_may_break = header[0] in free_text, header[-1] in free_text
    rows: list[bytes] = []
    rejects: list[Reject] = []
    pieces: list[bytes] = []
    seen, row_just_ended = 0, False

    def set_aside() -> None:
        rejects.extend(
            Reject(piece.decode(), f"the line has {piece.count(b',') + 1} of {len(header)} fields") for piece in pieces
        )
        pieces.clear()

    for line, count in zip(lines.split(b"\n"), commas, strict=False):
        if not pieces and count == 0 and row_just_ended and tail_may_break:
            rows[-1] += newline + line
            continue
        if seen + count > most or (pieces and seen == 0 and not head_may_break):
            set_aside()
            seen = 0
        pieces.append(line)
        seen += count
        row_just_ended = seen == most
        if seen >= most:
            if row_just_ended:
                rows.append(newline.join(pieces))
                pieces.clear()
            set_aside()
            seen = 0
    set_aside()
    return b"".join(row + b"\n" for row in rows), rejects


def _frame(lines: bytes, header: list[str]) -> pd.DataFrame:
    """The lines as strings; nothing is taken for a missing value, a number, a quote or a comment."""
    if not lines:
        return no_rows(header).frame
    table = pyarrow.csv.read_csv(
        pa.py_buffer(lines),
        pyarrow.csv.ReadOptions(column_names=header, block_size=len(lines)),
        pyarrow.csv.ParseOptions(quote_char=False, double_quote=False, escape_char=False, ignore_empty_lines=False),
        pyarrow.csv.ConvertOptions(column_types=dict.fromkeys(header, pa.large_string()), strings_can_be_null=False),
    )
    return cast(pd.DataFrame, table.combine_chunks().to_pandas())


def _unwrapped(frame: pd.DataFrame) -> pd.DataFrame:
    """Values without the quotes that some columns come wrapped in; a lone or unpaired quote belongs to the name."""
    for name in frame.columns:
        values = frame[name]
        wrapped = values.str.startswith('"') & values.str.endswith('"') & (values.str.len() > 1)
        if not wrapped.any():
            continue
        inner = values[wrapped].str.slice(1, -1)
        paired = ~inner.str.replace('""', "", regex=False).str.contains('"', regex=False)
        frame.loc[inner.index[paired], name] = inner[paired].str.replace('""', '"', regex=False)
    return frame
