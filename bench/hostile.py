"""What becomes of replies that a broken or hostile server sends: outcome, seconds and peak memory of each.

    python -m bench.hostile          the table of docs/reliability.md

A real server sends them, each to a process of its own, so that its peak is that reply's alone.
"""

import contextlib
import functools
import gzip
import multiprocessing
import resource
import socket
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from assets.room_sessions import ROOM_SESSIONS
from resources.kaltura import client as client_module
from resources.kaltura.client import Client, RequestStats
from resources.kaltura.csv import BOM
from resources.kaltura.errors import KalturaError
from resources.kaltura.query import Query
from resources.kaltura.session import Credentials
from resources.kaltura.windows import Window

HEADER = BOM + ",".join(ROOM_SESSIONS.table.column_names).encode() + b"\n"
ROW = b"1_a,Room,,1_c,1777885200,1777888800,ada,3,0.5\n"
MB = 1_000_000
DEADLINE_SECONDS = 20.0  # in the place of half an hour, for what would drip for ever

Pieces = Iterator[bytes]


def _of_length(body: bytes, head: bytes = b"") -> Pieces:
    yield b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n%s\r\n" % (len(body), head)
    yield body


def _without_end(start: bytes, block: bytes) -> Pieces:
    yield b"HTTP/1.1 200 OK\r\n\r\n" + start
    while True:
        yield block


@functools.cache
def _bomb(block: bytes, megabytes: int, window_bits: int) -> bytes:
    packer = zlib.compressobj(6, zlib.DEFLATED, window_bits)
    return packer.compress(HEADER) + b"".join(packer.compress(block * MB) for _ in range(megabytes)) + packer.flush()


def _packed(block: bytes, megabytes: int, window_bits: int, encoding: bytes) -> Pieces:
    return _of_length(_bomb(block, megabytes, window_bits), b"content-encoding: %s\r\n" % encoding)


def _dripping(start: bytes, drop: bytes) -> Pieces:
    yield start
    while True:
        time.sleep(0.05)
        yield drop


def _chunked(*pieces: bytes) -> Pieces:
    """The last of them for ever."""
    yield OK + b"transfer-encoding: chunked\r\n\r\n" + b"%x\r\n%s\r\n" % (len(HEADER), HEADER)
    yield from pieces
    while True:
        yield pieces[-1]


def _without_pause(block: bytes) -> Pieces:
    while True:
        yield block


