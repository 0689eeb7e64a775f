"""`migrate`: brings a database to this version's schema."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pipelines.command_line import Command, database_url_option

if TYPE_CHECKING:
    from collections.abc import Sequence

    from resources.table import Table


@click.command(cls=Command)
@database_url_option
def command(database_url: str) -> None:
    """Bring the database to this version's schema. Safe to repeat."""
    from resources.runtime import garbage

    with garbage.none_among_imports():  # the declarations come with Dagster, which takes twice as long without this
        from assets.reports import TABLES
    from resources.postgres import url
    from resources.postgres.migrations import migrate

    at = database_url or url.database_url()
    applied = migrate(at, TABLES)
    click.echo("\n".join(f"applied {what}" for what in applied) or "the schema is current")
    _register_listed_people(at, TABLES)


def _register_listed_people(at: str, tables: Sequence[Table]) -> None:
    """As each pull does. Not where the settings are missing here, or are not those that the warehouse is filled with."""
    from resources.postgres import statistics
    from resources.postgres.session import opened
    from resources.privacy import roster
    from resources.privacy.people import has_settings_of, lock_shared
    from resources.settings import SettingError, privacy_settings

    try:
        privacy = privacy_settings()
    except SettingError:
        return
    with opened(at) as connection:
        lock_shared(connection)
        if has_settings_of(connection, privacy):
            left = statistics.take_anew(connection) if roster.register(connection, privacy, None, tables) else []
            click.echo(statistics.told_of(left), nl=bool(left))
