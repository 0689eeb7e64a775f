"""Text of strangers in what `rich` prints: as text, for a plain string is read for rich's own markup and links."""

from rich.text import Text

from resources.runtime.printable import printable


def as_text(text: str, style: str = "") -> Text:
    return Text(printable(text), style=style)
