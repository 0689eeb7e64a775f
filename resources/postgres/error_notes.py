"""What is known of an error where it is met, and told where it ends: the driver's own errors have no place for it.

It goes along as an attribute of the error, whatever its class: also of Ctrl-C in the middle of a COMMIT.
"""

_WAITED_FOR, _WHAT_STANDS = "waited_for", "what_stands"


def note_waited_for(error: BaseException, lock: str) -> None:
    setattr(error, _WAITED_FOR, lock)


def waited_for(error: BaseException) -> str:
    """The lock that it waited for in vain, and who held it."""
    return str(getattr(error, _WAITED_FOR, ""))


def note_what_stands(error: BaseException, sentence: str) -> None:
    setattr(error, _WHAT_STANDS, sentence)


def what_stands(error: BaseException | None) -> str:
    """What has become of the transaction that it ended, where that is not simply undone."""
    return str(getattr(error, _WHAT_STANDS, ""))
