"""The base of errors that a person mends by changing a setting or running a command."""


class ConfigurationError(RuntimeError):
    """Something outside the program is not as it has to be; the message says what, and what to do."""
