"""Erase, retention, forget-account, redate and restore: where the database or the operator ends them, they say what stands."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from pipeline import Pipeline, wait_until
from warm import Process

from resources.postgres.session import APPLICATION_NAME, IN_DOUBT
from tests.integration.test_privacy import ADA, KEY, everything, filled_with_traces
from tests.integration.test_privacy import WITH_KEY as WITH_KEY
from tests.integration.test_privacy import place as place
from tests.integration.test_whole_days import Place
from tests.integration.test_whole_days import kaltura as kaltura

COMMANDS = {
    "erase": ["erase", "--user-id", ADA.user_id, "--yes"],
    "retention": ["retention"],
    "forget-account": ["forget-account", "1", "--yes"],
    "restore": ["restore", "BACKUP", "--replace"],
    "redate": ["redate"],
}
LAST_WRITTEN = {name: "calendars" if name == "redate" else "people" for name in COMMANDS}


@pytest.fixture
def installation(place: Place, tmp_path: Path) -> Pipeline:
    filled_with_traces(place, WITH_KEY)
    more = {"PII_KEY": KEY, "KALTURA_PARTNER_ID": "1", "RETENTION_DAYS": "30"}
    made = Pipeline(place.kaltura, place.warehouse.url, tmp_path, more)
    with psycopg.connect(made.database) as connection:
        connection.execute("INSERT INTO kaltura.calendars (partner_id, timezone) VALUES (1, 'UTC')")
    made.run("python", "-m", "pipelines", "backup", str(tmp_path / "a.dump"))
    return made


def started(installation: Pipeline, name: str) -> Process:
    words = [str(installation.home / "a.dump") if word == "BACKUP" else word for word in COMMANDS[name]]
    zone = {"PARTITION_TIMEZONE": "Asia/Kolkata"} if name == "redate" else {}
    configured = replace(installation, more={**installation.more, **zone})
    return configured.start("python", "-m", "pipelines", *words)


def ended(process: Process, code: int) -> str:
    """What it printed: a line or two, and no traceback."""
    printed, _ = process.communicate(timeout=120)
    assert process.returncode == code, printed
    assert "Traceback" not in printed
    return printed


@contextmanager
def held_up(url: str, table: str) -> Iterator[Callable[[], int]]:
    """The command waits when it comes to this table. Yields what waits for that, and tells its backend."""
    with psycopg.connect(url) as other, psycopg.connect(url, autocommit=True) as watching:
        other.execute(f"LOCK TABLE kaltura.{table} IN SHARE MODE".encode())

        def backend() -> int:
            found: list[tuple[int]] = []
            query = (
                "SELECT pid FROM pg_stat_activity WHERE application_name = %s AND wait_event_type = 'Lock'"
                " AND datname = current_database()"
            )
            wait_until(lambda: found or found.extend(watching.execute(query, [APPLICATION_NAME]).fetchall()) or found)
            return found[0][0]

        yield backend


def terminate(url: str, backend: int) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SELECT pg_terminate_backend(%s)", [backend])


@pytest.mark.deep
@pytest.mark.parametrize("name", COMMANDS)
def test_where_the_database_ends_it_in_the_middle_nothing_was_changed_and_that_is_said(
    name: str, installation: Pipeline, place: Place
) -> None:
    there = everything(place)
    with held_up(installation.database, LAST_WRITTEN[name]) as backend:
        process = started(installation, name)
        terminate(installation.database, backend())
        printed = ended(process, 1)
    assert ("nothing was restored" if name == "restore" else "Nothing was changed.") in printed
    assert everything(place) == there


@pytest.mark.deep
@pytest.mark.parametrize("name", COMMANDS)
def test_ctrl_c_in_the_middle_changes_nothing_and_says_so(name: str, installation: Pipeline, place: Place) -> None:
    there = everything(place)
    with held_up(installation.database, LAST_WRITTEN[name]) as backend:
        process = started(installation, name)
        backend()
        os.kill(process.pid, signal.SIGINT)
        printed = ended(process, 130)
    assert printed.rstrip().endswith("Stopped. Nothing was changed.")
    assert everything(place) == there


@pytest.mark.deep
@pytest.mark.parametrize("name", COMMANDS)
def test_where_the_connection_breaks_at_the_commit_it_is_said_that_nobody_knows(
    name: str, installation: Pipeline
) -> None:
    slow_commits(installation.database)
    process = started(installation, name)
    with psycopg.connect(installation.database, autocommit=True) as watching:
        query = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()"
        found: list[tuple[int]] = []
        wait_until(lambda: found or found.extend(watching.execute(query).fetchall()) or found)
        time.sleep(0.1)
    terminate(installation.database, found[0][0])
    assert IN_DOUBT in ended(process, 1)


def slow_commits(url: str) -> None:
    """A commit that has to do with one of the tables, or drops one, takes long."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "CREATE FUNCTION public.slowly() RETURNS trigger LANGUAGE plpgsql AS"
            " 'BEGIN PERFORM pg_sleep(60); RETURN NULL; END'"
        )
        connection.execute("CREATE TABLE public.waits (n int)")
        connection.execute(
            "CREATE CONSTRAINT TRIGGER waits AFTER INSERT ON public.waits"
            " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION public.slowly()"
        )
        connection.execute(
            "CREATE FUNCTION public.noted() RETURNS event_trigger LANGUAGE plpgsql AS"
            " 'BEGIN INSERT INTO public.waits VALUES (1); END'"
        )
        connection.execute("CREATE EVENT TRIGGER noted ON sql_drop EXECUTE FUNCTION public.noted()")
        connection.execute(
            "CREATE FUNCTION public.also() RETURNS trigger LANGUAGE plpgsql AS"
            " 'BEGIN INSERT INTO public.waits VALUES (1); RETURN NULL; END'"
        )
        for table in ("privacy", "calendars"):
            connection.execute(
                f"CREATE TRIGGER also AFTER INSERT OR UPDATE ON kaltura.{table} FOR EACH STATEMENT"
                " EXECUTE FUNCTION public.also()".encode()
            )
