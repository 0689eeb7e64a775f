"""A day on its way into its tables, in one transaction that waits for the database as seldom as it can.

What the load goes by is asked at once, with the BEGIN and the locks; then each table is made so; the bookkeeping goes last, with
the COMMIT. A day of which nothing is new waits twice.
"""

from collections.abc import Sequence

import psycopg

from resources.arrivals import Arrivals
from resources.postgres import migrations, session, statistics
from resources.postgres.locks import Locks
from resources.privacy.day_privacy import DayPrivacy
from resources.privacy.people import LOADS_SHARE
from resources.privacy.registry import PersonRegistry
from resources.warehouse import calendars
from resources.warehouse.load import Load, TableLoad
from resources.warehouse.provenance import Provenance

# Statistics from when a table was nearly empty, or another than it is, have the planner read all of it for each session
# of a day. Where there is no other way, what is switched off costs ten thousand million before Postgres 18: no JIT then.
_SETTINGS = "SELECT set_config('enable_seqscan', 'off', TRUE), set_config('jit', 'off', TRUE)"


class DayLoad:
    """Of one attempt: `begin` in a pipeline after the BEGIN, then `run`, which commits."""

    def __init__(self, privacy: DayPrivacy, arrivals: Sequence[Arrivals], provenance: Provenance) -> None:
        self.privacy = privacy
        # One order for all runs: no deadlock.
        self.arrivals = sorted(arrivals, key=lambda each: each.table.name)
        self.provenance = provenance
        self.tables = [
            TableLoad(privacy.day, each, provenance, privacy.people.kept_to(each.filters)) for each in self.arrivals
        ]
        self.locks = Locks(LOADS_SHARE, *(table.lock for table in self.tables))

    def begin(self, connection: psycopg.Connection) -> None:
        connection.execute(_SETTINGS)
        self.locks.ask(connection)
        self._ask(connection)

    def _ask(self, connection: psycopg.Connection) -> None:
        self.privacy.ask(connection)
        self.timezone = calendars.ask_timezone(connection, self.provenance.partner_id)
        self._ask_of_tables(connection)
        # Last: a migration that changes a table which was read just now waits for this transaction, or is seen here.
        self.schema = migrations.ask_applied(connection)

    def _ask_of_tables(self, connection: psycopg.Connection) -> None:
        for table in self.tables:
            table.ask(connection)

    def run(self, connection: psycopg.Connection, registry: PersonRegistry) -> list[Load]:
        """Raises `MigrationError`, `PrivacyError` or `CalendarError`, and whatever the database refuses."""
        if self.locks.wait(connection):  # what was asked meanwhile is of before
            with connection.pipeline():
                self._ask(connection)
        migrations.expect_known(self.schema)
        self.privacy.require_settled()
        if self.provenance.timezone:
            calendars.expect_recorded(self.timezone, self.provenance.partner_id, self.provenance.timezone)
        protected = self.privacy.arrivals(self.arrivals, registry)
        if self.privacy.is_past_retention:  # the names were taken out of the rows that are there, just now
            with connection.pipeline():
                self._ask_of_tables(connection)
        for table, each in zip(self.tables, self.arrivals, strict=True):
            table.filters = self.privacy.filters(each.filters)
        loads = [table.run(each) for table, each in zip(self.tables, protected, strict=True)]
        session.commit(connection, lambda: self._record(connection, loads))
        return loads

    def _record(self, connection: psycopg.Connection, loads: Sequence[Load]) -> None:
        for table, load in zip(self.tables, loads, strict=True):
            table.record(load)
        if self.privacy.has_taken_names:  # last: others that note it wait for this transaction
            statistics.note_old(connection)
