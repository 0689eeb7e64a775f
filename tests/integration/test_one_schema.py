"""An older version on a newer schema: refused by name before anything is written, unless the newer one lets it go on."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from in_process import installed

from assets.reports import TABLES
from resources.kaltura.windows import Days
from resources.postgres.migrations import FOLDER, MigrationError, Migrations, code_version, migrate
from resources.postgres.roles import apply_roles
from resources.warehouse.warehouse import Warehouse
from simulator import University, serving
from tests.integration.test_one_clock import DAY
from tests.integration.test_whole_days import Place
from tests.integration.test_whole_days import kaltura as kaltura

NEWER = "99.0.0"
TABLE = "CREATE TABLE kaltura.of_later (id bigint PRIMARY KEY);\n"
VIEW = "CREATE VIEW analytics.of_later AS SELECT 1 AS one;\n"


@pytest.fixture
def connection(database: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database, autocommit=True) as opened:
        yield opened


def upgraded(
    connection: psycopg.Connection, folder: Path, migration: str = "", view: str = "", edited: str = ""
) -> None:
    """By a later version, which has a migration or a view more, or a view that reads otherwise."""
    shutil.copytree(FOLDER, folder / "sql")
    if migration:
        (folder / "sql" / "migrations" / "9001_later.sql").write_text(migration)
    if view:
        (folder / "sql" / "views" / "99_later.sql").write_text(view)
    if edited:
        of_view = folder / "sql" / "views" / edited
        of_view.write_text(f"-- said better\n{of_view.read_text()}")
    Migrations(connection, folder / "sql", NEWER).apply(TABLES)


def everything(connection: psycopg.Connection) -> list[tuple[object, ...]]:
    return connection.execute(
        "SELECT oid, relname, xmin::text FROM pg_class WHERE relnamespace IN"
        " ('kaltura'::regnamespace, 'analytics'::regnamespace) UNION ALL"
        " SELECT 0, name || version, xmin::text FROM kaltura.migrations UNION ALL"
        " SELECT objoid, description, xmin::text FROM pg_description WHERE classoid = 'pg_class'::regclass ORDER BY 1, 2"
    ).fetchall()


LATER = {
    "a migration": ({"migration": TABLE}, "sql/migrations/9001_later.sql"),
    "a view": ({"view": VIEW}, "sql/views/99_later.sql"),
    "a view that reads otherwise": ({"edited": "24_people.sql"}, "sql/views/24_people.sql"),
    "a migration for later versions": ({"migration": "-- oldest code: 98.0\n" + TABLE}, "9001_later.sql"),
    "a view beside a migration that stops us": ({"migration": TABLE, "view": VIEW}, "9001_later.sql"),
}


@pytest.mark.parametrize("later", LATER)
def test_what_a_later_version_made_is_named_and_nothing_is_written(
    later: str, database: str, connection: psycopg.Connection, tmp_path: Path
) -> None:
    made, named = LATER[later]
    upgraded(connection, tmp_path, **made)
    before = everything(connection)
    warehouse = Warehouse(database)
    for command in (
        lambda: migrate(database, TABLES),
        lambda: apply_roles(database),
        warehouse.require_current_schema,
    ):
        with pytest.raises(MigrationError, match="newer version.*Nothing was changed") as caught:
            command()
        assert named in str(caught.value)
    warehouse.close()
    assert everything(connection) == before


def test_a_run_of_the_older_version_loads_nothing(
    database: str, connection: psycopg.Connection, tmp_path: Path
) -> None:
    upgraded(connection, tmp_path, migration=TABLE)
    with serving(University(seed=11, timezone="UTC", rooms=3)) as kaltura, installed(kaltura, database) as dagster:
        run = dagster.pull(Days(DAY.first, DAY.first))
    assert not run.success
    failure = next(event for event in run.all_events if event.is_step_failure).step_failure_data
    assert "sql/migrations/9001_later.sql" in failure.user_failure_data.description
    assert connection.execute("SELECT count(*) FROM kaltura.loads").fetchone() == (0,)


@pytest.mark.parametrize("goes_on", [False, True], ids=["stops us", "lets us go on"])
def test_a_run_that_began_before_an_upgrade_goes_on_only_where_the_upgrade_lets_it(
    goes_on: bool, kaltura, warehouse: Warehouse, connection: psycopg.Connection, tmp_path: Path
) -> None:
    place = Place(kaltura, warehouse)
    for day in range(2):
        place.meets(f"1_cue{day}", 24 * day + 8, 24 * day + 9)
    warehouse.require_current_schema()
    place.write(place.bring(0))
    extracted = place.bring(1)
    upgraded(connection, tmp_path, migration=f"-- oldest code: {code_version()}\n{TABLE}" if goes_on else TABLE)
    days = "SELECT count(DISTINCT partition_date) FROM kaltura.room_sessions"
    if goes_on:
        place.write(extracted)
        assert connection.execute(days).fetchone() == (2,)
        return
    with pytest.raises(MigrationError, match="newer version.*9001_later.*Nothing was changed"):
        place.write(extracted)
    assert connection.execute(days).fetchone() == (1,)
    assert connection.execute("SELECT count(*) FROM kaltura.loads").fetchone() == (len(TABLES),)


def test_a_migration_that_lets_this_version_go_on_is_left_alone_with_its_views_while_days_are_loaded(
    database: str, connection: psycopg.Connection, tmp_path: Path
) -> None:
    migration = f"-- oldest code: {code_version()}\n{TABLE}"
    upgraded(connection, tmp_path, migration, view=VIEW, edited="24_people.sql")
    connection.execute("COMMENT ON COLUMN kaltura.attendees.user_id IS 'said by the later version'")
    before = everything(connection)
    assert migrate(database, TABLES) == []
    apply_roles(database)
    with serving(University(seed=11, timezone="UTC", rooms=3)) as kaltura, installed(kaltura, database) as dagster:
        assert dagster.pull(Days(DAY.first, DAY.first)).success
    assert everything(connection) == before


def test_the_same_version_with_another_view_makes_it_anew_as_a_developer_expects(
    database: str, connection: psycopg.Connection
) -> None:
    connection.execute("UPDATE kaltura.migrations SET checksum = 'other' WHERE name = 'views/24_people.sql'")
    assert "sql/views/24_people.sql" in migrate(database, TABLES)


def test_books_of_an_older_runner_that_say_no_version_are_read_and_completed(
    database: str, connection: psycopg.Connection
) -> None:
    connection.execute("ALTER TABLE kaltura.migrations DROP COLUMN version, DROP COLUMN oldest_code")
    assert migrate(database, TABLES) == []
    warehouse = Warehouse(database)
    warehouse.require_current_schema()
    warehouse.close()
