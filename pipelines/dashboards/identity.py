"""What Superset knows the parts of the bundle by: ids that follow from their names, so that an import finds them again."""

import uuid

VERSION = "1.0.0"  # of Superset's export format
DATABASE = "Kaltura rooms"
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_DNS, "kaltura-room-warehouse.dashboards")


def identifier(kind: str, name: str) -> str:
    """The UUID of a database, dataset, chart or dashboard."""
    return str(uuid.uuid5(_NAMESPACE, f"{kind}/{name}"))


def number(kind: str, name: str) -> int:
    """A number for it, which an import replaces everywhere by Superset's own."""
    return uuid.uuid5(_NAMESPACE, f"{kind}/{name}").int % 1_000_000_000
