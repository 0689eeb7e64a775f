"""A data engineer's first hour in Dagster's UI, in a real browser: every click is made, every word read from the page."""

import datetime as dt
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import leaks
import pytest
from dagster_ui import Ui, ui_of
from pipeline import Pipeline
from playwright.sync_api import Locator, Page, Request, expect

from simulator import Fault, University, serving

TABLES = ("room_sessions", "attendees", "breakout_sessions")
# Days of the last weeks, all of them over and complete: the UI's own dialogs begin with those.
DAYS = [dt.datetime.now(dt.UTC).date() - dt.timedelta(days=n) for n in range(12, 2, -1)]
BAD = next(day for day in DAYS[3:] if day.weekday() < 5)  # a day with teaching on it
Keep = Callable[[str], None]


class Received:
    """Everything that the server sent to the browser: replies, and what came over websockets."""

    def __init__(self, page: Page) -> None:
        self.texts: list[str] = []
        page.on("requestfinished", self._keep)
        page.on("websocket", lambda socket: socket.on("framereceived", lambda frame: self.texts.append(str(frame))))

    def secrets_of(self, pipeline: Pipeline) -> list[str]:
        issued = {f"KS {n}": ks for n, ks in enumerate(pipeline.kaltura.tokens._issued)}
        text = "\n".join(self.texts)
        assert "KALTURA_APP_TOKEN" in text  # the resource's page was read, and names it
        return leaks.found({"app token": pipeline.kaltura.app_token, **issued}, text)

    def _keep(self, request: Request) -> None:
        if "/graphql" in request.url and (reply := request.response()):
            self.texts.append(reply.text())


pytestmark = pytest.mark.timeout(3600)
RUN_MILLISECONDS = 240_000  # the daemon looks for new backfills every half a minute


@pytest.fixture
def pipeline(chromium: str, database: str, tmp_path: Path) -> Iterator[Pipeline]:
    with serving(University(seed=11, timezone="UTC", rooms=12)) as kaltura:
        evening = int(dt.datetime.combine(BAD, dt.time(18), dt.UTC).timestamp())  # past the grace of the day before
        kaltura.faults.add(
            Fault("missing_column", report_id=6001, times=None, column="meeting_view_time", covers=evening)
        )
        home = tmp_path / "home"
        home.mkdir()
        yield Pipeline(kaltura, database, home, {"START_DATE": str(DAYS[0])})


@pytest.fixture
def received(page: Page) -> Received:
    return Received(page)


@pytest.fixture
def ui(pipeline: Pipeline) -> Iterator[Ui]:
    with ui_of(pipeline) as opened:
        yield opened


def test_a_backfill_with_one_bad_day_is_understood_mended_and_kept_up_by_a_schedule(
    pipeline: Pipeline, ui: Ui, page: Page, keep: Keep, received: Received
) -> None:
    page.goto(ui.address)
    launch_a_backfill(page, ui)
    see_the_backfill_end_with_one_failure(page)
    see_days(page, materialized=9, failed=1)
    open_day(page, "attendees", BAD)
    expect(page.get_by_text("failed, and did not materialize this asset")).to_be_visible()
    keep("ui-backfill")
    read_what_to_do(page)
    keep("ui-failure")

    pipeline.kaltura.faults.clear()
    run_again_from_the_failure(page)
    see_days(page, materialized=10, failed=0)
    see_what_the_day_brought(page)
    keep("ui-day")
    see_the_plots(page, keep)

    switch_the_daily_pull_on(page)
    keep("ui-schedule")
    see_the_three_assets(page, ui)
    keep("ui-lineage")

    look_at_the_settings(page, ui)
    assert received.secrets_of(pipeline) == []


def launch_a_backfill(page: Page, ui: Ui) -> None:
    """From the group's page, as the README says: all three tables."""
    page.goto(f"{ui.address}/locations/pipelines/asset-groups/kaltura_rooms")
    page.get_by_role("button", name=re.compile("Materialize all")).click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("materialize 3 assets")
    selection = dialog.get_by_role("textbox").first
    selection.fill(f"[{DAYS[0]}...{DAYS[-1]}]")
    selection.press("Enter")
    expect(dialog).to_contain_text("10 partitions")
    dialog.get_by_role("button", name="Launch backfill").click()
    expect(dialog).to_be_hidden()


def see_the_backfill_end_with_one_failure(page: Page) -> None:
    navigate(page, "Runs")
    # A notification may have the same link for a while.
    page.get_by_role("link", name="View", exact=True).last.click()
    expect(page.get_by_text("Failed", exact=True).last).to_be_visible(timeout=RUN_MILLISECONDS)
    expect(page.get_by_text("100% completed")).to_have_count(3, timeout=RUN_MILLISECONDS)


