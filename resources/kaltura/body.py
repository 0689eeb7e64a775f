"""The body of a reply, bounded while it arrives and before it is unpacked further: in bytes, lines, their length, and time.

A report has 100,000 rows at most, some 15 MB. What goes beyond several times that is no report, whoever sends it.
"""

import time
import zlib
from collections.abc import Iterator

import httpx

from resources.kaltura.errors import BadReply, Unavailable

REPLY_LIMIT_BYTES = 128 * 1024 * 1024  # as unpacked
LINE_LIMIT_BYTES = 1024 * 1024
LINES_LIMIT = 400_000  # more than rows, for a name may hold line ends
PIECE_BYTES = 64 * 1024  # what is unpacked at once
ENCODINGS = {
    "": 0,
    "identity": 0,
    "gzip": zlib.MAX_WBITS | 16,
    "deflate": zlib.MAX_WBITS,
}  # of one layer, to zlib's words


def read(response: httpx.Response, about: str, gives_up_at: float) -> bytes:
    """The whole body. Raises `BadReply` for one that no report has, `Unavailable` for one that breaks off or drips."""
    encoding = response.headers.get("content-encoding", "").strip().lower()
    if encoding not in ENCODINGS:
        raise BadReply("the reply is packed in a way which was not asked for", about=about)
    body, lines, line = bytearray(), 0, 0
    for piece in _unpacked(response.iter_raw(), ENCODINGS[encoding], about):
        body += piece
        lines += piece.count(b"\n")
        first_end = piece.find(b"\n")
        longest = line + (first_end if first_end >= 0 else len(piece))
        line = len(piece) - piece.rfind(b"\n") - 1 if first_end >= 0 else longest
        if len(body) > REPLY_LIMIT_BYTES:
            raise BadReply(f"the reply is larger than {REPLY_LIMIT_BYTES:,} bytes", about=about)
        if longest > LINE_LIMIT_BYTES:
            raise BadReply(f"a line of the reply is longer than {LINE_LIMIT_BYTES:,} bytes", about=about)
        if lines > LINES_LIMIT:
            raise BadReply(f"the reply has more than {LINES_LIMIT:,} lines", about=about)
        if time.monotonic() > gives_up_at:
            raise Unavailable("the reply was not complete in time", about=about)
    return bytes(body)


def _unpacked(packed: Iterator[bytes], window_bits: int, about: str) -> Iterator[bytes]:
    """The body in pieces of `PIECE_BYTES` at most, however far a byte of it unpacks."""
    if not window_bits:
        for chunk in packed:
            for start in range(0, len(chunk), PIECE_BYTES):
                yield chunk[start : start + PIECE_BYTES]
        return
    unpacker = zlib.decompressobj(window_bits)
    is_empty = True
    try:
        for chunk in packed:
            if is_empty and window_bits == zlib.MAX_WBITS and chunk[:1] and chunk[0] & 0x0F != zlib.DEFLATED:
                unpacker = zlib.decompressobj(-zlib.MAX_WBITS)  # "deflate" without zlib's head, as some servers send it
            is_empty = is_empty and not chunk
            rest, piece = chunk, b""
            # zlib may have taken all of it in and hold back what a full piece had no room for.
            while rest or (len(piece) == PIECE_BYTES and not unpacker.eof):
                if unpacker.eof:  # gzip may have several parts; what is none of them is no end to pass over either
                    unpacker = zlib.decompressobj(window_bits)
                piece = unpacker.decompress(rest, PIECE_BYTES)
                yield piece
                rest = unpacker.unused_data if unpacker.eof else unpacker.unconsumed_tail
    except zlib.error:
        raise Unavailable("the reply can't be unpacked", about=about) from None
    if not unpacker.eof and not is_empty:
        raise Unavailable("the reply broke off while it was unpacked", about=about)
