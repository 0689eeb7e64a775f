"""The Postgres that analysts query: one connection pool, and the transaction in which a day gets into its tables.

A day's tables are written together, each as `load.py` says, under an advisory lock a table that two runs meet at.
"""

import datetime as dt
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import psycopg
import sqlalchemy as sa
import stamina

from resources.database import sqlalchemy_url
from resources.errors import ConfigurationError
from resources.load import Arrivals, Load, Provenance, TableLoad
from resources.migrations import Migrations
from resources.people import Protection, Roll, settle
from resources.privacy import FULL, Privacy
from resources.table import Table

CONNECT_TIMEOUT_SECONDS = 10
LOAD_ATTEMPTS = 3


class WarehouseError(ConfigurationError):
    """The database can't be reached or is not as it should be; the message says what to do."""


class Warehouse:
    """A pool on one database, and what is kept of people in it. Close it when done."""

    def __init__(self, url: str, privacy: Privacy = FULL) -> None:
        self.privacy = privacy
        self._roll = Roll()
        try:
            self.engine = sa.create_engine(
                sqlalchemy_url(url),
                pool_pre_ping=True,
                connect_args={"connect_timeout": CONNECT_TIMEOUT_SECONDS, "application_name": "kaltura-room-warehouse"},
            )
        except sa.exc.ArgumentError:
            raise WarehouseError(
                "DATABASE_URL is no database URL. Write it as postgresql://user:password@host/database."
            ) from None

    def close(self) -> None:
        self.engine.dispose()

    @contextmanager
    def connection(self) -> Iterator[psycopg.Connection]:
        """A psycopg connection of the pool, in a transaction that commits at the end. Raises `WarehouseError`."""
        try:
            pooled = self.engine.connect()
        except sa.exc.OperationalError as error:
            raise WarehouseError(
                f"the database can't be reached: {_first_line(error.orig)}. Check DATABASE_URL."
            ) from None
        with pooled:
            raw = pooled.connection.driver_connection
            assert isinstance(raw, psycopg.Connection)  # noqa: S101 (the engine's URL names the driver)
            with raw.transaction():
                yield raw

    def require_current_schema(self) -> None:
        """Raises `WarehouseError` where the migrations of this version are not all applied."""
        with self.connection() as connection:
            pending = Migrations(connection).pending()
        if pending:
            raise WarehouseError(f"the database lacks {', '.join(pending)}. Run `make migrate`, then this again.")

    def settle_privacy(self) -> None:
        """Raises `PrivacyError` where the warehouse was filled with another PII_MODE or PII_KEY."""
        with self.connection() as connection:
            settle(connection, self.privacy)

    def upsert(self, day: dt.date, arrivals: Sequence[Arrivals], provenance: Provenance) -> list[Load]:
        """Make the day's tables equal to what arrived, in one transaction. Tried again where the connection breaks.

        Raises `WarehouseError` or `PrivacyError`; then nothing of the day was written.
        """
        try:
            for attempt in stamina.retry_context(on=psycopg.OperationalError, attempts=LOAD_ATTEMPTS, wait_initial=0.5):
                with attempt:
                    with self.connection() as connection:
                        protection = Protection(connection, self.privacy, provenance.partner_id, day, self._roll)
                        loads = self._loaded(protection, arrivals, provenance)
                    self._roll.committed(protection)
                    return loads
        except psycopg.Error as error:
            refused = _refused(error)
        raise refused  # out here, so that nothing carries the database's own error, which quotes rows

    @staticmethod
    def _loaded(protection: Protection, arrivals: Sequence[Arrivals], provenance: Provenance) -> list[Load]:
        protected = protection.arrivals(arrivals)
        provenance = replace(provenance, filters=protection.filters(provenance.filters))
        ordered = sorted(protected, key=lambda each: each.table.name)  # one order for all runs: no deadlock
        return [TableLoad(protection.connection, protection.day, each, provenance).run() for each in ordered]

    def loaded_days(self, root_run_id: str, tables: Sequence[Table]) -> set[dt.date]:
        """Days of which a run with this root has loaded all these tables."""
        query = (
            "SELECT partition_date FROM kaltura.loads WHERE root_run_id = %s AND report_id = ANY(%s)"
            " GROUP BY partition_date HAVING count(DISTINCT report_id) = %s"
        )
        with self.connection() as connection:
            rows = connection.execute(query, [root_run_id, [table.report_id for table in tables], len(tables)])
            return {row[0] for row in rows}


def _first_line(error: BaseException | None) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def _refused(error: psycopg.Error) -> WarehouseError:
    """What the database says of its own accord. Detail and context quote the row, and rows belong in no log."""
    said = error.diag
    where = ", ".join(part for part in (said.table_name, said.constraint_name) if part)
    if said.sqlstate is None:  # not the server's word: the connection broke
        return WarehouseError(f"the database can't be reached any more: {_first_line(error)}. Check DATABASE_URL.")
    what = f"{said.message_primary} (SQLSTATE {said.sqlstate})"
    return WarehouseError(f"the database refused the day: {what}{f', at {where}' if where else ''}.")
