"""The roles of `sql/roles.sql`, in the database: who may load, who may query, and who is shown who people are."""

import psycopg

from resources.errors import ConfigurationError
from resources.postgres.locks import take_schema_lock
from resources.postgres.migrations import FOLDER, File, Migrations
from resources.postgres.session import connect, transaction

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
                migrations = Migrations(connection)
                if migrations.require_known() or (not again and migrations.has(file)):
                    return  # a newer version has given the rights that its schema wants
                connection.execute(file.text.encode())
                migrations.note(file)
        except psycopg.Error as error:
            raise RolesError(
                f"sql/roles.sql: {error.diag.message_primary or error}. It wants the owner of the schemas, with the "
                "right to make roles (CREATEROLE), after `make migrate`."
            ) from None
