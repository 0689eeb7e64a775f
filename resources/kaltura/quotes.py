"""Whose quotes stand around a value: the server's, which come off, or those that a person typed, which stay.

A column that the server wraps has every value that there is in quotes, and quotes inside doubled. Where one value is not
wrapped, people typed the quotes of the others. Where there are few values, all may be of people who typed some: whose they
are is then known from an e-mail address among them, around which nobody types quotes, from the reply of the same report that
had the most, or else they stay.
"""

import threading
from dataclasses import dataclass, field

import pandas as pd

from resources.kaltura.query import Source

_ADDRESS = r'[^\s"@]+@[^\s"@]+'
FEW = 3  # different values, from which on quotes around all of them are no chance


@dataclass
class Quotes:
    """What replies have told so far of each report's columns: the most different values that one had, and whose quotes."""

    _told: dict[tuple[int, str], tuple[int, bool]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def taken_off(self, frame: pd.DataFrame, source: Source) -> pd.DataFrame:
        """The frame without the server's quotes. Nobody types some around an id, a time or a figure."""
        for name in frame.columns:
            values = frame[name]
            found = values[values != ""]
            wrapped = _inside(found)
            is_told = name in source.one_line or self._are_the_servers(source.report_id, name, found, wrapped)
            if wrapped is not None and is_told:
                frame[name] = wrapped.str.replace('""', '"', regex=False).reindex(values.index, fill_value="")
        return frame

    def _are_the_servers(self, report_id: int, column: str, found: pd.Series, wrapped: pd.Series | None) -> bool:
        if wrapped is not None and wrapped.str.contains('""', regex=False).any():
            return True  # nobody types a quote twice
        if wrapped is not None and wrapped.str.fullmatch(_ADDRESS).any():
            return True  # erasures and lists know a person by the address alone
        count = found.nunique()
        with self._lock:
            most, are_the_servers = self._told.get((report_id, column), (FEW - 1, False))
            if count > most:
                are_the_servers = wrapped is not None
                self._told[report_id, column] = count, are_the_servers
        return are_the_servers


def _inside(found: pd.Series) -> pd.Series | None:
    """What stands in the quotes, those inside still doubled; None where one value is not wrapped, or none is there."""
    if found.empty or not (found.str.startswith('"') & found.str.endswith('"') & (found.str.len() > 1)).all():
        return None
    inner = found.str.slice(1, -1)
    is_typed = inner.str.replace('""', "", regex=False).str.contains('"', regex=False).any()
    return None if is_typed else inner
