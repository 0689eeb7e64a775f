"""What holds for every page that people read."""

import re
from pathlib import Path

import pytest

from resources.settings import CHECKOUT

PAGES = [*CHECKOUT.glob("*.md"), *(CHECKOUT / "docs").rglob("*.md")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(CHECKOUT)))
def test_every_page_that_a_page_names_is_there(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text("utf-8")):
        assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(CHECKOUT)))
def test_no_paragraph_of_a_page_stands_there_twice(page: Path) -> None:
    paragraphs = [text for text in page.read_text("utf-8").split("\n\n") if len(text) > 120]
    assert sorted({text for text in paragraphs if paragraphs.count(text) > 1}) == []
