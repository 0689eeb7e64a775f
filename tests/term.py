"""Days of an invented university in a warehouse, with the university's own lists, without Dagster."""

import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from zoneinfo import ZoneInfo

import psycopg
from conftest import client_of

from resources.postgres.session import opened
from resources.privacy.pseudonyms import FULL
from resources.university.lists import LISTS
from resources.university.load import load, read_list
from resources.warehouse.provenance import Provenance
from resources.warehouse.warehouse import Warehouse
from simulator import Running, University, lists

ACCOUNT = 9999


def pull(url: str, kaltura: Running, days: Sequence[dt.date]) -> None:
    """The days, at once."""
    from assets.pull.asset import CALENDAR, PullConfig  # reads the settings
    from assets.pull.extract import extract
    from assets.reports import REPORTS
    from resources.kaltura.windows import Days

    pool = Warehouse(url)
    with client_of(kaltura) as client:
        number = pool.next_pull()
        extracted = extract(Days(days[0], days[-1]), REPORTS, client, CALENDAR, PullConfig().filters(), number=number)
        for day in days:
            pool.upsert(day, extracted.by_day[day], Provenance(ACCOUNT, extracted.pull))
    pool.close()


def load_lists(url: str, folder: Path, university: University, first: dt.date, last: dt.date) -> None:
    """The university's courses of these days, by files in the folder; and the planner knows of all that is there."""
    for name, text in lists(university, first, last).items():
        (folder / f"{name}.csv").write_text(text)
    for wanted in LISTS:
        with opened(url) as connection:
            load(connection, read_list(folder / wanted.file_name, wanted, ACCOUNT, FULL, ZoneInfo("UTC")))
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("ANALYZE")
