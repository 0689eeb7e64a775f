"""Whether invented data of the stand-in lie beside those of the account that the settings name, and what to say of it.

Whoever tries the project first and connects an account then has both in one warehouse. Dagster's marks tell days, and not
accounts: days that the stand-in alone has loaded look loaded.
"""

import psycopg

from resources.local import kaltura as local_kaltura


def invented_beside(connection: psycopg.Connection) -> str:
    """The line; empty where there are none, or where the settings name no account of one's own. Raises `SettingError`."""
    if local_kaltura.is_standin() or local_kaltura.account() == local_kaltura.ACCOUNT:
        return ""
    asked = "SELECT EXISTS (SELECT FROM kaltura.loads WHERE partner_id = %s)"
    if connection.execute(asked, [local_kaltura.ACCOUNT]).fetchone() != (True,):
        return ""
    return (
        f"Invented data of account {local_kaltura.ACCOUNT} is beside yours, and its days count as loaded in Dagster: "
        f"`python -m pipelines forget-account {local_kaltura.ACCOUNT}` removes it, then "
        "`python -m pipelines status --mend` corrects what Dagster shows."
    )
