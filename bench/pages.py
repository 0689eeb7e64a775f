"""Sections of pages under docs/ that a command writes: what stands between its two marks is the command's."""

from collections.abc import Iterable, Sequence

END = "<!-- until here -->"


def section(page: str, command: str) -> str:
    """What the command wrote. Raises `ValueError` where the page has no such marks."""
    begin = _begin(command)
    start = page.index(begin) + len(begin)
    return page[start : page.index(END, start)].strip("\n")


def with_section(page: str, command: str, text: str) -> str:
    """The page with the command's section made anew. Raises like `section`."""
    begin = _begin(command)
    start = page.index(begin) + len(begin)
    return f"{page[:start]}\n\n{text}\n\n{page[page.index(END, start) :]}"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """In Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def _begin(command: str) -> str:
    return f"<!-- written by `{command}` -->"
