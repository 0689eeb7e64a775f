"""Text of strangers, such as a room's name or a server's message, made fit for where it is shown: one function a channel.

Chats have theirs in `pipelines/sensors/channels.py`, tables of a terminal in `pipelines/terminal.py`.
"""

import codecs
import io
import unicodedata
from typing import TextIO

METADATA_CHARACTERS = 500
_LOST = "\ufffd"
# Bidirectional overrides turn what stands around them, too.
_TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def printable(text: str) -> str:
    """For a terminal and a line of a log: U+FFFD for each character that shows nothing, such as escape sequences.

    Emoji that are joined from several come apart.
    """
    return text if text.isprintable() else "".join(each if each.isprintable() else _LOST for each in text)


def escape_what_encodings_lack(*streams: TextIO | None) -> None:
    """A terminal or a log that is no UTF-8 gets an escape, such as `\\u0141`, where nothing else can be written.

    Else a command fails at a room's name, with its work done.
    """
    for stream in streams:
        if isinstance(stream, io.TextIOWrapper):  # some have none, or another's
            is_utf8 = codecs.lookup(stream.encoding).name == "utf-8"
            if not is_utf8 or stream.errors == "strict":  # else by the locale: a file's name goes out as it came in
                stream.reconfigure(errors="backslashreplace")


def on_page(text: str) -> str:
    """For a page, whose template escapes markup: U+FFFD for controls, line ends and what turns the direction of others."""
    return "".join(
        _LOST if each in _TURNING or unicodedata.category(each) in ("Cc", "Zl", "Zp") else each for each in text
    )


def in_metadata(value: object) -> str | int | float | bool | None:
    """For a cell of a table in Dagster's UI, which shows text as text: one line, of bounded length."""
    if value is None or isinstance(value, int | float):
        return value
    text = printable(str(value))
    return text if len(text) <= METADATA_CHARACTERS else f"{text[: METADATA_CHARACTERS - 1]}\N{HORIZONTAL ELLIPSIS}"
