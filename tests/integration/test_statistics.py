"""The planner knows what the tables hold as soon as they are filled: after a run, a migration, and within a restore."""

from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
import run_folder
from in_process import installed
from rich.console import Console

from assets.reports import TABLES
from resources.kaltura.windows import Days
from resources.postgres.backup import back_up
from resources.postgres.migrations import migrate
from resources.postgres.restore import restore
from resources.postgres.roles import apply_roles
from resources.postgres.statistics import HAS_MAINTAIN
from resources.privacy.pseudonyms import FULL
from resources.privacy.reapply_erasures import ReapplyErasures
from simulator import University, serving
from tests.integration.test_backup import FIRST
from tests.integration.test_backup import kaltura as kaltura
from tests.integration.test_backup import load as load
from tests.integration.test_restore_anywhere import EMPTY, at_version

LOGIN = "test_statistics_loader"
FILLED = {"attendees", "breakout_sessions", "loads", "people", "room_sessions"}
_SAMPLED = "SELECT DISTINCT tablename FROM pg_stats WHERE schemaname IN ('kaltura', 'university')"


def sampled(url: str) -> set[str]:
    with psycopg.connect(url) as connection:
        return {name for (name,) in connection.execute(_SAMPLED).fetchall()}


def kept_from_autovacuum(url: str) -> None:
    with psycopg.connect(url) as connection:
        for table in FILLED:
            connection.execute(f"ALTER TABLE kaltura.{table} SET (autovacuum_enabled = FALSE)".encode())


@pytest.fixture
def loader(database: str) -> Iterator[str]:
    """A login with the rights of `kaltura_loader` and no others."""
    with run_folder.alone("roles"):
        apply_roles(database)
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute(f"CREATE ROLE {LOGIN} LOGIN IN ROLE kaltura_loader")
            try:
                yield database.replace("postgres@", f"{LOGIN}@", 1)
            finally:
                connection.execute(f"DROP ROLE {LOGIN}")


def pulled(url: str, capfd: pytest.CaptureFixture[str]) -> str:
    """What a run of one day says."""
    with serving(University(seed=11, timezone="UTC", rooms=2)) as running, installed(running, url) as dagster:
        assert dagster.pull(Days(FIRST, FIRST)).success
    return capfd.readouterr().err


def test_a_first_run_tells_the_planner_of_all_that_it_has_filled(
    database: str, capfd: pytest.CaptureFixture[str]
) -> None:
    kept_from_autovacuum(database)
    assert "ANALYZE" not in pulled(database, capfd)
    assert sampled(database) >= FILLED


def test_a_run_of_the_loader_does_or_says_that_it_may_not(
    loader: str, database: str, capfd: pytest.CaptureFixture[str]
) -> None:
    kept_from_autovacuum(database)
    said = pulled(loader, capfd)
    with psycopg.connect(database) as connection:
        may = connection.info.server_version >= HAS_MAINTAIN
    assert ("this login may not ANALYZE it" in said) is not may
    assert bool(sampled(database)) is may


def test_a_run_whose_login_may_not_names_the_tables(
    loader: str, database: str, capfd: pytest.CaptureFixture[str]
) -> None:
    kept_from_autovacuum(database)
    with psycopg.connect(database) as connection:
        if connection.info.server_version >= HAS_MAINTAIN:
            connection.execute("REVOKE MAINTAIN ON kaltura.people, kaltura.rejects FROM kaltura_loader")
    said = pulled(loader, capfd)
    assert "people, rejects" in said
    assert "people" not in sampled(database)


def test_a_migration_that_makes_indexes_over_expressions_samples_their_tables(
    new_database: Callable[[str], str], tmp_path: Path
) -> None:
    url = at_version(new_database(EMPTY), "0017_redated.sql", tmp_path)
    with psycopg.connect(url) as connection:
        connection.execute(
            "INSERT INTO kaltura.room_sessions (partner_id, entry_id, cue_point_id, session_start_time,"
            " session_host_user_id, partition_date, window_start, window_end, load_id)"
            " SELECT 1, 'room', number::text, now(), 'p_' || md5(number::text), now(), now(), now(), 1"
            " FROM generate_series(1, 50) AS number;"
            "INSERT INTO kaltura.attendees (partner_id, entry_id, cue_point_id, user_id, partition_date, window_start,"
            " window_end, load_id) SELECT 1, 'room', number::text, 'p_' || md5(number::text), now(), now(), now(), 1"
            " FROM generate_series(1, 50) AS number;"
            "INSERT INTO university.courses (account_id, course_id) VALUES (1, 'c');"
            "INSERT INTO university.enrolments (account_id, course_id, person_id, person_email)"
            " SELECT 1, 'c', 'p_' || md5(number::text), NULL FROM generate_series(1, 50) AS number"
            " UNION ALL SELECT 1, 'c', NULL, number || '@example.edu' FROM generate_series(1, 50) AS number"
        )
    migrate(url, TABLES)
    with psycopg.connect(url) as connection:
        made = connection.execute(
            "SELECT indexrelid::regclass::text FROM pg_index INNER JOIN pg_class ON pg_class.oid = indrelid"
            " WHERE indexprs IS NOT NULL AND relnamespace::regnamespace::text IN ('kaltura', 'university')"
        ).fetchall()
    names = {name.partition(".")[2] for (name,) in made}
    assert {"attendees_by_pseudonym", "room_sessions_by_pseudonym", "enrolments_of_a_person"} <= names
    assert names <= sampled(url)
    assert "timetable" not in sampled(url)  # of which no such index was made


class Looks(ReapplyErasures):
    """Sees of which tables the planner knows something when people are about to be erased from them."""

    sampled: set[str]

    def after(self, connection: psycopg.Connection) -> None:
        self.sampled = {name for (name,) in connection.execute(_SAMPLED).fetchall()}
        super().after(connection)


def test_what_a_restore_does_to_the_tables_it_does_with_the_planner_told_of_them(
    database: str, load: Callable[[str, int], list[int]], tmp_path: Path
) -> None:
    load(database, 1)
    back_up(database, tmp_path / "a.dump", Console(quiet=True))
    with psycopg.connect(database) as connection:
        connection.execute(
            "CREATE MATERIALIZED VIEW public.as_filled AS SELECT count(*) AS sessions,"
            " (SELECT array_agg(DISTINCT tablename::text) FROM pg_stats WHERE schemaname = 'kaltura') AS sampled"
            " FROM analytics.sessions"
        )
    keeper = Looks(FULL, TABLES)
    restore(database, tmp_path / "a.dump", Console(quiet=True), keeper=keeper, tables=TABLES, replace=True, trust=True)
    assert keeper.sampled >= FILLED
    with psycopg.connect(database) as connection:
        [[filled]] = connection.execute("SELECT sampled FROM public.as_filled").fetchall()
    assert {*filled} >= FILLED
