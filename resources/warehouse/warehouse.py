"""The Postgres that analysts query: one connection pool, and the transaction in which a day gets into its tables.

A day's tables are written together, each as `load.py` says, under an advisory lock a table that two runs meet at.
"""

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from zoneinfo import ZoneInfo

import pandas as pd
import psycopg
import sqlalchemy as sa
from psycopg import sql
from psycopg.types.json import Jsonb

from resources.arrivals import Arrivals
from resources.postgres import outages, session, statistics
from resources.postgres.migrations import Migrations
from resources.postgres.reading import OneMoment
from resources.postgres.session import DatabaseError, DatabaseUnreachable, connect, refused
from resources.postgres.url import libpq_url
from resources.privacy import roster
from resources.privacy.day_privacy import DayPrivacy
from resources.privacy.erasure import erase_who_came
from resources.privacy.people import lock_exclusively, require_mode
from resources.privacy.pseudonyms import FULL, Privacy
from resources.privacy.registry import PersonRegistry
from resources.privacy.suppressions import has_unswept
from resources.runtime.counted import counted
from resources.settings import CHECKOUT
from resources.table import Table
from resources.warehouse import zeros
from resources.warehouse.calendars import require_timezone
from resources.warehouse.day import DayLoad
from resources.warehouse.kept_to import KeptTo, keep_to
from resources.warehouse.load import Load
from resources.warehouse.provenance import Provenance
from resources.warehouse.run_lock import RunLock

_FILLED_WITH_THEM = ("changes", "loads", "people", "rejects")  # by a run, and read by views and the next day
FORGET_OLD_LOADS = CHECKOUT / "sql" / "queries" / "forget_old_loads.sql"
DAYS_OF_RUNS = CHECKOUT / "sql" / "queries" / "days_of_runs.sql"
ROWS_EXPECTED = CHECKOUT / "sql" / "queries" / "rows_expected.sql"
TELLING_MEDIAN = 20  # rows: a weekday with fewer may well have none

# What goes wrong between a run and its database, under the name that runs know it by.
WarehouseError = DatabaseError
WarehouseUnreachable = DatabaseUnreachable


Asking = Callable[[psycopg.Connection], None]
"""Sends what is asked first in a transaction; the answers are read later."""


def ask_nothing(connection: psycopg.Connection) -> None:
    """Where nothing is known of what comes first."""


class DayLost(WarehouseError):
    """A day that was loaded is not there any more."""

    def __init__(self) -> None:
        super().__init__(
            "this run had loaded and marked it, and the warehouse does not hold it any more: it was restored, or failed "
            "over, meanwhile. Run the day again. Until then its mark is not true: see `python -m pipelines status`."
        )


