"""The warehouse as Dagster's assets ask for it: the database's URL, and an open pool while a run needs one."""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg
from pydantic import Field

from resources.database import database_url, is_private
from resources.migrations import migrate
from resources.warehouse import Warehouse


class Postgres(dg.ConfigurableResource["Postgres"]):
    """The warehouse. Without a URL: the checkout's private Postgres, started and brought up to date when first used."""

    url: str = Field(
        default="", repr=False, description="A postgresql:// URL. Empty: the private Postgres of the checkout."
    )

    @classmethod
    def from_environment(cls) -> "Postgres":
        """The URL is passed by name, so that the UI never shows the password in it."""
        return cls() if is_private() else cls(url=dg.EnvVar("DATABASE_URL"))

    @contextmanager
    def opened(self) -> Iterator[Warehouse]:
        """Raises `WarehouseError` where the database can't be used."""
        warehouse = Warehouse(self.url or self._private())
        try:
            yield warehouse
        finally:
            warehouse.close()

    @staticmethod
    def _private() -> str:
        url = database_url()
        migrate(url)  # nobody else looks after it
        return url
