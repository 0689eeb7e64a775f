"""The warehouse with the tables that are declared beside this."""

from assets.reports import TABLES
from resources.warehouse.resource import WarehouseResource


class WarehouseWithComments(WarehouseResource):
    """The private Postgres of a checkout says of its columns what the declarations do."""

    tables = TABLES
