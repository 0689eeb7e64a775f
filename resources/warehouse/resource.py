"""The warehouse as Dagster's assets ask for it: the database's URL, and an open pool while a run needs one."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

import dagster as dg
from pydantic import Field

from resources.postgres.migrations import migrate
from resources.postgres.roles import apply_roles
from resources.postgres.url import database_url
from resources.privacy.pseudonyms import Privacy
from resources.runtime.processes import execution_tag
from resources.settings import privacy_settings
from resources.table import Table
from resources.warehouse.warehouse import Warehouse

_SETTINGS = {
    "url": "DATABASE_URL",
    "pii_mode": "PII_MODE",
    "pii_key": "PII_KEY",
    "retention_days": "RETENTION_DAYS",
}


class WarehouseResource(dg.ConfigurableResource["WarehouseResource"]):
    """The warehouse. Without a URL: the checkout's private Postgres, started and brought up to date when first used."""

    tables: ClassVar[Sequence[Table]] = ()
    """Those whose comments are declared: whoever has the declarations says so in a class of their own."""

    url: str = Field(
        default="", repr=False, description="A postgresql:// URL. Empty: the private Postgres of the checkout."
    )

    pii_mode: str = Field(default="", description="What is kept of people: full, pseudonymous or none.")
    pii_key: str = Field(default="", repr=False, description="What pseudonyms are made with.")
    retention_days: str = Field(default="", description="For how many days names are kept. Empty or 0: for good.")

    @classmethod
    def from_environment(cls) -> "WarehouseResource":
        """What is set is passed by name, so that the UI never shows the password in the URL, nor the key."""
        given: dict[str, Any] = {
            field: dg.EnvVar(name) for field, name in _SETTINGS.items() if os.environ.get(name, "").strip()
        }
        return cls(**given)

    @property
    def privacy(self) -> Privacy:
        """Raises `SettingError`."""
        return privacy_settings({name: getattr(self, field) for field, name in _SETTINGS.items()})

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Every step of the project asks for the warehouse, so that here each run says which process executes it."""
        if context.run and context.instance:  # a sensor has no run
            context.instance.add_run_tags(context.run.run_id, execution_tag(context.run.run_id))

    @contextmanager
    def opened(self) -> Iterator[Warehouse]:
        """Raises `WarehouseError` where the database can't be used."""
        warehouse = Warehouse(self.url or self._private(), self.privacy)
        try:
            yield warehouse
        finally:
            warehouse.close()

    @classmethod
    def _private(cls) -> str:
        url = database_url()
        migrate(url, cls.tables)  # nobody else looks after it
        apply_roles(url, again=False)
        return url
