"""What `pg_restore` writes as SQL, run through the driver: psql, which would also run shell commands, has no part in it.

The script is statements and, between them, rows: `COPY ... FROM stdin;`, lines, and a line with `\\.` alone.
"""

from collections.abc import Callable, Iterator
from typing import IO

import psycopg

BLOCK_BYTES = 1 << 18
_ROWS_FOLLOW, _ROWS_END = b" FROM stdin;\n", b"\\.\n"
_FOR_PSQL = (b"\\restrict ", b"\\unrestrict ")  # what recent pg_restores write against psql's own commands
_TOO_NEW = b"SET transaction_timeout = 0;\n"  # pg_dump 17 and later write it, and servers before 17 do not know it


def run(connection: psycopg.Connection, script: IO[bytes], after_block: Callable[[], None]) -> None:
    """Everything in the script, in the connection's transaction. Raises `psycopg.Error`."""
    statements = bytearray()
    for line in script:
        if line.startswith(b"COPY ") and line.endswith(_ROWS_FOLLOW):
            _execute(connection, statements)
            with connection.cursor() as cursor, cursor.copy(line) as copy:
                for block in _rows(script):
                    copy.write(block)
                    after_block()
        elif not line.startswith(_FOR_PSQL) and line != _TOO_NEW:
            statements += line
    _execute(connection, statements)


def _execute(connection: psycopg.Connection, statements: bytearray) -> None:
    if statements.strip():
        connection.execute(bytes(statements))
    statements.clear()


def _rows(script: IO[bytes]) -> Iterator[bytes]:
    """The rows up to their end, in blocks. Within a row a line end is written as two characters."""
    block = bytearray()
    for line in script:
        if line == _ROWS_END:
            break
        block += line
        if len(block) >= BLOCK_BYTES:
            yield bytes(block)
            block.clear()
    yield bytes(block)
