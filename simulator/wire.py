"""The wire format of a report: how cells are printed and rows become the bytes that Kaltura sends.

There is no quoting and no escaping: commas inside values turn into blanks and line breaks inside values survive.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

BOM = "\ufeff"
SIGNIFICANT_DIGITS = 14

EmptyReport = Literal["newline", "header"]


@dataclass(frozen=True)
class Report:
    """A report's printed cells, column by column, in the order in which they are sent.

    `found_row_count` is what its query found, up to the limit: more than its rows where some were dropped after that.
    """

    columns: Mapping[str, list[str]]
    found_row_count: int = 0

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))

    def without(self, names: Collection[str]) -> "Report":
        return Report({name: cells for name, cells in self.columns.items() if name not in names})

    def first(self, rows: int | None) -> "Report":
        return Report({name: cells[:rows] for name, cells in self.columns.items()})


def printed_metric(value: float | int | None) -> str:
    """A figure as PHP prints it: 14 significant digits, `1.0E-5` for what C prints as `1E-05`, `0` for null."""
    if value is None:
        return "0"
    text = f"{value:.{SIGNIFICANT_DIGITS}G}"
    if "E" not in text:
        return text
    mantissa, exponent = text.split("E")
    return f"{mantissa if '.' in mantissa else mantissa + '.0'}E{int(exponent):+d}"


def printed_dimension(value: str | int | None) -> str:
    """A dimension as it is sent: `0` for null, blanks for commas."""
    return "0" if value is None else str(value).replace(",", " ")


def csv_bytes(report: Report, *, empty: EmptyReport = "newline", quoted: Collection[str] = ()) -> bytes:
    """The whole reply. Columns in `quoted` come in double quotes, inner ones doubled, as some accounts see them."""
    header = ",".join(report.columns)
    if not len(report):
        return f"{BOM}{header if empty == 'header' else ''}\n".encode()
    columns = [_in_quotes(cells) if name in quoted else cells for name, cells in report.columns.items()]
    rows = map(",".join, zip(*columns, strict=True))
    return f"{BOM}{header}\n{chr(10).join(rows)}\n".encode()


def _in_quotes(cells: list[str]) -> list[str]:
    return ['"' + cell.replace('"', '""') + '"' for cell in cells]
