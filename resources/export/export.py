"""Views as files: streamed, so that memory is bounded whatever their size, and all of one moment, so that they agree.

They take their places together once all are whole: until then the files of an export before stay as they are.

Beside the files stands `export.json`: when they were read and by which login, what was asked for, how many rows each has
and how many of its values were cut, and how far each report was known then.
"""

import datetime as dt
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa

from resources.export.catalog import ACCOUNT, SCHEMA, ExportedView, ExportError, chosen
from resources.export.files import new_file
from resources.postgres import session
from resources.postgres.reading import OneMoment, expect_the_same
from resources.runtime.atomic_file import atomic_files

BATCH_ROWS = 10_000
MANIFEST = "export.json"
_FRESHNESS = """
SELECT to_jsonb(f) FROM analytics.data_freshness AS f
WHERE f.account_id = %(account)s OR %(account)s::bigint IS NULL
ORDER BY f.account_id, f.report_id
"""


@dataclass(frozen=True)
class Asked:
    """What is to be exported. `first` and `last` are days as the view has them, both included; of hours, days of UTC."""

    views: Sequence[str]
    form: str
    first: dt.date | None = None
    last: dt.date | None = None
    account: int | None = None


@dataclass(frozen=True)
class Exported:
    """A file that was written. `cut_cells`: how many of its values end early, as a cell of Excel has no room for more."""

    view: str
    file: str
    rows: int
    cut_cells: int


def export(url: str, asked: Asked, folder: Path, progress: Callable[[str, int], None]) -> list[Exported]:
    """Write a file for each view, and the manifest. `progress` is told a view's name and how many of its rows are written.

    Raises `ExportError`, also where the folder can't be written to, and `DatabaseError` where the database refuses.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with atomic_files(folder) as draft, session.connect(url) as connection, session.ended(connection):
            moment = OneMoment()
            moment.begin(connection)
            moment.settle(connection)
            views = chosen(connection, asked.views)
            wheres = [_where(view, asked) for view in views]
            done = [
                _written(connection, view, where, draft(_file_name(view, asked)), asked.form, progress)
                for view, where in zip(views, wheres, strict=True)
            ]
            manifest = _manifest(connection, asked, done)
            expect_the_same(connection)
            draft(MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", "utf-8")
    except psycopg.Error as error:
        described: Exception = session.refused(error)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)  # Arrow has words of its own
        described = ExportError(f"{folder} can't be written to: {reason}.")
    else:
        return done
    raise described from None  # out here, so that nothing carries the database's own error, which quotes rows


def _where(view: ExportedView, asked: Asked) -> tuple[str, list[Any]]:
    """The condition and its parameters. Raises `ExportError` where the view has nothing to choose by."""
    conditions: list[str] = []
    parameters: list[Any] = []
    if asked.first or asked.last:
        if view.day is None:
            raise ExportError(f"{view.name} has no day to choose by: leave --from and --to out for it.")
        for day, sign in ((asked.first, ">="), (asked.last, "<=")):
            if day:
                conditions.append(f"{view.day} {sign} %s")
                parameters.append(day)
    if asked.account is not None:
        if not view.has_account:
            raise ExportError(f"{view.name} has no account to choose by: leave --account out for it.")
        conditions.append(f"{ACCOUNT} = %s")
        parameters.append(asked.account)
    return (f" WHERE {' AND '.join(conditions)}" if conditions else ""), parameters


def _file_name(view: ExportedView, asked: Asked) -> str:
    return f"{view.name}.{asked.form}"


def _written(
    connection: psycopg.Connection,
    view: ExportedView,
    where: tuple[str, list[Any]],
    draft: Path,
    form: str,
    progress: Callable[[str, int], None],
) -> Exported:
    condition, parameters = where
    columns = ", ".join(column.name for column in view.columns)
    query = f"SELECT {columns} FROM {SCHEMA}.{view.name}{condition}"  # names of the catalog's
    rows = 0
    with new_file(draft, view, form) as file, connection.cursor(name="export") as cursor:
        cursor.execute(query.encode(), parameters)
        while batch := cursor.fetchmany(BATCH_ROWS):
            arrays = [
                pa.array(values, field.type)
                for values, field in zip(zip(*batch, strict=True), view.schema, strict=True)
            ]
            file.write(pa.record_batch(arrays, schema=view.schema))
            rows += len(batch)
            progress(view.name, rows)
    return Exported(view.name, draft.name, rows, file.cut_cells)


def _manifest(connection: psycopg.Connection, asked: Asked, done: Sequence[Exported]) -> dict[str, Any]:
    row = connection.execute("SELECT now(), current_user").fetchone()
    read_at, login = row if row else (None, None)
    return {
        "read_at": read_at.isoformat() if read_at else None,
        "login": login,
        "from": asked.first and str(asked.first),
        "to": asked.last and str(asked.last),
        "account": asked.account,
        "files": [asdict(each) for each in done],
        "freshness": [each for (each,) in connection.execute(_FRESHNESS, {"account": asked.account})],
    }
