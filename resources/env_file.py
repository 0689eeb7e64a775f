"""`.env` of the checkout, read strictly: what is misspelled there would be as good as not set, and nobody would see it.

The lines are those that dotenv reads, as Dagster does. No message holds a value: a line that can't be read may be half of
a secret. Needs Python alone: `deploy/prepare.py` reads the file with it before anything is installed.
"""

import codecs
import difflib
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from resources.errors import ConfigurationError

# A line, or the lines of a quoted value. What is matched once is never given back: `'x' y` is no bare value `'x' y`. No
# group has a possessive quantifier: Python before 3.11.5 goes on behind what such a group began with and did not match.
_LINE = re.compile(
    r"""
    (?: export[^\S\r\n]++ | (?!export[^\S\r\n]) )
    (?: (?=\#) | '(?P<quoted_name>[^']++)' | (?P<name>(?!')[^=\#\s]++) )
    [^\S\r\n]*+
    (?: (?P<value> =
        (?: [^\S\r\n]++(?=\#)
        | [^\S\r\n]*+
            (?: '(?P<single>[^'\\]*+(?:\\[\s\S][^'\\]*+)*)'
            | "(?P<double>[^"\\]*+(?:\\[\s\S][^"\\]*+)*)"
            | (?P<bare>(?!['"])[^\r\n]*+) ) ) ) | (?!=) )
    (?: [^\S\r\n]*\#[^\r\n]* )?
    [^\S\r\n]*+ (?: \r\n | \n | \r | \Z )
    """,
    re.VERBOSE,
)
_BLANK = re.compile(r"\s*")
_NEWLINE = re.compile(r"\r\n|\n|\r")

# Names that are made of others' letters all the same: what Kubernetes sets for a service named kaltura-something.
_OF_KUBERNETES = re.compile(r"_(SERVICE_HOST|SERVICE_PORT|PORT)(_.*)?$")
_ALIKE = 0.86  # of two names, as difflib counts: KALTURA_PARTNER_IDS is 0.97 of KALTURA_PARTNER_ID


class EnvFileError(ConfigurationError):
    """`.env`, or a name in the environment, is not what it was meant to be; the message says where."""


@dataclass(frozen=True)
class _Binding:
    """A line that sets a name; without one, or without a value, a line that can't be read."""

    line: int
    name: str | None = None
    value: str | None = None
    is_single_quoted: bool = False


def read_env_file(path: Path, known: Collection[str]) -> Mapping[str, str]:
    """What the file sets. Nothing where it is not there. Raises `EnvFileError`."""
    values: dict[str, str] = {}
    for binding in _bindings(_text_of(path)):
        line, name = f"{path.name}, line {binding.line}", binding.name
        if name is None or binding.value is None:
            raise EnvFileError(f"{line} can't be read. Write NAME=value, and a value with blanks or # in 'quotes'.")
        if meant := resembled(name, known):
            raise EnvFileError(f"{line} sets {name}, which is no setting. Is {meant} meant?")
        values[name] = binding.value
    return values


def expect_no_dollars(path: Path, known: Collection[str]) -> None:
    """Raises `EnvFileError` where a setting has a `$` that is not in single quotes.

    Docker Compose reads the file for itself, takes what follows the `$` for a variable's name, and prints that, or the value.
    """
    for binding in _bindings(_text_of(path)):
        if binding.name in known and "$" in (binding.value or "") and not binding.is_single_quoted:
            raise EnvFileError(
                f"{path.name}, line {binding.line} sets {binding.name} to a value with a $ in it, and Docker Compose would print "
                f"a part of it. Put it in single quotes: {binding.name}='...'"
            )


def _text_of(path: Path) -> str:
    """Empty where it is not there. Raises `EnvFileError`."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise EnvFileError(f"{path.name} can't be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise EnvFileError(f"{path.name} is not in UTF-8. Save it in that encoding.") from None
    if "\0" in text:
        raise EnvFileError(f"{path.name} is not in UTF-8 (UTF-16, by its looks). Save it in that encoding.")
    return text


def _bindings(text: str) -> Iterator[_Binding]:
    """Those of each line that is not blank and no comment; the first that can't be read is the last."""
    at = _end_of_blanks(text, 0)
    while at < len(text):
        number = len(_NEWLINE.findall(text, 0, at)) + 1
        found = _LINE.match(text, at)
        if found is None:
            yield _Binding(number)
            return
        name = found["quoted_name"] or found["name"]
        if name is not None:
            yield _Binding(number, name, _value(found), found["single"] is not None)
        at = _end_of_blanks(text, found.end())


def _end_of_blanks(text: str, at: int) -> int:
    blank = _BLANK.match(text, at)
    return blank.end() if blank else at


def _value(found: "re.Match[str]") -> str | None:
    """None where there is no equals sign."""
    if found["value"] is None:
        return None
    if found["single"] is not None:
        return _unescaped(r"\\[\\']", found["single"])
    if found["double"] is not None:
        return _unescaped(r"""\\[\\'"abfnrtv]""", found["double"])
    return re.sub(r"\s+#.*", "", found["bare"] or "").rstrip()


def _unescaped(escapes: str, text: str) -> str:
    return re.sub(escapes, lambda found: codecs.decode(found[0], "unicode-escape"), text)


def expect_known_names(environment: Mapping[str, str], known: Collection[str]) -> None:
    """Raises `EnvFileError` for a `KALTURA_*` of the environment that resembles a setting and is none."""
    for name in environment:
        if not name.upper().startswith("KALTURA"):
            continue
        if not _OF_KUBERNETES.search(name) and (meant := resembled(name, known)):
            raise EnvFileError(f"The environment sets {name}, which is no setting. Is {meant} meant?")


def resembled(name: str, known: Collection[str]) -> str | None:
    """The setting that the name is nearly, if it is none."""
    if name in known:
        return None
    bare = {_bare(each): each for each in known}
    if same := bare.get(_bare(name)):
        return same
    close = difflib.get_close_matches(_bare(name), list(bare), n=1, cutoff=_ALIKE)
    return bare[close[0]] if close else None


def _bare(name: str) -> str:
    return name.upper().replace("_", "").replace("-", "")
