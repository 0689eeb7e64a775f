"""What the private Postgres says when it can't be found, started or stopped."""

from resources.errors import ConfigurationError


class LocalPostgresError(ConfigurationError):
    """The private server can't be found, started or stopped: the message says what happened and what to do."""
