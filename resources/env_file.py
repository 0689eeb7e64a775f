"""`.env` of the checkout, read strictly: what is misspelled there would be as good as not set, and nobody would see it.

No message holds a value: a line that can't be read may be half of a secret.
"""

import difflib
import io
import re
from collections.abc import Collection, Mapping
from pathlib import Path

from dotenv.parser import parse_stream

from resources.errors import ConfigurationError

# Names that are made of others' letters all the same: what Kubernetes sets for a service named kaltura-something.
_OF_KUBERNETES = re.compile(r"_(SERVICE_HOST|SERVICE_PORT|PORT)(_.*)?$")
_ALIKE = 0.86  # of two names, as difflib counts: KALTURA_PARTNER_IDS is 0.97 of KALTURA_PARTNER_ID


class EnvFileError(ConfigurationError):
    """`.env`, or a name in the environment, is not what it was meant to be; the message says where."""


def read_env_file(path: Path, known: Collection[str]) -> Mapping[str, str]:
    """What the file sets. Nothing where it is not there. Raises `EnvFileError`."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise EnvFileError(f"{path.name} can't be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise EnvFileError(f"{path.name} is not in UTF-8. Save it in that encoding.") from None
    if "\0" in text:
        raise EnvFileError(f"{path.name} is not in UTF-8 (UTF-16, by its looks). Save it in that encoding.")
    values: dict[str, str] = {}
    for binding in parse_stream(io.StringIO(text)):
        line = f"{path.name}, line {binding.original.line + len(_blank_lines(binding.original.string))}"
        if binding.error or (binding.key is not None and binding.value is None):
            raise EnvFileError(f"{line} can't be read. Write NAME=value, and a value with blanks or # in 'quotes'.")
        if binding.key is None:
            continue
        if meant := resembled(binding.key, known):
            raise EnvFileError(f"{line} sets {binding.key}, which is no setting. Is {meant} meant?")
        values[binding.key] = binding.value or ""
    return values


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


def _blank_lines(text: str) -> str:
    """dotenv counts a line from the blank ones before it on."""
    return "\n" * (len(text) - len(text.lstrip("\r\n")))
