"""Advice about another account than that of the settings, by which commands without an account go."""

from resources.errors import ProjectError
from resources.local import kaltura as local_kaltura


def where_to_run(account: int) -> str:
    """Where to run what is advised for the account; empty where that is here."""
    try:
        here = local_kaltura.account()
    except ProjectError:  # the settings name no account that can be used
        here = None
    if here == account:
        return ""
    of_another = f": here it is of account {here}" if here is not None else ""
    return f"Run that in the environment of account {account}, where it has one of its own{of_another}."