OK = b"HTTP/1.1 200 OK\r\n"
CASES: dict[str, Callable[[], Pieces]] = {
    "a report of two rows": lambda: _of_length(HEADER + ROW * 2),
    "a gzip bomb of 700 MB, one line": lambda: _packed(b"x", 700, zlib.MAX_WBITS | 16, b"gzip"),
    "a gzip bomb of 700 MB, empty lines": lambda: _packed(b"\n", 700, zlib.MAX_WBITS | 16, b"gzip"),
    "a deflate bomb of 700 MB": lambda: _packed(b"x", 700, zlib.MAX_WBITS, b"deflate"),
    "packed twice": lambda: _of_length(gzip.compress(gzip.compress(HEADER)), b"content-encoding: gzip, gzip\r\n"),
    "a packed reply that breaks off": lambda: _of_length(
        gzip.compress(HEADER * 99)[:-20], b"content-encoding: gzip\r\n"
    ),
    "packed, and then noise": lambda: _of_length(b"\x1f\x8b\x08" + bytes(range(256)), b"content-encoding: gzip\r\n"),
    "a body without end, in rows": lambda: _without_end(HEADER, ROW),
    "a body without end, one line": lambda: _without_end(HEADER, b"x" * 65536),
    "a body without end, empty lines": lambda: _without_end(HEADER, b"\n" * 65536),
    "one line of 200 MB": lambda: _of_length(HEADER + b"1_a," + b"x" * 200 * MB),
    "a header of a million columns": lambda: _of_length(BOM + b",".join(b"c%d" % n for n in range(MB)) + b"\n"),
    "a header of 100,000 columns": lambda: _of_length(BOM + b",".join(b"c%d" % n for n in range(100_000)) + b"\n"),
    "100 MB of broken rows": lambda: _of_length(HEADER + (b"x" * 300 + b"\n") * 330_000),
    "100 MB of NUL and no UTF-8": lambda: _of_length(HEADER + (b"\0\xff" * 150 + b"\n") * 330_000),
    "JSON nested a million deep": lambda: _of_length(b'{"a":' * MB),
    "JSON nested 100,000 deep": lambda: _of_length(b'{"a":' * 100_000),
    "100 MB of JSON": lambda: _of_length(b'{"code": "' + b"x" * 100 * MB + b'", "message": ""}'),
    "a body that drips": lambda: _dripping(OK + b"\r\n" + HEADER, b"x"),
    "headers that drip": lambda: _dripping(OK + b"x-drop: ", b"x"),
    "headers without end": lambda: _dripping(OK, b"x-more: " + b"y" * 8000 + b"\r\n"),
    "interim replies without end": lambda: _without_pause(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 1000),
    "a status line without end": lambda: _without_pause(b"HTTP/1.1 200 " + b"O" * 65536),
    "chunks of one byte": lambda: _chunked(b"1\r\nx\r\n" * 10_000),
    "a chunk of 2^60 bytes": lambda: _chunked(b"%x\r\n" % 2**60, b"1_a,x\n" * 10_000),
    "the length of a chunk without end": lambda: _chunked(b"1;" + b"x" * 65536, b"x" * 65536),
    "trailers without end": lambda: _chunked(b"0\r\n", b"x-more: " + b"y" * 8000 + b"\r\n"),
    "no HTTP": lambda: iter([b"220 mail.example.org ESMTP\r\n" * 10]),
    "no answer at all": lambda: _dripping(b"", b""),
}


@contextmanager
def sending(case: str) -> Iterator[str]:
    """A server that answers each request by this; its address."""
    CASES[case]()  # what takes long to make is made before anybody waits
    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=_serve, args=(listening, case), daemon=True).start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


def _serve(listening: socket.socket, case: str) -> None:
    with contextlib.suppress(OSError):
        while True:
            connection, _ = listening.accept()
            threading.Thread(target=_answer, args=(connection, case), daemon=True).start()


def _answer(connection: socket.socket, case: str) -> None:
    with contextlib.suppress(OSError), connection:
        connection.recv(65536)
        for piece in CASES[case]():
            connection.sendall(piece)


def outcome(address: str) -> str:
    """The kind of error that one question ends with, and its text; or how many rows came."""
    client_module.REPLY_LIMIT_SECONDS = client_module.QUESTION_LIMIT_SECONDS = DEADLINE_SECONDS
    client = Client(address, Credentials("1", ks="a session token"), pause_scale=0)
    query = Query(ROOM_SESSIONS.source, Window.around(0, 3600))
    try:
        return f"{len(client.ask(query, RequestStats()).rows.frame)} rows"
    except KalturaError as error:
        return f"{type(error).__name__}: {error.what}"
    finally:
        client.close()


def _measure(address: str, results: "multiprocessing.SimpleQueue[tuple[str, float, float]]") -> None:
    started = time.monotonic()
    said = outcome(address)
    results.put((said, time.monotonic() - started, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))


def main() -> int:
    context = multiprocessing.get_context("fork")
    print("| reply | outcome | s | peak, MB |\n|---|---|---|---|")
    for case in CASES:
        with sending(case) as address:
            results = context.SimpleQueue()
            process = context.Process(target=_measure, args=(address, results))
            process.start()
            said, seconds, peak = results.get()
            process.join()
        print(f"| {case} | {said[:110]} | {seconds:.1f} | {peak:.0f} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
