"""Which database: `DATABASE_URL`'s, or the private Postgres of a checkout without one; and how a URL is spelled."""

import argparse
import os
import re
import sys

from resources.errors import ConfigurationError
from resources.local import postgres as local_postgres
from resources.settings import load_env_file

_SCHEME = re.compile(r"^postgres(?:ql)?(?:\+\w+)?://")


def sqlalchemy_url(url: str) -> str:
    """The URL with the driver spelled out: what a bare `postgresql://` means depends on SQLAlchemy's release."""
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


def main() -> int:
    """`python -m resources.postgres.url url|psql`: the warehouse's connection string, or a prompt on it."""
    load_env_file()
    parser = argparse.ArgumentParser(
        prog="python -m resources.postgres.url", description="The warehouse that is configured."
    )
    parser.add_argument("verb", choices=["url", "psql"], help="print the connection string, or open a prompt")
    given, rest = parser.parse_known_args()
    try:
        url = database_url()
        if given.verb == "url":
            sys.stdout.write(f"{url}\n")
            return 0
        local_postgres.prompt(url, rest)
    except ConfigurationError as error:
        sys.stderr.write(f"{error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
