"""What others have made on the warehouse's tables and views is not dropped along by a restore: it is named, and stands."""

from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from rich.console import Console

from resources.postgres.backup import back_up
from tests.integration.test_backup import restore

# What is made, what the refusal calls it, and what of it a dropped table would take along.
BUILT = {
    "foreign key": (
        "CREATE TABLE faculty.notes (partner_id bigint, course_id text, note text,"
        " CONSTRAINT of_a_course FOREIGN KEY (partner_id, course_id) REFERENCES university.courses)",
        "table constraint of_a_course on faculty.notes",
    ),
    "function of a row type": (
        "CREATE FUNCTION faculty.people() RETURNS SETOF kaltura.attendees LANGUAGE sql"
        " AS 'SELECT * FROM kaltura.attendees'",
        "function faculty.people()",
    ),
    "function with a body that is parsed": (
        "CREATE FUNCTION faculty.people() RETURNS bigint BEGIN ATOMIC SELECT count(*) FROM kaltura.attendees; END",
        "function faculty.people()",
    ),
    "function over a view": (
        "CREATE FUNCTION faculty.seen() RETURNS bigint BEGIN ATOMIC SELECT count(*) FROM analytics.sessions; END",
        "function faculty.seen()",
    ),
    "table in a publication": ("CREATE PUBLICATION theirs FOR TABLE kaltura.attendees", "publication theirs"),
    "schema in a publication": ("CREATE PUBLICATION theirs FOR TABLES IN SCHEMA university", "publication theirs"),
    "column of a row type": ("CREATE TABLE faculty.notes (who kaltura.attendees)", "faculty.notes.who"),
    "column of an array of rows": ("CREATE TABLE faculty.notes (who kaltura.attendees[])", "faculty.notes.who"),
    "field of a type": ("CREATE TYPE faculty.note AS (who kaltura.attendees)", "faculty.note.who"),
    "domain over a row type": ("CREATE DOMAIN faculty.someone AS kaltura.attendees", "type faculty.someone"),
    "cast of a row type": ("CREATE CAST (kaltura.attendees AS text) WITH INOUT", "cast (kaltura.attendees AS"),
    "default from a sequence": (
        "CREATE TABLE faculty.notes (number bigint DEFAULT nextval('kaltura.pulls'))",
        "default value for faculty.notes.number",
    ),
    "table that inherits": ("CREATE TABLE faculty.notes () INHERITS (kaltura.attendees)", "table faculty.notes"),
    "rule": (
        "CREATE TABLE faculty.notes (note text);"
        " CREATE RULE looks AS ON INSERT TO faculty.notes DO ALSO SELECT count(*) FROM kaltura.loads",
        "rule looks on faculty.notes",
    ),
    "policy": (
        "CREATE TABLE faculty.notes (note text);"
        " CREATE POLICY listed ON faculty.notes USING (note IN (SELECT course_id FROM university.courses))",
        "policy listed on faculty.notes",
    ),
    "trigger by a function of theirs in the schema": (
        "CREATE FUNCTION kaltura.theirs() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';"
        " CREATE TABLE faculty.notes (note text);"
        " CREATE TRIGGER looks BEFORE INSERT ON faculty.notes FOR EACH ROW EXECUTE FUNCTION kaltura.theirs()",
        "trigger looks on faculty.notes",
    ),
    "statistics": (
        "CREATE STATISTICS faculty.correlated ON entry_id, cue_point_id FROM kaltura.attendees",
        "statistics object faculty.correlated",
    ),
    "extension in the schema": ("CREATE EXTENSION pg_trgm SCHEMA kaltura", "extension pg_trgm"),
    "view by a key of the table": (
        "CREATE VIEW faculty.rooms AS SELECT partition_date FROM kaltura.room_sessions"
        " GROUP BY partner_id, entry_id, cue_point_id",
        "view faculty.rooms",
    ),
    "materialized view": (
        "CREATE MATERIALIZED VIEW faculty.rooms AS SELECT entry_id FROM kaltura.room_sessions",
        "materialized view faculty.rooms",
    ),
    "name that wants quotes": (
        'CREATE TABLE faculty."Their notes" ("Who came" kaltura.attendees)',
        'faculty."Their notes"."Who came"',
    ),
}
# Every object of a catalog that is not in one of the schemas that a restore replaces: nothing else may have gone.
_STANDS = """
SELECT identity.type, identity.identity
FROM (
    SELECT classid, objid, objsubid FROM pg_depend
    UNION
    SELECT 'pg_class'::regclass, oid, 0 FROM pg_class
    UNION
    SELECT 'pg_publication'::regclass, oid, 0 FROM pg_publication
) AS one
CROSS JOIN pg_identify_object(one.classid, one.objid, one.objsubid) AS identity
WHERE identity.identity !~ 'pg_toast|pg_temp'
ORDER BY 1, 2
"""


def standing(url: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(_STANDS).fetchall()


@pytest.mark.parametrize(("made", "called"), BUILT.values(), ids=BUILT)
def test_what_rests_on_the_tables_or_views_is_named_and_nothing_of_it_has_gone(
    made: str, called: str, new_database: Callable[[], str], tmp_path: Path
) -> None:
    url = new_database()
    back_up(url, tmp_path / "a.dump", Console(quiet=True))
    with psycopg.connect(url) as connection:
        connection.execute("CREATE SCHEMA faculty")
        try:
            connection.execute(made.encode())
        except psycopg.errors.FeatureNotSupported as error:
            pytest.skip(f"this server's packages lack it: {error}")
    before = standing(url)

    said = restore(url, tmp_path / "a.dump", "--replace", succeeds=False)

    assert called in " ".join(said.split())
    assert "nothing was restored" in said
    assert standing(url) == before


def test_what_is_of_the_schemas_themselves_is_the_backup_s_and_stops_no_restore(
    new_database: Callable[[], str], tmp_path: Path
) -> None:
    """Indexes, policies, views and default privileges there, and what rests on nothing of the warehouse."""
    url = new_database()
    with psycopg.connect(url) as connection:
        connection.execute(
            "CREATE INDEX theirs ON kaltura.attendees (user_name);"
            " CREATE VIEW kaltura.names AS SELECT user_name FROM kaltura.attendees;"
            " CREATE POLICY all_rows ON kaltura.attendees USING (TRUE);"
            " ALTER DEFAULT PRIVILEGES IN SCHEMA kaltura GRANT SELECT ON TABLES TO public;"
            " CREATE SCHEMA faculty; CREATE TABLE faculty.notes (note text);"
            " CREATE VIEW faculty.noted AS SELECT note FROM faculty.notes;"
            " CREATE PUBLICATION theirs FOR TABLE faculty.notes"
        )
    back_up(url, tmp_path / "a.dump", Console(quiet=True))

    restore(url, tmp_path / "a.dump", "--replace")

    with psycopg.connect(url) as connection:
        found = connection.execute(
            "SELECT to_regclass('kaltura.theirs'), to_regclass('kaltura.names'), to_regclass('faculty.noted'),"
            " (SELECT count(*) FROM pg_policy), (SELECT count(*) FROM pg_publication_rel)"
        ).fetchone()
    assert found == ("kaltura.theirs", "kaltura.names", "faculty.noted", 1, 1)
