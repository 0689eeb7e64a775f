"""The files of an export, one format a class: typed Parquet, and CSV and Excel that are safe to open in a spreadsheet."""

import csv
import datetime as dt
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import xlsxwriter
from xlsxwriter.exceptions import XlsxWriterException

from resources.export.catalog import ExportedView, ExportError

EXCEL_ROWS = 1_048_575  # below the head
EXCEL_CHARACTERS = 32_767  # of a cell, as UTF-16 counts them
# A spreadsheet takes a cell that begins so for a formula, which may run a program or send the sheet away (OWASP, CSV injection).
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")
TEXT_MARK = "'"  # what makes a cell of a CSV file text


class ExportFile(ABC):
    """Takes batches of a view's rows. `cut_cells` is how many values the format had no room for, and that end early in it."""

    cut_cells = 0

    @abstractmethod
    def write(self, batch: pa.RecordBatch) -> None: ...

    @abstractmethod
    def close(self) -> None: ...

    def discard(self) -> None:
        """Let go of a file that is not wanted any more: what went wrong is known, and no error of this hides it."""
        with suppress(Exception):
            self.close()


class Parquet(ExportFile):
    """Typed columns, each with the view's comment as its description; a row group a batch."""

    def __init__(self, path: Path, view: ExportedView) -> None:
        self._writer = pq.ParquetWriter(path, view.schema, compression="zstd")

    def write(self, batch: pa.RecordBatch) -> None:
        self._writer.write_batch(batch)

    def close(self) -> None:
        self._writer.close()


class Csv(ExportFile):
    """UTF-8 with the mark that spreadsheets tell it by. Empty is NULL; times are ISO 8601 in UTC."""

    def __init__(self, path: Path, view: ExportedView) -> None:
        self._file = path.open("w", encoding="utf-8-sig", newline="")
        self._writer = csv.writer(self._file)
        self._writer.writerow(column.name for column in view.columns)

    def write(self, batch: pa.RecordBatch) -> None:
        columns = [map(_csv_cell, column.to_pylist()) for column in batch.columns]
        self._writer.writerows(zip(*columns, strict=True))

    def close(self) -> None:
        self._file.close()


class Excel(ExportFile):
    """A sheet whose head stays in view. Dates and times are Excel's own, times in UTC, as it knows no time zones.

    The rows are on disk twice before they are packed: beside the draft, in its folder, with which they go.
    """

    def __init__(self, path: Path, view: ExportedView) -> None:
        self._name = view.name
        options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
        words = {"default_date_format": "yyyy-mm-dd", "tmpdir": str(path.parent)}
        self._book = xlsxwriter.Workbook(str(path), {**options, **words})
        self._book.use_zip64()  # a sheet may be larger than 4 GB unpacked
        self._time = self._book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
        self._sheet = self._book.add_worksheet(view.name[:31])
        self._sheet.freeze_panes(1, 0)
        self._sheet.write_row(0, 0, [column.name for column in view.columns], self._book.add_format({"bold": True}))
        self._row = 0

    def write(self, batch: pa.RecordBatch) -> None:
        for values in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            self._row += 1
            if self._row > EXCEL_ROWS:
                raise ExportError(
                    f"{self._name} has more than {EXCEL_ROWS:,} rows, and a sheet of Excel ends there. Choose --format csv or "
                    "parquet, or fewer days."
                )
            for at, value in enumerate(values):
                self._cell(at, value)

    def _cell(self, at: int, value: Any) -> None:
        match value:
            case None:
                return
            case bool():
                self._sheet.write_boolean(self._row, at, value)
            case dt.datetime():
                self._sheet.write_datetime(self._row, at, value.astimezone(dt.UTC).replace(tzinfo=None), self._time)
            case dt.date():
                self._sheet.write_datetime(self._row, at, value)
            case int() | float():
                self._sheet.write_number(self._row, at, value)
            case list():
                self._sheet.write_string(self._row, at, self._fitting(_joined(value)))
            case _:
                self._sheet.write_string(self._row, at, self._fitting(str(value)))

    def _fitting(self, text: str) -> str:
        """The text as far as a cell has room for it."""
        units = text.encode("utf-16-le")
        if len(units) <= 2 * EXCEL_CHARACTERS:
            return text
        self.cut_cells += 1
        return units[: 2 * EXCEL_CHARACTERS].decode("utf-16-le", "ignore")  # half a character is none

    def close(self) -> None:
        try:
            self._book.close()
        except XlsxWriterException as error:  # among them what the disk says
            raise ExportError(f"{self._name} can't be written as Excel: {str(error).splitlines()[0]}.") from None

    def discard(self) -> None:
        """Without packing the rows first."""
        with suppress(OSError):
            self._sheet.row_data_fh.close()


FORMATS: Mapping[str, type[Parquet | Csv | Excel]] = {"parquet": Parquet, "csv": Csv, "xlsx": Excel}


@contextmanager
def new_file(draft: Path, view: ExportedView, form: str) -> Iterator[ExportFile]:
    """It is whole when the block has ended well."""
    made = FORMATS[form](draft, view)
    try:
        yield made
        made.close()
    except BaseException:
        made.discard()
        raise


def _csv_cell(value: Any) -> Any:
    match value:
        case str():
            return f"{TEXT_MARK}{value}" if value.startswith(FORMULA_STARTS) else value
        case bool():
            return "true" if value else "false"
        case dt.datetime():
            return value.astimezone(dt.UTC).isoformat()
        case list():
            return _csv_cell(_joined(value))
        case _:
            return value


def _joined(values: list[Any]) -> str:
    return ", ".join("" if value is None else str(value) for value in values)
