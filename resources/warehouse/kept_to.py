"""What an account's pulls are restricted to by its settings: recorded as of the last pull, and which loads are whole by it.

A pull without filters includes whatever the settings select, so its days stay whole when the settings change. Others are
whole only as long as the settings select just the ids that they were restricted to: with other settings the day lacks something.
Views, checks, `status` and the catching up all go by `loads.is_whole`.
"""

from collections.abc import Mapping
from typing import Any

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from resources.privacy.people import lock_exclusively
from resources.privacy.pseudonyms import PEOPLE_FILTER

KeptTo = Mapping[str, Any]
"""The ids that a report is restricted to, by the setting's name, as `People.kept_to` makes it."""

_IS_WHOLE = sql.SQL("{filters} IS NULL OR coalesce({filters} - {people} = calendars.kept_to -> {report}::text, FALSE)")


def is_whole(filters: sql.Composable, report: sql.Composable, account: sql.Composable) -> sql.Composed:
    """An expression: whether a load with these filters is whole by what is recorded of the account."""
    whole = _IS_WHOLE.format(filters=filters, people=sql.Literal(PEOPLE_FILTER), report=report)
    return sql.SQL(
        "coalesce((SELECT {whole} FROM kaltura.calendars WHERE calendars.partner_id = {account}), {filters} IS NULL)"
    ).format(whole=whole, account=account, filters=filters)


_OF_LOAD = is_whole(
    sql.Identifier("loads", "filters"), sql.Identifier("loads", "report_id"), sql.Identifier("loads", "partner_id")
)


def keep_to(connection: psycopg.Connection, partner_id: int, kept_to: Mapping[int, KeptTo | None]) -> int:
    """Record what the settings keep to, by report. How many loads were whole by what was recorded before, and are not now.

    After the zone is recorded: the account has its row then.
    """
    wanted = {str(report_id): filters for report_id, filters in kept_to.items() if filters} or None
    if _recorded(connection, partner_id) == wanted:
        return 0
    lock_exclusively(connection)
    connection.execute(
        "UPDATE kaltura.calendars SET kept_to = %s WHERE partner_id = %s",
        [Jsonb(wanted) if wanted else None, partner_id],
    )
    return judge_loads(connection, partner_id)


def judge_loads(connection: psycopg.Connection, partner_id: int) -> int:
    """Say anew of each load that was restricted whether it is whole. How many were, and are not now."""
    changed = connection.execute(
        sql.SQL(
            "UPDATE kaltura.loads SET is_whole = NOT is_whole WHERE partner_id = %s AND filters IS NOT NULL"
            " AND NOT filters ? 'started' AND is_whole <> {} RETURNING is_whole"
        ).format(_OF_LOAD),
        [partner_id],
    ).fetchall()
    return sum(not now for (now,) in changed)


def _recorded(connection: psycopg.Connection, partner_id: int) -> dict[str, Any] | None:
    row = connection.execute("SELECT kept_to FROM kaltura.calendars WHERE partner_id = %s", [partner_id]).fetchone()
    return row[0] if row else None
