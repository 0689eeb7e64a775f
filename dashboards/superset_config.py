"""Superset's settings, for `make dashboards` and for the container: nothing secret stands here.

SUPERSET_HOME is where Superset keeps what is its own; DASHBOARDS_SECRETS a folder with a file for each secret.

Whoever has the role `kaltura_analyst_pii` asks the warehouse by a login that may see people, and everybody else by one that
may not: it is the database that refuses, whatever a chart or a query asks for.
"""

import copy
import os
from pathlib import Path
from typing import Any

from superset.config import TALISMAN_CONFIG as _TALISMAN
from superset.utils.log import DBEventLogger as _DBEventLogger

ANALYST, PEOPLE = "kaltura_dashboards", "kaltura_dashboards_people"
PEOPLE_ROLE = "kaltura_analyst_pii"

_HOME = Path(os.environ["SUPERSET_HOME"])
_SECRETS = Path(os.environ.get("DASHBOARDS_SECRETS") or _HOME / "secrets")


def _secret(name: str) -> str:
    return (_SECRETS / name).read_text("utf-8").strip()


SECRET_KEY = _secret("superset_secret_key")
SQLALCHEMY_DATABASE_URI = f"sqlite:///{_HOME / 'superset.db'}"
APP_NAME = "Kaltura rooms"
FEATURE_FLAGS = {"CACHE_QUERY_BY_USER": True}
# No picture from elsewhere: the one of Superset's page tells its makers' counter who looks at it.
TALISMAN_CONFIG = copy.deepcopy(_TALISMAN)
TALISMAN_CONFIG["content_security_policy"]["img-src"] = ["'self'", "blob:", "data:"]


class _WithoutWhatWasAsked(_DBEventLogger):
    """Who did what with which dashboard and chart: not the request, for a filter in it may name a person.

    The name of an event stays, by which Superset finds what was opened lately.
    """

    def log(self, *args: Any, records: list[Any] | None = None, **told: Any) -> None:
        kept = [
            {"event_name": each["event_name"]} if isinstance(each, dict) and "event_name" in each else {}
            for each in records or [{}]
        ]
        told |= {"referrer": None, "curated_payload": None, "curated_form_data": None}
        super().log(*args, records=kept, **told)


EVENT_LOGGER = _WithoutWhatWasAsked()


def DB_CONNECTION_MUTATOR(  # noqa: N802 (Superset's name)
    uri: Any, params: dict[str, Any], username: str | None, security_manager: Any, source: Any
) -> tuple[Any, dict[str, Any]]:
    """The warehouse's login, by the roles of who asks."""
    if uri.username == ANALYST and PEOPLE_ROLE in {role.name for role in security_manager.get_user_roles()}:
        uri = uri.set(username=PEOPLE, password=_secret("people_password"))
    return uri, params
