"""The warehouse's address as Superset writes it: SQLAlchemy's, by psycopg2, and without a password."""

import re
from urllib.parse import quote

from resources.postgres.url import libpq_url

DRIVER = "postgresql+psycopg2://"
ASKED_FOR = "XXXXXXXXXX"  # how Superset writes that there is a password


def without_password(url: str) -> str:
    """The same login. Raises `DatabaseUrlError`."""
    user, has_user, rest = _parts(url)
    name, has_password, _ = user.partition(":")
    return f"{DRIVER}{name}{':' + ASKED_FOR if has_password else ''}{has_user}{rest}"


def of_login(url: str, login: str) -> str:
    """The same database by another login, whose password is asked for. Raises `DatabaseUrlError`."""
    _, _, rest = _parts(url)
    return f"{DRIVER}{quote(login, safe='')}:{ASKED_FOR}@{rest}"


def _parts(url: str) -> tuple[str, str, str]:
    bare = re.sub(r"^postgres(ql)?://", "", libpq_url(url))
    authority, slash, path = bare.partition("/")
    user, has_user, host = authority.rpartition("@")
    return user, has_user, host + slash + path
