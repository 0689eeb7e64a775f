"""Where the rows of a load come from."""

from dataclasses import dataclass
from zoneinfo import ZoneInfo

from resources.arrivals import Pull


@dataclass(frozen=True)
class Provenance:
    """Who pulled, and which pull it was. `timezone` is where its days are cut; without one it is not held against theirs."""

    partner_id: int
    pull: Pull
    run_id: str | None = None
    root_run_id: str | None = None
    timezone: ZoneInfo | None = None