def see_days(page: Page, *, materialized: int, failed: int) -> None:
    for table in TABLES:
        open_partitions(page, table)
        expect(page.get_by_text(f"Materialized ({materialized})", exact=True)).to_be_visible()
        expect(page.get_by_text(f"Failed ({failed})", exact=True)).to_be_visible()
        expect(page.get_by_text("Materializing (0)", exact=True)).to_be_visible()


def read_what_to_do(page: Page) -> None:
    page.get_by_role("link", name=re.compile("^[0-9a-f]{8}$")).click()
    message = page.get_by_text("1 of the run's days could not be loaded; all others are.").last
    expect(message).to_contain_text(f"{BAD}: report 6001")
    expect(message).to_contain_text("the reply has no column meeting_view_time")
    expect(message).to_contain_text("Run `make doctor`")
    message.scroll_into_view_if_needed()


def run_again_from_the_failure(page: Page) -> None:
    failed = page.url
    page.get_by_role("button", name="Re-execute all").locator("xpath=following::button[1]").click()
    page.get_by_role("menuitem", name="From failure").click()
    page.get_by_role("dialog").get_by_role("button", name="Confirm").click()  # it won't change the backfill's status
    expect(page).not_to_have_url(failed)
    expect(page.get_by_text("Success", exact=True)).to_be_visible(timeout=RUN_MILLISECONDS)


def see_what_the_day_brought(page: Page) -> None:
    open_day(page, "attendees", BAD)
    rows = metadata(page, "dagster/partition_row_count")
    expect(rows).to_have_text(re.compile("^[1-9][0-9,]*$"))  # the day has rows
    expect(metadata(page, "inserted")).to_have_text(rows.inner_text())
    expect(metadata(page, "rejected")).to_have_text(re.compile("^[0-9]+$"))


def see_the_plots(page: Page, keep: Keep) -> None:
    """Whatever plots the metadata hold have arrived: small ones in the table, large ones each behind a link."""
    expect_pictures(page.get_by_role("table"))
    for link in page.get_by_text("[Show Markdown]").all():
        link.click()
        dialog = page.get_by_role("dialog")
        expect(dialog).to_be_visible()
        if expect_pictures(dialog):
            keep("ui-plot")
        page.keyboard.press("Escape")
        expect(dialog).to_be_hidden()


def expect_pictures(inside: Locator) -> int:
    """How many there are; one that is broken has no width."""
    pictures = inside.locator("img[src^='data:']").all()
    for picture in pictures:
        assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") > 0
    return len(pictures)


def switch_the_daily_pull_on(page: Page) -> None:
    navigate(page, "Automation")
    page.get_by_role("link", name="daily_pull").click()
    switch = page.get_by_role("row", name="Running").get_by_role("checkbox")
    expect(switch).to_be_enabled()
    expect(switch).not_to_be_checked()
    with page.expect_response(lambda reply: "startSchedule" in (reply.request.post_data or "")):
        switch.locator("xpath=ancestor::label[1]").click()
    page.reload()  # the switch moves before the server has heard of it
    expect(switch).to_be_checked()


def see_the_three_assets(page: Page, ui: Ui) -> None:
    page.goto(f"{ui.address}/locations/pipelines/asset-groups/kaltura_rooms/lineage")
    for table in TABLES:
        expect(page.get_by_text(table, exact=True)).to_be_visible()
    expect(page.get_by_text("83% filled")).to_have_count(3)  # 10 of 12: the two newest days were left out


def look_at_the_settings(page: Page, ui: Ui) -> None:
    """The page that shows what the account's resource is configured with."""
    page.goto(f"{ui.address}/locations/pipelines/resources/kaltura")
    expect(page.get_by_text("KALTURA_APP_TOKEN").first).to_be_visible()


def navigate(page: Page, name: str) -> None:
    page.get_by_role("navigation").get_by_role("link", name=name).click()


def open_partitions(page: Page, table: str) -> None:
    page.goto(
        f"{page.evaluate('location.origin')}/assets/kaltura/{table}"
    )  # the catalog's list shows what fits its height
    page.get_by_role("tab", name="Partitions").click()


def open_day(page: Page, table: str, day: dt.date) -> None:
    open_partitions(page, table)
    page.get_by_text(str(day), exact=True).first.click()
    expect(page).to_have_url(re.compile(f"partition={day}"))


def metadata(page: Page, name: str) -> Locator:
    """The value beside a name in the table of a day's metadata."""
    row = page.get_by_role("row").filter(has=page.get_by_role("cell", name=name, exact=True))
    return row.get_by_role("cell").nth(1)
