"""Ways to get a day's attendees from a reply's bytes into a table that has them once: ours, COPY's own, and others'.

Whoever needs typed rows gets them from our own parser, so that what is compared is the loading.
"""

import datetime as dt
import io
import os
import tempfile
from collections.abc import Iterable
from functools import cached_property
from typing import Any, Protocol
from urllib.parse import parse_qs, quote, urlsplit

import pandas as pd
import psycopg
import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from assets.attendees import ATTENDEES
from assets.pull.normalize import normalize
from bench.replies import Canned, Replies
from resources.kaltura import csv
from resources.warehouse.provenance import Provenance
from resources.warehouse.statements import PARTNER, TableStatements
from resources.warehouse.warehouse import Warehouse

KEY = [PARTNER, *ATTENDEES.table.key]
COLUMNS = [*KEY, *(name for name in ATTENDEES.table.column_names if name not in KEY)]
PLACED = ["partition_date", "window_start", "window_end"]


def typed(bodies: Replies, day: dt.date) -> pd.DataFrame:
    """The day's attendees, with what our own table says of a row's place."""
    frame = normalize(csv.parse(bodies[ATTENDEES.report_id], ATTENDEES.source, "a reply"), ATTENDEES)
    midnight = pd.Timestamp(day, tz="UTC").as_unit("us")
    return frame[ATTENDEES.table.column_names].assign(
        partner_id=1, partition_date=day, window_start=midnight, window_end=midnight + pd.Timedelta(days=1)
    )


class Contestant(Protocol):
    """Loads days; begins with no rows each time it is emptied."""

    def empty(self) -> None: ...
    def load(self, day: dt.date, bodies: Replies) -> None: ...


class Ours:
    """The whole path: parse, normalize, tie to sessions, load three tables and the bookkeeping."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.client = Canned()
        self.warehouse = Warehouse(url)

    def empty(self) -> None:
        with psycopg.connect(self.url) as connection:
            connection.execute("TRUNCATE kaltura.attendees, kaltura.room_sessions, kaltura.loads, kaltura.changes")

    def load(self, day: dt.date, bodies: Replies) -> None:
        brought = self.client.bring(day, bodies)
        self.warehouse.upsert(day, brought.by_day[day], Provenance(1, brought.pull))


class Floor:
    """COPY of rows that are normalized and sorted already, into the same table: what Postgres itself needs."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.rows: dict[tuple[dt.date, int], bytes] = {}

    def empty(self) -> None:
        with psycopg.connect(self.url) as connection:
            connection.execute("TRUNCATE kaltura.attendees")

    def prepare(self, day: dt.date, bodies: Replies) -> None:
        """What the table of `Ours` holds of the day, as psql would send it."""
        with psycopg.connect(self.url) as connection:
            query = f"SELECT {self._columns} FROM kaltura.attendees WHERE partition_date = '{day}' ORDER BY 1, 2, 3, 4"
            stream = io.BytesIO()
            with connection.cursor() as cursor, cursor.copy(f"COPY ({query}) TO STDOUT") as copy:
                for piece in copy:
                    stream.write(piece)
        self.rows[day, id(bodies)] = stream.getvalue()

    def load(self, day: dt.date, bodies: Replies) -> None:
        statement = f"COPY kaltura.attendees ({self._columns}) FROM STDIN"
        with (
            psycopg.connect(self.url) as connection,
            connection.cursor() as cursor,
            cursor.copy(statement) as copy,
        ):
            copy.write(self.rows[day, id(bodies)])

    @property
    def _columns(self) -> str:
        names = TableStatements(ATTENDEES.table).columns
        return ", ".join([*KEY, *(name for name in names if name not in KEY)])


class _OurTableElsewhere:
    """A table of the same shape, for those who bring their own statements."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.engine = sa.create_engine(url.replace("postgresql://", "postgresql+psycopg://", 1))
        self.schema = type(self).__name__.lower()
        with self.engine.begin() as connection:
            connection.execute(sa.text(f"CREATE SCHEMA {self.schema}"))
            connection.execute(sa.text(f"CREATE TABLE {self.schema}.attendees (LIKE kaltura.attendees INCLUDING ALL)"))
            connection.execute(sa.text(f"ALTER TABLE {self.schema}.attendees ALTER load_id SET DEFAULT 1"))

    def empty(self) -> None:
        with self.engine.begin() as connection:
            connection.execute(sa.text(f"TRUNCATE {self.schema}.attendees"))

    @cached_property
    def table(self) -> sa.Table:
        return sa.Table("attendees", sa.MetaData(), schema=self.schema, autoload_with=self.engine)


class ToSql(_OurTableElsewhere):
    """`DataFrame.to_sql` with the callable that pandas' own documentation shows for conflicts."""

    def load(self, day: dt.date, bodies: Replies) -> None:
        frame = typed(bodies, day)
        with self.engine.begin() as connection:
            frame.to_sql(
                "attendees", connection, schema=self.schema, if_exists="append", index=False,
                method=self._upsert, chunksize=4_000,
            )  # fmt: skip

    @staticmethod
    def _upsert(table: Any, connection: sa.Connection, keys: list[str], rows: Iterable[tuple[Any, ...]]) -> int:
        statement = insert(table.table).values([dict(zip(keys, row, strict=True)) for row in rows])
        changed = {name: statement.excluded[name] for name in keys if name not in KEY}
        return connection.execute(statement.on_conflict_do_update(index_elements=KEY, set_=changed)).rowcount


