"""The warehouse's address as Superset writes it: SQLAlchemy's, by psycopg2, and without a password."""

import re
from urllib.parse import quote, unquote

from resources.postgres.url import libpq_url

DRIVER = "postgresql+psycopg2://"
ASKED_FOR = "XXXXXXXXXX"  # how Superset writes that there is a password


# Each can also stand behind the "?", where libpq prefers it to what stands before the host.
_SECRETS = {"password", "sslpassword", "oauth_client_secret", "scram_client_key", "scram_server_key"}


def without_password(url: str) -> str:
    """The same login. Raises `DatabaseUrlError`."""
    user, has_password, rest = _parts(url)
    login = f"{user}{':' + ASKED_FOR if has_password else ''}"
    return f"{DRIVER}{login}{'@' if login else ''}{rest}"


def of_login(url: str, login: str) -> str:
    """The same database by another login, whose password is asked for. Raises `DatabaseUrlError`."""
    _, _, rest = _parts(url)
    return f"{DRIVER}{quote(login, safe='')}:{ASKED_FOR}@{rest}"


def _parts(url: str) -> tuple[str, bool, str]:
    """The user, whether there is a password, and the rest, in which neither stands."""
    bare = re.sub(r"^postgres(ql)?://", "", libpq_url(url))
    address, _, query = bare.partition("?")
    authority, slash, path = address.partition("/")
    userinfo, _, host = authority.rpartition("@")
    user, has_password, _ = userinfo.partition(":")
    kept, passworded = [], bool(has_password)
    for setting in query.split("&") if query else []:
        name, _, value = setting.partition("=")
        name = unquote(name)
        if name == "user":
            user = value
        elif name in _SECRETS:
            passworded |= name == "password"
        else:
            kept.append(setting)
    return user, passworded, f"{host}{slash}{path}{'?' if kept else ''}{'&'.join(kept)}"
