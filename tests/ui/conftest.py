"""A real browser. `SCREENS` names a folder for pictures of the main steps. What the browser showed when a test
failed is kept under .local/test-ui/, and the failure says so.
"""

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import browser
import pytest
from pipeline import CHECKOUT
from playwright.sync_api import Page

KEPT = CHECKOUT / ".local" / "test-ui"

Keep = Callable[[str], None]


@pytest.fixture(scope="session")
def chromium() -> str:
    """The program. Asked for first, so that its absence is said before anything is started."""
    return browser.program() or pytest.exit(browser.lacking(), returncode=2)


@pytest.fixture
def page(chromium: str, tmp_path: Path) -> Iterator[Page]:
    with browser.opened(chromium, tmp_path) as page:
        yield page


@pytest.fixture
def keep(page: Page) -> Keep:
    """`keep("name")` takes a picture of what the browser shows, if pictures are wanted."""
    folder = os.environ.get("SCREENS", "")

    def take(name: str) -> None:
        if folder:
            page.mouse.move(0, 0)  # no tooltip
            page.screenshot(path=CHECKOUT / folder / f"{name}.png", animations="disabled")

    return take


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    report = yield
    page = getattr(item, "funcargs", {}).get("page")
    if report.when == "call" and report.failed and page is not None:
        KEPT.mkdir(parents=True, exist_ok=True)
        name = re.sub(r"\W+", "-", item.name)
        page.screenshot(path=KEPT / f"{name}.png")
        (KEPT / f"{name}.html").write_text(page.content(), "utf-8")
        report.sections.append(("The browser", f"It was at {page.url}. What it showed is in {KEPT / name}.png, .html"))
    return report