class ExecuteMany(_OurTableElsewhere):
    """SQLAlchemy's executemany with ON CONFLICT, over psycopg's pipeline."""

    def load(self, day: dt.date, bodies: Replies) -> None:
        frame = typed(bodies, day)
        names = [*COLUMNS, *PLACED]
        changed = ", ".join(f"{name} = excluded.{name}" for name in names if name not in KEY)
        values = ", ".join(f":{name}" for name in names)
        statement = sa.text(
            f"INSERT INTO {self.schema}.attendees ({', '.join(names)}) VALUES ({values})"
            f" ON CONFLICT ({', '.join(KEY)}) DO UPDATE SET {changed}"
        )
        rows = frame.astype(object).where(frame.notna(), None)
        records = [dict(zip(names, row, strict=True)) for row in rows[names].itertuples(index=False, name=None)]
        with self.engine.begin() as connection:
            connection.execute(statement, records)


class Pgpq(_OurTableElsewhere):
    """Arrow encoded by pgpq and copied straight into the table, in no order: for rows that are new, and nothing is kept."""

    def load(self, day: dt.date, bodies: Replies) -> None:
        with psycopg.connect(self.url) as connection:
            self._copied(connection, f"{self.schema}.attendees", typed(bodies, day))

    @staticmethod
    def _copied(connection: psycopg.Connection, table: str, frame: pd.DataFrame) -> None:
        from pgpq import ArrowToPostgresBinaryEncoder

        rows = pa.Table.from_pandas(frame, preserve_index=False)
        encoder = ArrowToPostgresBinaryEncoder(rows.schema)
        statement = f"COPY {table} ({', '.join(rows.column_names)}) FROM STDIN (FORMAT binary)"
        with connection.cursor() as cursor, cursor.copy(statement.encode()) as copy:
            copy.write(encoder.write_header())
            for batch in rows.to_batches():
                copy.write(encoder.write_batch(batch))
            copy.write(encoder.finish())


class PgpqUpsert(Pgpq):
    """The same into a temporary table, and from there by ON CONFLICT: every row is written anew."""

    def load(self, day: dt.date, bodies: Replies) -> None:
        names = [*COLUMNS, *PLACED]
        changed = ", ".join(f"{name} = excluded.{name}" for name in names if name not in KEY)
        with psycopg.connect(self.url) as connection:
            connection.execute(
                f"CREATE TEMPORARY TABLE staged ON COMMIT DROP AS SELECT {', '.join(names)} FROM {self.schema}.attendees"
                " WITH NO DATA"
            )
            self._copied(connection, "staged", typed(bodies, day))
            connection.execute(
                f"INSERT INTO {self.schema}.attendees ({', '.join(names)}) SELECT {', '.join(names)} FROM staged"
                f" ON CONFLICT ({', '.join(KEY)}) DO UPDATE SET {changed}"
            )


class _Dlt:
    """A dlt pipeline that lives as long as the run, as a deployed one does; emptied by TRUNCATE."""

    def __init__(self, url: str) -> None:
        os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
        os.environ["RUNTIME__LOG_LEVEL"] = "ERROR"
        import dlt

        self.url = url
        self.name = type(self).__name__.lower()
        self.pipeline = dlt.pipeline(
            self.name,
            pipelines_dir=tempfile.mkdtemp(prefix="bench-dlt-"),
            destination=dlt.destinations.postgres(_with_host(url)),
            dataset_name=self.name,
        )

    def empty(self) -> None:
        with psycopg.connect(self.url) as connection:
            connection.execute(f"TRUNCATE {self.name}.attendees")


class DltDefault(_Dlt):
    """Rows as dicts and a merge by primary key: what its documentation begins with."""

    def load(self, day: dt.date, bodies: Replies) -> None:
        rows = typed(bodies, day).to_dict("records")
        self.pipeline.run(rows, table_name="attendees", write_disposition="merge", primary_key=KEY)


class DltTuned(_Dlt):
    """The fastest that was found: Arrow in, Parquet between, ADBC out, delete and insert. No index is kept."""

    def load(self, day: dt.date, bodies: Replies) -> None:
        rows = pa.Table.from_pandas(typed(bodies, day), preserve_index=False)
        self.pipeline.run(
            [rows],
            table_name="attendees",
            write_disposition={"disposition": "merge", "strategy": "delete-insert"},
            primary_key=KEY,
            loader_file_format="parquet",
        )


def _with_host(url: str) -> str:
    """dlt wants a host and a password in their places; the folder of a socket will do for the one."""
    parts = urlsplit(url)
    host = parse_qs(parts.query)["host"][0]
    return f"postgresql://{parts.username}:none@{quote(host, safe='')}:{parts.port}{parts.path}"