class Warehouse:
    """A pool on one database, and what is kept of people in it. Close it when done."""

    def __init__(self, url: str, privacy: Privacy = FULL) -> None:
        self.privacy = privacy
        self._registry = PersonRegistry()
        self._run_lock: RunLock | None = None
        self._may_have_lost_it = False
        self._samples_left: list[str] = []
        self.url = libpq_url(url)  # raises at once where it is none
        # What it would look up for a type of columns that nothing here has is three round trips.
        self.engine = sa.create_engine(
            "postgresql+psycopg://", creator=lambda: connect(self.url), use_native_hstore=False
        )
        sa.event.listen(self.engine, "connect", self._forget)

    def _forget(self, *_: object) -> None:
        """At each new connection: it may lead to another server, which lacks what the last one had committed."""
        self._registry = PersonRegistry()
        self._may_have_lost_it = True

    def close(self) -> None:
        self.engine.dispose()

    @contextmanager
    def loading(self, run_id: str) -> Iterator[None]:
        """While a run loads days: a restore waits for its end, or is refused. One that is under way is waited for."""
        self._run_lock = RunLock(self.url, run_id)
        try:
            for attempt in outages.attempts(_is_outage):
                with attempt:
                    self._run_lock.take()
            yield
        finally:
            self._run_lock.release()
            self._run_lock = None

    @contextmanager
    def connection(
        self, isolation: str = "READ COMMITTED", access: str = "READ WRITE", asking: Asking = ask_nothing
    ) -> Iterator[psycopg.Connection]:
        """A psycopg connection of the pool, in a transaction that commits at the end. Raises `WarehouseError`.

        What `asking` sends goes with its BEGIN.
        """
        try:
            with self._begun(isolation, access, asking) as pooled, session.ended(_raw(pooled)):
                yield _raw(pooled)
        except psycopg.Error as error:
            if isinstance(error, psycopg.errors.ReadOnlySqlTransaction):
                self.engine.dispose()  # a primary that became a standby: a new connection finds the new one
            described = refused(error)
            self._may_have_lost_it |= _is_outage(described)
        else:
            return
        raise described from None  # out here, so that nothing carries the database's own error, which quotes rows

    def _begun(self, isolation: str, access: str, asking: Asking) -> sa.Connection:
        """Of one that was lost while nobody used it the first statement tells: then another one is taken, once."""
        try:
            return self._begun_on(self.engine.connect(), isolation, access, asking)
        except psycopg.Error as error:
            if error.sqlstate is not None and not isinstance(error, psycopg.errors.AdminShutdown):
                raise
            self.engine.dispose()  # the others are lost with it
        return self._begun_on(self.engine.connect(), isolation, access, asking)

    @staticmethod
    def _begun_on(pooled: sa.Connection, isolation: str, access: str, asking: Asking) -> sa.Connection:
        connection = _raw(pooled)
        try:
            session.begin(connection, isolation, access, lambda: asking(connection))
        except BaseException:
            pooled.invalidate()
            pooled.close()
            raise
        return pooled

    @contextmanager
    def reading(self) -> Iterator[psycopg.Connection]:
        """As `connection`, but nothing can be written, and all queries see the data of one moment. A restore is waited for."""
        moment = OneMoment()
        with self.connection("REPEATABLE READ", "READ ONLY", moment.ask) as connection:
            moment.settle(connection)
            yield connection

    def require_current_schema(self) -> None:
        """Raises `MigrationError` where the migrations of this version are not all applied, or newer ones are."""
        with self.connection() as connection:
            Migrations(connection).require_current()

    def require_privacy_mode(self) -> None:
        """Raises `PrivacyError` where the warehouse was filled with another PII_MODE or PII_KEY."""
        with self.connection() as connection:
            require_mode(connection, self.privacy)

    def register_listed_people(self, partner_id: int, tables: Sequence[Table]) -> None:
        """Give everybody on the account's lists the pseudonym that analysts see: lists may be filled by SQL."""
        with self.connection() as connection:
            roster.register(connection, self.privacy, partner_id, tables)

    def require_timezone(self, partner_id: int, timezone: ZoneInfo) -> None:
        """Raises `CalendarError` where the account's days are cut in another PARTITION_TIMEZONE."""
        with self.connection() as connection:
            require_timezone(connection, partner_id, timezone)

    def keep_to(self, partner_id: int, kept_to: Mapping[int, KeptTo | None]) -> int:
        """As `kept_to.keep_to`: how many loads are not whole any more, as the settings keep to other ids."""
        with self.connection() as connection:
            return keep_to(connection, partner_id, kept_to)

    def upsert(self, day: dt.date, arrivals: Sequence[Arrivals], provenance: Provenance) -> list[Load]:
        """Make the day's tables equal to what arrived, in one transaction. A database that restarts is waited for.

        Raises `WarehouseError`, `MigrationError`, `PrivacyError` or `CalendarError`; then nothing of the day was written.
        """
        try:
            for attempt in outages.attempts(_is_outage):
                with attempt:
                    return self._upserted(day, arrivals, provenance)
        except WarehouseError as error:
            described = type(error)(str(error))
        raise described  # out here, and another one: nothing carries the database's own error, which quotes rows

    def _upserted(self, day: dt.date, arrivals: Sequence[Arrivals], provenance: Provenance) -> list[Load]:
        if self._run_lock and self._may_have_lost_it:
            self._run_lock.take()
            self._may_have_lost_it = False
        privacy = DayPrivacy(self.privacy, provenance.partner_id, day)
        load = DayLoad(privacy, arrivals, provenance)
        with self.connection(asking=load.begin) as connection:
            registry = self._registry  # not before: a new connection may lead to another server
            loads = load.run(connection, registry)
        registry.committed(privacy.partner_id, privacy.removals, privacy.added)
        return loads

    def erase_who_came(self, partner_id: int, tables: Sequence[Table]) -> int:
        """Take those out of all days who came under another id since they were erased; how many people those were.

        A day that is being loaded has room for its own rows alone. The database remembers them: a run that is killed, or
        is refused here, leaves them to the next one. Other loads are waited for. Raises `WarehouseError`.
        """
        with self.connection() as connection:
            if not has_unswept(connection, partner_id):
                return 0
        with self.connection() as connection:
            lock_exclusively(connection)
            people = erase_who_came(connection, self.privacy.of_account(partner_id), tables)
            left = statistics.take_anew(connection)
        self._samples_left = left
        self._registry = PersonRegistry()
        return people

    def renew_samples(self) -> list[str]:
        """Take the planner's samples anew (`statistics.py`) where people were taken out and they were not.

        The database remembers that: a run that is killed, or is refused here, leaves it to the next one. The tables of which
        it can't be done. Raises `WarehouseError`.
        """
        with self.connection() as connection:
            if statistics.are_old(connection):
                self._samples_left = statistics.take_anew(connection)
        return self._samples_left

    def next_pull(self) -> int:
        """The number of a pull that is about to begin: higher than that of every one before. An outage is waited for."""
        for attempt in outages.attempts(_is_outage):
            with attempt, self.connection() as connection:
                row = connection.execute("SELECT nextval('kaltura.pulls')").fetchone()
        assert row is not None  # noqa: S101 (a SELECT of a value has one row)
        return int(row[0])

    def against_empty(
        self,
        partner_id: int,
        report_id: int,
        first: dt.date,
        last: dt.date,
        *,
        all_are_empty: bool,
        kept_to: KeptTo | None = None,
    ) -> str:
        """What speaks against an empty report for these days; empty if nothing does. An outage is waited for.

        Where all reports are empty, the same weekday of any week around tells: of one report it says too little. Of a report
        that is restricted, loads tell that were `kept_to` the same.
        """
        asked = {
            "partner_id": partner_id,
            "report_id": report_id,
            "first": first,
            "last": last,
            "kept_to": Jsonb(kept_to) if kept_to else None,
        }
        for attempt in outages.attempts(_is_outage):
            with attempt, self.reading() as connection:
                days = connection.execute(ROWS_EXPECTED.read_bytes(), asked).fetchall()
        for day, held, before, around in days:
            if held:
                return f"the warehouse holds {counted(held, 'row')} of {day}"
            if before is not None and before >= TELLING_MEDIAN:
                return f"{before:,.0f} rows are the median of {day:%A}s before {day}"
            if all_are_empty and before is None and around is not None and around >= TELLING_MEDIAN:
                return (
                    f"{around:,.0f} rows are the median of {day:%A}s around {day}, and the other reports are empty too"
                )
        return ""

    def zeros_of(self, partner_id: int) -> Callable[[Table, str, pd.DataFrame], bool]:
        """What tells of an account's rows whether 0 in a column replaces nothing better. An outage is waited for."""

        def holds(table: Table, column: str, rows: pd.DataFrame) -> bool:
            for attempt in outages.attempts(_is_outage):
                with attempt, self.reading() as connection:
                    are_held = zeros.are_held(connection, partner_id, table, column, rows)
            return are_held

        return holds

    def loaded_days(
        self, partner_id: int, root_run_id: str, run_ids: Sequence[str], tables: Sequence[Table]
    ) -> dict[dt.date, str]:
        """The account's days of which these runs of one root have loaded all these tables, each with the last run that did.

        An outage is waited for.
        """
        asked = {
            "partner_id": partner_id,
            "root_run_id": root_run_id,
            "run_ids": list(run_ids),
            "report_ids": [table.report_id for table in tables],
        }
        for attempt in outages.attempts(_is_outage):
            with attempt, self.connection() as connection:
                rows = connection.execute(DAYS_OF_RUNS.read_bytes(), asked).fetchall()
        return dict(rows)

    def newest_day(self, partner_id: int) -> dt.date | None:
        """The last day of the account that was ever loaded."""
        with self.connection() as connection:
            row = connection.execute(
                "SELECT max(partition_date) FROM kaltura.loads WHERE partner_id = %s", [partner_id]
            ).fetchone()
        return row[0] if row else None

    def forget_loads(self, partner_id: int, days: int) -> tuple[dt.datetime, int]:
        """Take out what `loads` says of the account's pulls that are more than `days` old and brought nothing new.

        Returns the moment before which they were, by the database's clock, and how many there were.
        """
        with self.connection() as connection:
            [[before]] = connection.execute("SELECT now() - make_interval(days => %s)", [days]).fetchall()
            old = {"partner_id": partner_id, "before": before}
            return before, connection.execute(FORGET_OLD_LOADS.read_bytes(), old).rowcount

    def gather_statistics(self, tables: Sequence[Table]) -> list[str]:
        """Tell the planner what the tables hold now: autovacuum does so a minute later, and until then a view over
        freshly filled tables may take minutes in place of milliseconds. Which tables this login has to leave to it.
        """
        # In the order in which `statistics.take_anew` takes them: two at once would wait for each other.
        names = sorted({*(table.name for table in tables), *_FILLED_WITH_THEM})
        left: list[str] = []
        with suppress(WarehouseError, psycopg.Error), self.connection() as connection:
            left = statistics.left_to_autovacuum(connection, "kaltura", names)
            if own := [sql.Identifier("kaltura", name) for name in names if name not in left]:
                connection.execute(sql.SQL("ANALYZE {}").format(sql.SQL(", ").join(own)))
        return left


def _raw(pooled: sa.Connection) -> psycopg.Connection:
    raw = pooled.connection.driver_connection
    assert isinstance(raw, psycopg.Connection)  # noqa: S101 (the engine's URL names the driver)
    return raw


def _is_outage(error: Exception) -> bool:
    return isinstance(error, WarehouseUnreachable)
