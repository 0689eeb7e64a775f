"""Logins of programs that ask the warehouse for people: each in one of the roles of sql/roles.sql, with a password of its own."""

from contextlib import suppress

import psycopg
from psycopg import sql

from resources.postgres.refusals import NOT_ALLOWED
from resources.postgres.roles import RolesError
from resources.postgres.session import connect, refused, transaction

_AWAY = ("NOSUPERUSER", "NOCREATEDB", "NOCREATEROLE", "NOREPLICATION", "NOBYPASSRLS")  # no role that is made has one
_ATTRIBUTES = (
    "SELECT rolsuper, rolcreatedb, rolcreaterole, rolreplication, rolbypassrls"
    " FROM pg_catalog.pg_roles WHERE rolname = %s"
)
_OTHER_ROLES = """
SELECT roles.rolname, givers.rolname
FROM pg_catalog.pg_auth_members AS members
INNER JOIN pg_catalog.pg_roles AS logins ON members.member = logins.oid
INNER JOIN pg_catalog.pg_roles AS roles ON members.roleid = roles.oid
LEFT JOIN pg_catalog.pg_roles AS givers ON members.grantor = givers.oid
WHERE logins.rolname = %s AND roles.rolname <> %s
ORDER BY 1, 2
"""
_ADVICE = {
    NOT_ALLOWED: "it wants the right to make roles (CREATEROLE), and that to give the role (ADMIN OPTION)",
    "42704": "run `make roles` first, then this again",
}
PEOPLE_LOGIN = "kaltura_dashboards_people"


def make_login(url: str, name: str, role: str, password: str) -> None:
    """Have a login that is in that role and no other, with that password. Raises `RolesError`.

    The server gets a verifier of the password, so that no log of statements holds it.
    """
    with connect(url) as connection:
        try:
            with transaction(connection):
                found = connection.execute(_ATTRIBUTES, [name]).fetchone()
                verb = "ALTER" if found is not None else "CREATE"
                # Who may make roles may not say of one that it is no superuser, where it is none already.
                away = [word for word, has in zip(_AWAY, found or (), strict=False) if has]
                verifier = connection.pgconn.encrypt_password(password.encode(), name.encode(), b"scram-sha-256")
                connection.execute(
                    sql.SQL("{} ROLE {} LOGIN {} PASSWORD {}").format(
                        sql.SQL(verb), sql.Identifier(name), sql.SQL(" ".join(away)), sql.Literal(verifier.decode())
                    )
                )
                connection.execute(sql.SQL("GRANT {} TO {}").format(sql.Identifier(role), sql.Identifier(name)))
                _take_out_of_others(connection, name, role)
        except psycopg.Error as error:
            raise RolesError(f"The login {name} can't be made: {refused(error, _ADVICE)}") from None


def _take_out_of_others(connection: psycopg.Connection, name: str, role: str) -> None:
    """In whatever else somebody has put the login: it would be shown what its role is not. Raises `RolesError`.

    Before Postgres 16 whoever gave a role may be gone. A REVOKE that finds nothing to take is no error: so it is asked again.
    """
    for other, giver in _others(connection, name, role):
        out = sql.SQL("REVOKE {} FROM {}").format(sql.Identifier(other), sql.Identifier(name))
        if giver is not None:
            out += sql.SQL(" GRANTED BY {}").format(sql.Identifier(giver))
        with suppress(psycopg.errors.InsufficientPrivilege), connection.transaction():
            connection.execute(out + sql.SQL(" CASCADE"))
    for other, giver in _others(connection, name, role):
        by = "somebody who is gone" if giver is None else giver
        raise RolesError(
            f"The login {name} is left as it was: it is in {other} too, which {by} gave it, and this login may not "
            f"take it out. Let somebody who may run: REVOKE {other} FROM {name};"
        )


def _others(connection: psycopg.Connection, name: str, role: str) -> list[tuple[str, str | None]]:
    """The roles that it is in but for its own, and who gave each."""
    return connection.execute(_OTHER_ROLES, [name, role]).fetchall()
