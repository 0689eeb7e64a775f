"""Text of strangers, such as a room's name or a server's message, made fit for a terminal and for a line of a log."""


def printable(text: str) -> str:
    """`text` with U+FFFD for each character that shows nothing: escape sequences and right-to-left overrides among them.

    Emoji that are joined from several come apart.
    """
    return text if text.isprintable() else "".join(each if each.isprintable() else "\ufffd" for each in text)
