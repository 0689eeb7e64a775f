"""The roles of `sql/roles.sql`, in the database: who may load, who may query, and who is shown who people are.

python -m resources.postgres.roles [--database-url URL]
"""

import argparse
import sys

import psycopg

from resources.errors import ConfigurationError
from resources.postgres.locks import take_schema_lock
from resources.postgres.migrations import FOLDER, File, Migrations
from resources.postgres.session import connect, transaction
from resources.postgres.url import database_url
from resources.settings import load_env_file

FILE = FOLDER / "roles.sql"


class RolesError(ConfigurationError):
    """The roles can't be made: the message says what the database refuses."""


def apply_roles(url: str, *, again: bool = True) -> None:
    """Make the roles and give them their rights. Safe to repeat, which `again=False` saves. Raises `RolesError`."""
    file = File("roles.sql", FILE.read_text("utf-8"))
    with connect(url) as connection:
        try:
            with transaction(connection):
                # Two GRANTs on one object at the same time fail, and migrations grant as well.
                take_schema_lock(connection)
                if Migrations(connection).require_known() or (not again and Migrations(connection).has(file)):
                    return  # a newer version has given the rights that its schema wants
                connection.execute(file.text.encode())
                Migrations(connection).note(file)
        except psycopg.Error as error:
            raise RolesError(
                f"sql/roles.sql: {error.diag.message_primary or error}. It wants the owner of the schemas, with the "
                "right to make roles (CREATEROLE), after `make migrate`."
            ) from None


def main() -> int:
    load_env_file()
    parser = argparse.ArgumentParser(
        prog="python -m resources.postgres.roles",
        description="Make the roles of loaders and analysts, or bring them up to date.",
    )
    parser.add_argument("--database-url", help="default: DATABASE_URL, else the private Postgres")
    given = parser.parse_args()
    try:
        apply_roles(given.database_url or database_url())
    except ConfigurationError as error:
        print(f"roles: {error}", file=sys.stderr)
        return 1
    print("kaltura_loader, kaltura_analyst and kaltura_analyst_pii have their rights: GRANT them to your logins")
    return 0


if __name__ == "__main__":
    sys.exit(main())
