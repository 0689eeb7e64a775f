"""The one rule for what is the same person: two ids that differ in case, in blanks around them, or in marks that
nobody sees, are one.

Kaltura matches ids without case in places. Pseudonyms, erasure and suppression all ask here. Names and e-mails in free
text are compared word by word, so that `Lovelace, Ada` in a broken line is found as well as in a whole one.
"""

import json
import re
import unicodedata
from collections.abc import Iterator
from typing import Any

MOST_WORDS = 8
# Unicode's categories of marks of format (of width zero, of direction, a soft hyphen), and of what controls a device.
UNSEEN = ("Cf", "Cc")
# What Unicode wants to be shown as nothing, of other categories: a joiner, fillers, selectors of a variant.
_SHOWN_AS_NOTHING = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0000-\U000e0fff]"
)
LEAST_TRACE_CHARACTERS = 3  # a shorter one counts where it is a whole value, for it would be found in every line
_BETWEEN_WORDS = re.compile(r"[\s,;\"'()\[\]{}<>|]+")


def identity(value: str) -> str:
    """What two spellings of one person's id have in common."""
    if value.isascii() and value.isprintable():
        return value.strip().casefold()
    # Marks that nobody sees (a direction, a place to break) come along when a name is copied.
    shown = _SHOWN_AS_NOTHING.sub("", value)
    seen = "".join(each for each in shown if each.isspace() or unicodedata.category(each) not in UNSEEN)
    # Cases are folded letter by letter and accents apart: some letters have no capital of one character.
    folded = unicodedata.normalize("NFD", seen).strip().casefold()
    return unicodedata.normalize("NFC", folded).casefold()


def trace(value: str) -> str:
    """What two spellings of one id, name or e-mail in free text have in common."""
    return " ".join(_words(value)) or identity(value)


def traces(text: str) -> set[str]:
    """Everything in a line, a value or a JSON document that may be somebody's id, name or e-mail."""
    found: set[str] = set()
    for leaf in _leaves(text):
        words = _words(leaf)
        runs = (
            " ".join(words[first : first + count])
            for first in range(len(words))
            for count in range(1, MOST_WORDS + 1)
            if first + count <= len(words)
        )
        found.update(run for run in runs if len(run) >= LEAST_TRACE_CHARACTERS)
        found.update(trace(field) for line in leaf.splitlines() for field in line.split(","))
    return found - {""}


def _words(text: str) -> list[str]:
    return [word for word in _BETWEEN_WORDS.split(identity(text)) if word]


def _leaves(text: str) -> Iterator[str]:
    """The texts of a JSON document; any other text itself."""
    if text.startswith(("{", "[")):
        try:
            yield from _texts_in(json.loads(text))
        except (ValueError, RecursionError):
            yield text
    else:
        yield text


def _texts_in(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield name
            yield from _texts_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts_in(inner)
    elif isinstance(value, str):
        yield value
