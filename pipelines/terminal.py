"""What `rich` prints: text of strangers as text, where a plain string is read for rich's own markup and links, and spinners."""

from rich.console import Console
from rich.text import Text

from resources.runtime.printable import printable


def as_text(text: str, style: str = "") -> Text:
    return Text(printable(text), style=style)


def spinner(console: Console) -> str:
    """The name of one that the console's encoding has."""
    return "line" if console.options.ascii_only else "dots"
