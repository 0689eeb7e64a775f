"""A real browser: the system's Chromium, headless, with a profile of its own that is thrown away.

`CHROMIUM` names another program; `SCREENS` a folder for pictures of the main steps. What the browser showed when a test
failed is kept under .local/test-ui/, and the failure says so.
"""

import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pipeline import CHECKOUT
from playwright.sync_api import Page, sync_playwright

KEPT = CHECKOUT / ".local" / "test-ui"
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# No request leaves the machine of the browser's own accord. As root, Chromium refuses to run in its sandbox.
FLAGS = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
WAIT_MILLISECONDS = 60_000

Keep = Callable[[str], None]


@pytest.fixture(scope="session")
def chromium() -> str:
    """The program. Asked for first, so that its absence is said before anything is started."""
    named = os.environ.get("CHROMIUM", "")
    found = next((path for name in ([named] if named else NAMES) if (path := shutil.which(name))), None)
    if found is None:
        wanted = f"CHROMIUM={named} is no program" if named else "There is no Chromium on this machine"
        pytest.exit(
            f"{wanted}. Install one (Debian, Ubuntu: apt-get install chromium), or set CHROMIUM to its path.",
            returncode=2,
        )
    return found


@pytest.fixture
def page(chromium: str, tmp_path: Path) -> Iterator[Page]:
    flags = [*FLAGS, "--no-sandbox"] if os.geteuid() == 0 else list(FLAGS)
    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            tmp_path / "profile",
            executable_path=chromium,
            headless=True,
            args=flags,
            viewport={"width": 1280, "height": 800},
            timezone_id="UTC",
            locale="en-US",
        )
        context.set_default_timeout(WAIT_MILLISECONDS)
        yield context.pages[0]
        context.close()


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
