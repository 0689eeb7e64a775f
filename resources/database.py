"""Which database: the one of `DATABASE_URL`, or the private Postgres of a checkout that has none; and how its URL is spelled."""

import os
import re

from resources import local_postgres

_SCHEME = re.compile(r"^postgres(?:ql)?(?:\+\w+)?://")


def sqlalchemy_url(url: str) -> str:
    """The URL with the driver spelled out: what a bare `postgresql://` means has changed between SQLAlchemy's releases."""
    return _SCHEME.sub("postgresql+psycopg://", url.strip())


def libpq_url(url: str) -> str:
    """The URL as `psql` and psycopg read it."""
    return _SCHEME.sub("postgresql://", url.strip())


def is_private() -> bool:
    return not os.environ.get("DATABASE_URL", "").strip()


def database_url() -> str:
    """A libpq URL. Starts the private Postgres if it is the one and does not run. Raises `LocalPostgresError`."""
    if is_private():
        local_postgres.start(local_postgres.default_folder())
        return local_postgres.url(local_postgres.default_folder())
    return libpq_url(os.environ["DATABASE_URL"])
