"""Where the rows of a load come from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from resources.arrivals import Pull


@dataclass(frozen=True)
class Provenance:
    """Who pulled, and which pull it was."""

    partner_id: int
    pull: Pull
    filters: Mapping[str, Sequence[str]] | None = None
    run_id: str | None = None
    root_run_id: str | None = None
