"""The warehouse's address as Superset writes it: SQLAlchemy's, by psycopg2, and without a password."""

import re
from urllib.parse import quote, unquote

from resources.postgres.url import DatabaseUrlError, libpq_url

DRIVER = "postgresql+psycopg2://"
ASKED_FOR = "XXXXXXXXXX"  # how Superset writes that there is a password


# What may stand behind the "?": where the server is and how it is reached. Not who asks (`user`, `password`, a certificate's
# files, `passfile`, of which a login comes), nor `options`, which the bundle sets itself.
_REACHED_BY = {
    "application_name", "channel_binding", "client_encoding", "connect_timeout", "dbname", "gssencmode", "host", "hostaddr",
    "keepalives", "keepalives_count", "keepalives_idle", "keepalives_interval", "load_balance_hosts", "max_protocol_version",
    "min_protocol_version", "port", "require_auth", "ssl_max_protocol_version", "ssl_min_protocol_version", "sslcompression",
    "sslcrl", "sslcrldir", "sslmode", "sslnegotiation", "sslrootcert", "sslsni", "target_session_attrs", "tcp_user_timeout",
}  # fmt: skip
_TAKEN_APART = {"user", "password"}


def without_password(url: str) -> str:
    """The same login. Raises `DatabaseUrlError`."""
    user, has_password, rest = _parts(url)
    login = f"{user}{':' + ASKED_FOR if has_password else ''}"
    return f"{DRIVER}{login}{'@' if login else ''}{rest}"


def of_login(url: str, login: str) -> str:
    """The same database by another login, whose password is asked for. Raises `DatabaseUrlError`."""
    _, _, rest = _parts(url)
    return f"{DRIVER}{quote(login, safe='')}:{ASKED_FOR}@{rest}"


def left_out(url: str) -> list[str]:
    """Which settings behind the "?" do not go along. Raises `DatabaseUrlError`."""
    names = [name for name, _ in _settings(libpq_url(url).partition("?")[2])]
    return sorted({name for name in names if name not in _REACHED_BY | _TAKEN_APART})


def _parts(url: str) -> tuple[str, bool, str]:
    """The user, whether there is a password, and the rest, in which neither stands."""
    bare = re.sub(r"^postgres(ql)?://", "", libpq_url(url))
    address, _, query = bare.partition("?")
    authority, slash, path = address.partition("/")
    userinfo, _, host = authority.rpartition("@")
    user, has_password, _ = userinfo.partition(":")
    settings = _settings(query)
    named = dict(settings)
    if "service" in named:
        raise DatabaseUrlError(
            "The database's URL names a service, which stands in a file of this machine. Superset has another: write host, "
            "port and database in its place."
        )
    kept = [f"{quote(name)}={value}" for name, value in settings if name in _REACHED_BY]
    rest = f"{host}{slash}{path}{'?' if kept else ''}{'&'.join(kept)}"
    return named.get("user", user), bool(has_password) or "password" in named, rest


def _settings(query: str) -> list[tuple[str, str]]:
    """Names as they are, values as they stand there: the last of a name is what counts."""
    pairs = (setting.partition("=") for setting in query.split("&") if setting)
    return [(unquote(name), value) for name, _, value in pairs]
