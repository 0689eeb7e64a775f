"""Frames and Postgres's COPY: rows on their way in, rows on their way out, and a digest to know them by.

Arrow writes and reads the CSV, a column at a time. Times travel as UTC without saying so, since Arrow formats them
twenty times faster that way: every connection of the warehouse has `TimeZone` UTC.
"""

import hashlib
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import cast

import pandas as pd
import psycopg
import pyarrow as pa
import pyarrow.csv
from psycopg import sql

from resources.table import Kind

ROWS_A_CHUNK = 16_384  # while the server takes in a chunk, the next one is being written
BLOCK_BYTES = 4 << 20

_HEADLESS = pyarrow.csv.WriteOptions(include_header=False)

# As `rows_out` selects them: what compares exactly. Times are microseconds since 1970, lengths of time seconds.
_SELECTED = {
    Kind.TIME: "(extract(epoch FROM {}) * 1000000)::bigint",
    Kind.SECONDS: "extract(epoch FROM {})::double precision",
}
_ARROW = {
    Kind.TEXT: pa.large_string(),
    Kind.COUNT: pa.int64(),
    Kind.MINUTES: pa.float64(),
    Kind.RATIO: pa.float64(),
    Kind.TIME: pa.int64(),
    Kind.SECONDS: pa.float64(),
}


def rows_in(connection: psycopg.Connection, statement: sql.Composed, rows: pa.Table) -> None:
    """Send all rows of `rows` (see `columns`) to a `COPY ... FROM STDIN (FORMAT csv)`. NULL and '' stay apart."""
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for start in range(0, rows.num_rows, ROWS_A_CHUNK):
            # For an empty chunk, with which a concatenated frame begins, Arrow's writer writes what its buffer holds.
            chunk = rows.slice(start, ROWS_A_CHUNK).combine_chunks()
            stream = io.BytesIO()
            pyarrow.csv.write_csv(chunk, stream, _HEADLESS)
            copy.write(stream.getbuffer())


def columns(frame: pd.DataFrame, names: Sequence[str], constants: Mapping[str, object]) -> pa.Table:
    """The named columns of `frame`, or the same constant in each row; NaN, NaT and NA become NULL."""
    arrays = [
        pa.repeat(pa.scalar(constants[name]), len(frame)) if name in constants else _array(frame[name])
        for name in names
    ]
    return pa.table(arrays, names=list(names))


def selected(column: sql.Identifier, kind: Kind) -> sql.Composed:
    """The expression that `rows_out` can compare with what `comparable` makes of a frame's column."""
    return sql.SQL(_SELECTED.get(kind, "{}")).format(column)


def comparable(values: pd.Series, kind: Kind) -> pa.Array:
    """A frame's column as `rows_out` returns it."""
    array = pa.Array.from_pandas(values)
    if kind is Kind.TIME:
        array = array.cast(pa.timestamp("us", "UTC")).view(pa.int64())
    return array.cast(_ARROW[kind])


def rows_out(
    connection: psycopg.Connection, query: sql.Composed, parameters: Mapping[str, object], kinds: Mapping[str, Kind]
) -> pa.Table:
    """What a query returns, by COPY: its columns are those of `kinds`, in order, each as `selected` spells it."""
    out = sql.SQL("COPY ({}) TO STDOUT (FORMAT csv)").format(query)
    with connection.cursor() as cursor, cursor.copy(out, parameters) as copy:
        body = b"".join(_pieces(copy))
    types = {name: _ARROW[kind] for name, kind in kinds.items()}
    if not body:
        return pa.table({name: pa.array([], kind) for name, kind in types.items()})
    return pyarrow.csv.read_csv(
        pa.py_buffer(body),
        pyarrow.csv.ReadOptions(column_names=list(types), block_size=max(BLOCK_BYTES, len(body) // 8)),
        pyarrow.csv.ParseOptions(newlines_in_values=True),
        pyarrow.csv.ConvertOptions(
            column_types=types, null_values=[""], strings_can_be_null=True, quoted_strings_can_be_null=False
        ),
    ).combine_chunks()


def digest(rows: pa.Table) -> bytes:
    """The same 32 bytes for the same rows in the same order. Another release of Arrow may give others."""
    found = hashlib.blake2b(digest_size=32)
    sink = io.BytesIO()
    whole = rows.combine_chunks()
    with pa.ipc.new_stream(sink, whole.schema) as stream:
        stream.write_table(whole)
    found.update(sink.getbuffer())
    return found.digest()


def _array(values: pd.Series) -> pa.Array:
    array = pa.Array.from_pandas(values)
    return array.view(pa.timestamp(array.type.unit)) if pa.types.is_timestamp(array.type) else array


def _pieces(copy: psycopg.Copy) -> Iterator[bytes]:
    while piece := copy.read():
        yield bytes(cast(bytes, piece))
