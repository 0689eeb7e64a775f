"""The base of all errors that a command ends with in one line, without a traceback."""


class ProjectError(Exception):
    """What went wrong is known, and the message says it to whoever has to act."""


class ConfigurationError(ProjectError):
    """Something outside the program is not as it has to be; the message says what, and what to do."""
