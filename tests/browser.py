"""The system's Chromium, headless, with a profile of its own that is thrown away. `CHROMIUM` names another program."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page, expect, sync_playwright

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
expect.set_options(timeout=WAIT_MILLISECONDS)  # five seconds of its own are too short for a busy machine


def program() -> str | None:
    """Where it is, if it is there."""
    named = os.environ.get("CHROMIUM", "")
    return next((path for name in ([named] if named else NAMES) if (path := shutil.which(name))), None)


def lacking() -> str:
    """What is said where it is not."""
    named = os.environ.get("CHROMIUM", "")
    wanted = f"CHROMIUM={named} is no program" if named else "There is no Chromium on this machine"
    return f"{wanted}. Install one (Debian, Ubuntu: apt-get install chromium), or set CHROMIUM to its path."


@contextmanager
def opened(chromium: str, folder: Path, width: int = 1280, height: int = 800) -> Iterator[Page]:
    flags = [*FLAGS, "--no-sandbox"] if os.geteuid() == 0 else list(FLAGS)
    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            folder / "profile",
            executable_path=chromium,
            headless=True,
            args=flags,
            viewport={"width": width, "height": height},
            timezone_id="UTC",
            locale="en-US",
        )
        context.set_default_timeout(WAIT_MILLISECONDS)
        yield context.pages[0]
        context.close()
