"""`docs`: writes the pages that are made from something else.

docs/data-dictionary.md, docs/dbt/sources.yml, the dashboards' bundle and assets/column_lineage.csv from the catalog of a
fresh database, docs/settings.md from `.env.example`.
"""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click
import psycopg

from pipelines.command_line import Command, Stopped
from pipelines.dashboards import bundle
from pipelines.pages import data_dictionary, dbt_sources, settings_page
from resources.local import postgres as local_postgres
from resources.postgres.migrations import migrate
from resources.settings import CHECKOUT

if TYPE_CHECKING:
    from assets.lineage import ColumnOrigin

SETTINGS_PAGE = CHECKOUT / "docs" / "settings.md"


def described_anew() -> tuple[list[data_dictionary.Column], "list[ColumnOrigin]"]:
    """The columns of a database that this version's migrations and views have just made, and where views' come from."""
    from assets.reports import TABLES  # with Dagster's assets, which read the settings
    from pipelines.pages import column_lineage

    with tempfile.TemporaryDirectory(prefix="kaltura-docs-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # the server may run as another user
        local_postgres.start(folder)
        try:
            url = local_postgres.url(folder)
            migrate(url, TABLES)
            with psycopg.connect(url) as connection:
                return data_dictionary.columns(connection), column_lineage.origins(connection)
        finally:
            local_postgres.remove(folder)


@click.command(cls=Command)
@click.option("--check", is_flag=True, help="Write nothing; fail if a page is not current.")
def command(check: bool) -> None:
    """Write what is made from a fresh database's comments (data dictionary, dbt's sources, dashboards), and the settings page."""
    from pipelines.pages import column_lineage

    described, origins = described_anew()
    pages = {
        data_dictionary.PATH: data_dictionary.page(described),
        dbt_sources.PATH: dbt_sources.sources(described),
        column_lineage.PATH: column_lineage.text(origins),
        SETTINGS_PAGE: settings_page.page(settings_page.SOURCE.read_text("utf-8")),
        **{bundle.FOLDER / name: text for name, text in bundle.files(described).items()},
    }
    left_over = [path for path in bundle.FOLDER.rglob("*.yaml") if path not in pages]
    old = [path for path, text in pages.items() if not path.exists() or path.read_text("utf-8") != text]
    names = " and ".join(str(path.relative_to(CHECKOUT)) for path in [*old, *left_over])
    if check and names:
        raise Stopped(f"Not what the database and .env.example say: {names}. Run `make docs`.")
    for path in old:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(pages[path], "utf-8")
    for path in left_over:
        path.unlink()
    if names:
        click.echo(f"wrote {names}")
