"""What outlives the warehouse that a backup replaces: erasures, and that the names of old days have gone."""

from collections.abc import Sequence

import psycopg

from pipelines.retention import after_restore
from resources.privacy.restored import KeptErasures
from resources.privacy.settings import Privacy
from resources.table import Table


class Kept(KeptErasures):
    """What `restore` is given. `names` says in a sentence what became of those that the backup brought back."""

    def __init__(self, privacy: Privacy, tables: Sequence[Table]) -> None:
        super().__init__(privacy, tables)
        self.names = ""

    def after(self, connection: psycopg.Connection) -> None:
        super().after(connection)
        self.names = after_restore(connection, self.privacy)
