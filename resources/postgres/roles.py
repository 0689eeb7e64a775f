"""The roles of `sql/roles.sql`, in the database: who may load, who may query, and who is shown who people are."""

import psycopg

from resources.errors import ConfigurationError
from resources.postgres.locks import take_schema_lock
from resources.postgres.migrations import FOLDER, File, Migrations
from resources.postgres.refusals import NOT_ALLOWED
from resources.postgres.session import connect, refused, transaction

NAME = "roles.sql"
FILE = FOLDER / NAME

# Roles are the server's, and rights go with a schema that is dropped: what is noted may be true of another server, or of
# schemas that have been put back since.
_HAVE_RIGHTS = """
SELECT count(*) = 3 FROM pg_catalog.pg_roles
WHERE
    (rolname = 'kaltura_loader' AND has_schema_privilege(oid, 'kaltura', 'USAGE'))
    OR (rolname IN ('kaltura_analyst', 'kaltura_analyst_pii') AND has_schema_privilege(oid, 'analytics', 'USAGE'))
"""


_NO_SCHEMA = "run `make migrate` first, then this again"
_ADVICE = {
    NOT_ALLOWED: "it wants the owner of the schemas, with the right to make roles (CREATEROLE)",
    **dict.fromkeys(("3F000", "42P01", "42883"), _NO_SCHEMA),  # a schema, a relation or a function is not there
}


class RolesError(ConfigurationError):
    """The roles can't be made: the message says what the database refuses."""


def apply_roles(url: str, *, again: bool = True) -> None:
    """Make the roles and give them their rights. Safe to repeat, which `again=False` saves. Raises `RolesError`."""
    with connect(url) as connection:
        try:
            with transaction(connection):
                # Two GRANTs on one object at the same time fail, and migrations grant as well.
                take_schema_lock(connection)
                if Migrations(connection).require_known() or (not again and _have_rights(connection)):
                    return  # a newer version has given the rights that its schema wants
                _give(connection)
        except psycopg.Error as error:
            raise _refused(error) from None


def are_noted(connection: psycopg.Connection) -> bool:
    """Whether somebody has made the roles for this database, by whatever version."""
    return Migrations(connection).has_any_version_of(NAME)


def give_again(connection: psycopg.Connection) -> None:
    """Give the rights that went with the schemas, in the caller's transaction, which goes on after a `RolesError`."""
    try:
        with connection.transaction():
            _give(connection)
    except psycopg.Error as error:
        raise _refused(error) from None


def _have_rights(connection: psycopg.Connection) -> bool:
    is_noted = Migrations(connection).has(_file())
    return is_noted and connection.execute(_HAVE_RIGHTS).fetchone() == (True,)


def _give(connection: psycopg.Connection) -> None:
    file = _file()
    connection.execute(file.text.encode())
    Migrations(connection).note(file)


def _file() -> File:
    return File(NAME, FILE.read_text("utf-8"))


def _refused(error: psycopg.Error) -> RolesError:
    return RolesError(f"sql/roles.sql: {refused(error, _ADVICE)}")
