"""`export`: views of the warehouse as files, for a spreadsheet, a notebook or a colleague."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import click

from pipelines.command_line import Command, database_url_option, day_option
from resources.export.export import MANIFEST, Asked, export
from resources.export.files import EXCEL_CHARACTERS, FORMATS
from resources.postgres import url
from resources.runtime import interrupts
from resources.runtime.counted import counted
from resources.settings import SettingError, output_folder


@click.command(cls=Command)
@click.argument("views", nargs=-1, metavar="VIEW...")
@day_option("--from", "first", "First day, as 2026-01-31. Without it, from the first one that there is.")
@day_option("--to", "last", "Last day. Without it, to the last one that there is.")
@click.option("--account", type=int, metavar="PARTNER_ID", help="One account alone.")
@click.option("--format", "form", type=click.Choice(list(FORMATS)), default="parquet", show_default=True)
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="The folder.")
@database_url_option
def command(
    views: tuple[str, ...],
    first: dt.date | None,
    last: dt.date | None,
    account: int | None,
    form: str,
    out: Path | None,
    database_url: str,
) -> None:
    """Write each VIEW of schema analytics into a file, as the login of DATABASE_URL may see it, all of one moment.

    Beside them stands export.json: when they were read, what was asked for, and how far the data are known. A file that
    is there already is replaced. By default the folder is .local/exports or, where nothing can be written into the
    checkout, exports in DAGSTER_HOME.
    """
    if not views:
        raise SettingError("Say which views: `export sessions attendance`. docs/data-dictionary.md lists them.")
    if first and last and last < first:
        raise SettingError(f"There is no day from {first} to {last}.")
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    from pipelines.terminal import spinner

    folder, console = out or output_folder("exports"), Console()
    # A view's name is as it was typed: text, whatever stands in it.
    said = TextColumn("{task.description}: {task.completed:,.0f} rows", markup=False)
    columns = SpinnerColumn(spinner(console)), said, TimeElapsedColumn()
    with interrupts.also_on_termination(), Progress(*columns, console=console, transient=True) as shown:
        tasks = {view: shown.add_task(view, total=None) for view in views}
        done = export(
            database_url or url.database_url(),
            Asked(views, form, first, last, account),
            folder,
            lambda view, rows: shown.update(tasks[view], completed=rows),
        )
    lines = [f"{folder / each.file}: {counted(each.rows, 'row')}{_cut(each.cut_cells)}" for each in done]
    lines.append(f"{folder / MANIFEST}: when they were read, and how far the data are known")
    console.print("\n".join(lines), highlight=False, markup=False, soft_wrap=True)


def _cut(cells: int) -> str:
    """What a sheet lacks; nothing where it lacks nothing."""
    if not cells:
        return ""
    return f", {counted(cells, 'cell')} cut at {EXCEL_CHARACTERS:,} characters: csv and parquet have them whole"
