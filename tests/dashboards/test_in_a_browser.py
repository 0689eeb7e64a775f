"""The dashboards as a browser shows them, by the queries that it makes itself. `SCREENS` names a folder for pictures."""

import json
import os
from collections.abc import Iterator
from typing import Any

import browser
import pytest
from pipeline import CHECKOUT
from playwright.sync_api import Page, Response, expect
from superset_api import Api, Served

from pipelines.dashboards.board import Board, Tab
from pipelines.dashboards.boards import BOARDS

WIDTH = 1440
LOG = "**/superset/log/**"  # where its pages tell what they were asked for


@pytest.fixture(scope="module")
def page(served: Served, analyst: Api, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """A browser in which an analyst has logged in."""
    chromium = browser.program()
    if chromium is None:
        pytest.skip(browser.lacking())
    with browser.opened(chromium, tmp_path_factory.mktemp("browser"), WIDTH, 900) as page:
        log_in(page, served.address, analyst)
        yield page


def log_in(page: Page, address: str, user: Api) -> None:
    """
    Some seconds after it was opened, the page of the login tells a log of itself, with the cookie of nobody. Answered
    after the login, that would set this cookie again, and the login be forgotten: so it does not get through.
    """
    page.route(LOG, lambda route: route.abort())
    page.goto(f"{address}/login/", wait_until="networkidle")
    page.get_by_label("Username").fill(user.user)
    page.locator("input[type=password]").fill(user.password)
    with page.expect_response(lambda reply: reply.request.method == "POST" and "/login/" in reply.url):
        page.keyboard.press("Enter")
    page.wait_for_url(lambda url: "/login" not in url, wait_until="networkidle")
    page.unroute(LOG)


class Answers:
    """What the server answered to the browser's own questions for data."""

    def __init__(self, page: Page) -> None:
        self.by_chart: dict[int, dict[str, Any]] = {}
        self.refused: list[str] = []
        page.on("response", self._keep)

    def _keep(self, response: Response) -> None:
        """Of the filters' own questions there is no chart."""
        if "/api/v1/chart/data" not in response.url:
            return
        if not response.ok:
            self.refused.append(response.text()[:500])
            return
        asked = json.loads(response.request.post_data or "{}")
        chart = asked.get("form_data", {}).get("slice_id")
        if chart:
            self.by_chart[chart] = response.json()["result"][0]


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.title)
def test_a_dashboard_is_shown_whole_and_every_chart_of_it_has_data(board: Board, served: Served, page: Page) -> None:
    answers = Answers(page)
    page.set_viewport_size({"width": WIDTH, "height": 900})
    page.goto(f"{served.address}/superset/dashboard/{board.slug}/")
    expect(page.get_by_text(board.known.name)).to_be_visible()
    page.set_viewport_size({"width": WIDTH, "height": 2600})  # what is not seen is not asked for
    for number, tab in enumerate(board.tabs):
        choose(page, tab)
        page.wait_for_load_state("networkidle")
        expect(page.locator("[data-test=loading-indicator]")).to_have_count(0)
        keep(page, f"dashboard-{board.slug.removeprefix('kaltura-')}{f'-{number}' if number else ''}")
    numbers, wanted = served.admin.charts(), {chart.name for chart in board.charts}
    for _ in range(60):  # on a busy machine the network is idle now and then before the last chart has asked
        seen = {name for name, chart in numbers.items() if chart in answers.by_chart}
        if seen == wanted:
            break
        for tab in board.tabs:
            choose(page, tab)
            page.wait_for_timeout(1000)
    assert answers.refused == []
    assert seen == wanted
    empty = [
        name for name, chart in numbers.items() if chart in answers.by_chart and not answers.by_chart[chart]["data"]
    ]
    assert empty == []


def choose(page: Page, tab: Tab) -> None:
    if tab.name:
        page.get_by_role("tab", name=tab.name).click()


def keep(page: Page, name: str) -> None:
    folder = os.environ.get("SCREENS", "")
    if folder:
        page.wait_for_timeout(1500)  # charts are drawn with a movement
        height = page.evaluate(
            "Math.max(...[...document.querySelectorAll('.dashboard-component')]"
            ".map(each => each.getBoundingClientRect().bottom)) + 24"
        )
        page.screenshot(path=CHECKOUT / folder / f"{name}.png", clip={"x": 0, "y": 0, "width": WIDTH, "height": height})
