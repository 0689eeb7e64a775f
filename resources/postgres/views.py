"""The views of `sql/views/`, made anew without a trace: what others have built on them and who may read them stays.

Views are dropped to be made anew, as a view's columns can't be changed in place. Only those that this project made go;
what an analyst has built on them (views and materialized views, wherever they stand) is made anew after them in the same
transaction, from its own definition. It is an analyst's code, and what a materialized view holds is what its owner may
see: it is made empty, given to its owner, and filled with the owner's rights, as `REFRESH` and indexes have it.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import psycopg

from resources.postgres import refusals
from resources.settings import CHECKOUT

QUERIES = CHECKOUT / "sql" / "queries"
_GRANTEES = """
SELECT DISTINCT coalesce(quote_ident(pg_roles.rolname), 'PUBLIC')
FROM pg_class CROSS JOIN aclexplode(pg_class.relacl) AS held LEFT JOIN pg_roles ON pg_roles.oid = held.grantee
WHERE pg_class.oid = %s::text::regclass AND held.grantee <> pg_class.relowner
"""
_SPLITS_MEMBERSHIP = 160000  # a GRANT of a role says since then whether it is inherited, and SET ROLE allowed
_CREATES = re.compile(r"^CREATE VIEW analytics\.(\w+)", re.MULTILINE)


@dataclass(frozen=True)
class Relation:
    """A view or materialized view that is dropped and made anew: itself, and who may do what with it."""

    name: str
    is_materialized: bool
    owner: str
    options: str
    definition: str
    is_populated: bool
    made_with_it: Sequence[str]
    grants: Sequence[str]
    wanted: Sequence[str]

    @property
    def kind(self) -> str:
        return "MATERIALIZED VIEW" if self.is_materialized else "VIEW"

    @property
    def statement(self) -> str:
        """What makes a dependent again, without a row. `made_with_it` and `grants` come after it."""
        data = " WITH NO DATA" if self.is_materialized else ""
        options = f" WITH ({self.options})" if self.options else ""
        return f"CREATE {self.kind} {self.name}{options} AS {self.definition.rstrip(';')}{data}"


class ViewsStay(Exception):
    """The views can't be made anew, and the message says why."""


class NotAllowed(ViewsStay):
    """This login may not do what it takes. Nothing has been tried."""

    def __init__(self, relations: Sequence[Relation], login: str) -> None:
        wanted = dict.fromkeys(statement for each in relations for statement in each.wanted)
        named = ", ".join(f"{each.name} (of {each.owner})" for each in relations)
        super().__init__(
            f"the views are made anew, with what is built on them, and stay their owners'. This login ({login}) may not do "
            f"that with {named}. Nothing was changed. Let a superuser, or who has the right to, run: "
            f"{'; '.join(wanted)}; and run this again."
        )


class DependentLost(ViewsStay):
    """A view of somebody else's can't be made anew on the new views."""

    def __init__(self, relation: Relation, error: psycopg.Error) -> None:
        self.relation = relation
        said = refusals.explained(error, {refusals.NOT_ALLOWED: f"{relation.owner}, whose it is, may not do this"})
        super().__init__(
            f"{relation.name} is built on the views that change, and can't be made anew on them: {said}. "
            f"It is not this project's. Keep its definition (\\d+ {relation.name} in psql), "
            f"then: DROP {relation.kind} {relation.name}; and run this again."
        )


@contextmanager
def _named(relation: Relation) -> Iterator[None]:
    try:
        yield
    except psycopg.Error as error:
        if error.sqlstate in refusals.NOT_NOW:
            raise
        raise DependentLost(relation, error) from None


def created_by(text: str) -> list[str]:
    """The views that a file of `sql/views/` makes."""
    return _CREATES.findall(text)


class Views:
    """The views that were made here before, and what is built on them, while they are made anew."""

    def __init__(self, connection: psycopg.Connection, ours: Iterable[str]) -> None:
        self._connection = connection
        relations = self._relations(sorted(ours))
        self.ours = [each for depth, each in relations if depth == 0]
        self.dependents = [each for depth, each in relations if depth > 0]

    def strangers(self, names: Iterable[str]) -> list[str]:
        """Those of the names that somebody else's relation in `analytics` has."""
        mine = {each.name for each in self.ours}
        found = self._connection.execute(
            "SELECT format('%%I.%%I', nspname, relname) FROM pg_class"
            " INNER JOIN pg_namespace ON relnamespace = pg_namespace.oid"
            " WHERE nspname = 'analytics' AND relname = ANY(%s)",
            [list(names)],
        )
        return [name for (name,) in found if name not in mine]

    def expect_rights(self) -> None:
        """Raises `NotAllowed` where `drop` and `restore` would be refused, as of an owner for whom this login may not act."""
        lacking = [each for each in (*self.ours, *self.dependents) if each.wanted]
        if lacking:
            [[login]] = self._connection.execute("SELECT current_user::text").fetchall()
            raise NotAllowed(lacking, login)

    def drop(self) -> None:
        for each in reversed(self.dependents):
            self._run(f"DROP {each.kind} {each.name}")
        if self.ours:
            self._run(f"DROP VIEW {', '.join(each.name for each in self.ours)}")

    def restore(self) -> None:
        """Make what is built on them anew, and give back who may read what. `fill` is to follow. Raises `DependentLost`."""
        listed = "SELECT format('%I.%I', schemaname, viewname) FROM pg_views WHERE schemaname = 'analytics'"
        still_there = {name for (name,) in self._connection.execute(listed)}
        for each in self.ours:
            if each.name in still_there:
                self._give_back(each)
        for each in self.dependents:
            with _named(each):
                self._run(each.statement)
                self._give_back(each)
                for statement in each.made_with_it:  # an index is its owner's: so are the functions that it calls
                    self._run(statement)

    def fill(self) -> None:
        """Let the materialized views that had rows have them again, as their owners see them. Raises `DependentLost`."""
        for each in self.dependents:
            if each.is_populated and each.is_materialized:
                with _named(each):
                    self._run(f"REFRESH MATERIALIZED VIEW {each.name}")

    def _give_back(self, each: Relation) -> None:
        """Its grants as they were: those of the default privileges are taken back first."""
        for (grantee,) in self._connection.execute(_GRANTEES, [each.name]).fetchall():
            self._run(f"REVOKE ALL ON {each.name} FROM {grantee}")
        for grant in each.grants:
            with suppress(psycopg.errors.UndefinedColumn), self._connection.transaction():  # it has gone from the view
                self._run(grant)
        is_others = self._connection.execute("SELECT quote_ident(current_user) <> %s", [each.owner]).fetchone()
        if is_others == (True,):
            self._run(f"ALTER {each.kind} {each.name} OWNER TO {each.owner}")

    def _relations(self, names: Sequence[str]) -> list[tuple[int, Relation]]:
        text = (QUERIES / "views_and_dependents.sql").read_text("utf-8")
        can_split = self._connection.info.server_version >= _SPLITS_MEMBERSHIP
        values = {
            "names": list(names),
            "acting": "SET" if can_split else "MEMBER",
            "inherited": " WITH INHERIT TRUE, SET TRUE" if can_split else "",
        }
        rows = self._connection.execute(text.encode(), values).fetchall()
        return [(row[0], Relation(*row[1:])) for row in rows]

    def _run(self, statement: str) -> None:
        self._connection.execute(statement.encode())
