"""Which database: `DATABASE_URL`'s, or the private Postgres of a checkout without one; and how a URL is spelled.

libpq quotes what it can't parse, and that may be a password. So a URL is read here first, and no message about one
holds any part of it.
"""

import os
import re
from urllib.parse import quote, unquote

import psycopg
from psycopg.conninfo import conninfo_to_dict

from resources.errors import ConfigurationError
from resources.local import postgres as local_postgres

FORM = "Write it as postgresql://user:password@host:5432/database."
_SCHEME = re.compile(r"^postgres(?:ql)?(?:\+\w+)?://")
_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
# What a password holds most often and a URL can't: each has its escape.
_ESCAPES = "In a user or a password write each % as %25, @ as %40, / as %2F, : as %3A, # as %23 and a blank as %20."


class DatabaseUrlError(ConfigurationError):
    """The URL can't be read. The message says what is wrong with it and holds no part of it."""


def libpq_url(url: str) -> str:
    """The URL as `psql` and psycopg read it. Raises `DatabaseUrlError`."""
    bare, schemes = _SCHEME.subn("", url.strip())
    if not schemes:
        quoted = url.strip()[:1] in ("'", '"')
        raise _refused("begins with a quotation mark" if quoted else "does not begin with postgresql://")
    _expect_plain(bare)
    authority, _, path = bare.partition("/")
    userinfo, has_user, hosts = authority.rpartition("@")
    if "@" in userinfo or "@" in path:
        raise _refused("has more than one @, or a / before it", _ESCAPES)
    if userinfo.count(":") > 1:
        raise _refused("has more than one : before the @", _ESCAPES)
    # Without this, a password's "/" would make the rest of it a port or a host, which libpq then quotes.
    for host in hosts.partition("?")[0].split(","):
        port = re.sub(r"^\[[^\]]*\]|^[^:]*", "", host, count=1)
        if port and not re.fullmatch(r":(?:\d{1,5})?", port):
            raise _refused("has a port that is not a number", _ESCAPES)
    try:
        readable = f"postgresql://{quote(userinfo, safe=':%')}{has_user}{hosts}{'/' + path if '/' in bare else ''}"
        conninfo_to_dict(readable)
    except (psycopg.Error, UnicodeError):
        raise _refused("can't be read by Postgres") from None  # whose own message quotes it
    return readable


def _expect_plain(bare: str) -> None:
    """Raises `DatabaseUrlError` where characters stand in it that no URL holds."""
    if _ESCAPE.search(bare):
        raise _refused("has a % that two hexadecimal digits don't follow", _ESCAPES)
    if re.search(r"\s|[\x00-\x1f\x7f]", bare):
        raise _refused("has a blank, or a line break, in it", _ESCAPES)
    try:
        decoded = unquote(bare, errors="strict")
    except UnicodeDecodeError:
        decoded = "\0"
    if "\0" in decoded:
        raise _refused("has an escape that stands for no character", _ESCAPES)


def _refused(what: str, advice: str = "") -> DatabaseUrlError:
    return DatabaseUrlError(f"DATABASE_URL {what}. {advice or FORM}")


def is_private() -> bool:
    return not os.environ.get("DATABASE_URL", "").strip()


def database_url() -> str:
    """A libpq URL. Starts the private Postgres if it is the one and does not run. Raises `LocalPostgresError`."""
    if is_private():
        local_postgres.start(local_postgres.default_folder())
        return local_postgres.url(local_postgres.default_folder())
    return libpq_url(os.environ["DATABASE_URL"])
