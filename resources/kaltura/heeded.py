"""Whether the server heeds a filter of which no column of a reply shows it.

A key that a report does not know is ignored in silence, and the reply is then that of the whole account (section 1).
An id that nobody has tells: what has rows for it would have them for any.
"""

from resources.kaltura.client import Client, RequestStats
from resources.kaltura.errors import CutOff, FilterIgnored
from resources.kaltura.query import NO_SUCH_ID, Filter, Query

_ADVICE = (
    "Nothing of these days was written. Leave {setting} empty, or whole reports are stored under its name; ask Kaltura's "
    "support why the account's reports do not know it."
)


def require_heeded(client: Client, query: Query, stats: RequestStats, excluded_columns: tuple[str, ...]) -> None:
    """Raises `FilterIgnored` where a filter of a query that brought rows keeps none out.

    Each is asked about once a client, in the window and with the other filters of the query, where there are rows.
    """
    for filter_ in query.ids:
        known = query.source.report_id, filter_.name
        if filter_.column is None and known not in client.heeded:
            if _brings_rows(client, query, filter_, stats, excluded_columns):
                what = f"{filter_.name} keeps no row out: an id that nobody has brings rows"
                raise FilterIgnored(
                    what, about=str(query), advice=_ADVICE.format(setting=f"KALTURA_{filter_.name.upper()}")
                )
            client.heeded.add(known)


def _brings_rows(
    client: Client, query: Query, filter_: Filter, stats: RequestStats, excluded_columns: tuple[str, ...]
) -> bool:
    nobody = Query(query.source, query.window, {**query.ids, filter_: [NO_SUCH_ID]}, chosen=query.chosen)
    try:
        return bool(client.ask(nobody, stats, excluded_columns=excluded_columns).rows.received)
    except CutOff:
        return True
