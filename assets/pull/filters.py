"""What a pull is restricted to, by the settings KALTURA_*_IDS or by its run's config."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from assets.report import Report
from assets.reports import REPORTS
from resources.kaltura.query import Filter
from resources.settings import word_list


@dataclass(frozen=True)
class Filters:
    """Lists of ids by the setting's name. An empty list restricts nothing."""

    ids: Mapping[str, Sequence[str]]

    @classmethod
    def from_settings(cls) -> "Filters":
        """What the installation keeps to."""
        return cls({name: word_list(f"KALTURA_{name.upper()}") for report in REPORTS for name in report.filters})

    def of(self, report: Report) -> dict[Filter, Sequence[str]]:
        return {filter_: self.ids[name] for name, filter_ in report.filters.items() if self.ids.get(name)}

    def names_of(self, report: Report) -> dict[str, Sequence[str]] | None:
        """Those by which the report is restricted, by the setting's name; None where nothing restricts it."""
        return {name: ids for name, ids in self.ids.items() if ids and name in report.filters} or None
