"""What a first line says that lacks the columns which are expected: friendly names, another separator, other words.

It may as well be a row, and hold a person. Of it nothing is told but what can be nobody's: names that are the columns'
own but for blanks and case, and the first characters of a line in which no figure, id or e-mail address can be.
"""

import re
from collections.abc import Iterable, Sequence

from resources.kaltura.errors import redacted

SHOWN_CHARACTERS = 60
NAME_OF_COLUMN = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,59}")  # anything else in a header may be a row's value
SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}


def in_place_of_header(line: str, expected: Sequence[str]) -> str:
    """What stands there, as the end of a sentence about the reply."""
    names = names_in(line)
    friendly = friendly_names(names, expected)
    if friendly:
        pairs = ", ".join(f"{came!r} for {name}" for name, came in friendly.items())
        return f"it has friendly names in place of the columns' own ({pairs})"
    for separator, word in SEPARATORS.items():
        if set(names_in(line, separator)) & set(expected):
            return f"its columns are separated by {word}, and not by commas"
    # A row has an entry's id and figures, and so digits; a piece of one has fewer fields.
    if len(names) < len(expected) or re.search(r"[\d@]", line):
        return "its first line is no header, and may be a row"
    return f"its first line is no header that is known: {redacted(line[:SHOWN_CHARACTERS])!r}"


def names_in(line: str, separator: str = ",") -> list[str]:
    return [name.strip().strip('"') for name in line.split(separator)]


def shown(names: Iterable[str]) -> list[str]:
    """Those of a header's names that can be nobody's as they are, and what stands in the place of the others."""
    return [name if NAME_OF_COLUMN.fullmatch(name) else "one that is no name" for name in names]


def friendly_names(came: Iterable[str], expected: Iterable[str]) -> dict[str, str]:
    """The expected columns that came written for people: `Entry ID` for entry_id."""
    by_letters = {_letters(name): name for name in came}
    spelt = {name: by_letters.get(_letters(name), name) for name in expected}
    return {name: spelling for name, spelling in spelt.items() if spelling != name}


def _letters(name: str) -> str:
    return re.sub(r"[\W_]+", "", name).casefold()


def is_of_columns(line: str) -> bool:
    """Whether a line lists names as Kaltura's columns have them, and so can be no row."""
    return "_" in line and re.fullmatch(r"[a-z_]+(,[a-z_]+)+", line) is not None
