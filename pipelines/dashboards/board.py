"""What a dashboard is made of: rows of charts, perhaps under tabs, and the filters that reach them."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from pipelines.dashboards.charts import Chart

DAYS = "Days"
COLUMNS = 12  # of Superset's grid
# Eight whole weeks and the running one, in Superset's words.
LAST_WEEKS = "DATEADD(DATETRUNC(DATETIME('today'), WEEK), -8, WEEK) : DATEADD(DATETIME('today'), 1, DAY)"


@dataclass(frozen=True)
class Select:
    """A filter by the values of a column. `within` names filters whose choice narrows what can be chosen."""

    name: str
    dataset: str
    column: str
    words: str = ""
    is_one: bool = False
    within: Sequence[str] = ()


@dataclass(frozen=True)
class Placed:
    """A chart in a row: how many of the grid's columns it takes."""

    chart: Chart
    width: int


@dataclass(frozen=True)
class Row:
    """Charts beside each other."""

    height: int
    charts: Sequence[Placed]


def whole(height: int, chart: Chart) -> Row:
    """A row of one chart."""
    return Row(height, (Placed(chart, COLUMNS),))


@dataclass(frozen=True)
class Tab:
    """A part of a dashboard, with what it says above its charts."""

    name: str
    words: str
    rows: Sequence[Row]


@dataclass(frozen=True)
class Board:
    """A dashboard: `known` says on each how far the data are known; `tabs` has one without a name where there are none."""

    title: str
    slug: str
    words: str
    known: Chart
    tabs: Sequence[Tab]
    filters: Sequence[Select] = ()
    days: str = field(default=LAST_WEEKS)

    @property
    def charts(self) -> list[Chart]:
        """Each once, in the order of the page."""
        placed = [placed.chart for tab in self.tabs for row in tab.rows for placed in row.charts]
        return list(dict.fromkeys([self.known, *placed]))
