"""What holds for every page that people read."""

import re
from pathlib import Path

import pytest

from pipelines.command_line import NAMES
from resources.settings import CHECKOUT

PAGES = [*CHECKOUT.glob("*.md"), *(CHECKOUT / "docs").rglob("*.md")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(CHECKOUT)))
def test_every_page_that_a_page_names_is_there(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text("utf-8")):
        assert (page.parent / target).exists(), target


def test_the_readme_names_every_command_and_every_folder_of_resources() -> None:
    readme = (CHECKOUT / "README.md").read_text("utf-8")
    targets = re.findall(r"^([a-z][a-z-]*):.*##", (CHECKOUT / "Makefile").read_text("utf-8"), re.M)
    lacking = [f"make {name}" for name in targets if name != "help" and not re.search(rf"make {name}[`\s]", readme)]
    lacking += [name for name in NAMES if not re.search(rf"`(make )?{name}[`\s]", readme)]
    folders = [path.name for path in (CHECKOUT / "resources").iterdir() if (path / "__init__.py").exists()]
    assert lacking + [name for name in folders if f"{name}/" not in readme] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(CHECKOUT)))
def test_no_paragraph_of_a_page_stands_there_twice(page: Path) -> None:
    paragraphs = [text for text in page.read_text("utf-8").split("\n\n") if len(text) > 120]
    assert sorted({text for text in paragraphs if paragraphs.count(text) > 1}) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(CHECKOUT)))
def test_a_command_of_dagsters_that_a_page_gives_is_called_by_way_of_home(page: Path) -> None:
    """Called bare it has the settings of `.env` before those of the environment, no home, and no port of its Postgres."""
    text = page.read_text("utf-8")
    assert (
        re.findall(r"\.venv/bin/(?:python -m )?dagster\S*|DAGSTER_HOME=\S+ dagster\S*|^\s*dagster\S* .*", text, re.M)
        == []
    )


MODULES = {
    str(path.relative_to(CHECKOUT)): path.read_text("utf-8")
    for room in ("pipelines", "assets", "resources", "simulator", "dashboards", "bench", "tests", "deploy")
    for path in (CHECKOUT / room).rglob("*.py")
}


@pytest.mark.parametrize("page", [page for page in PAGES if page.name != "CHANGELOG.md"], ids=lambda page: page.name)
def test_every_module_that_a_page_names_is_there_and_has_what_it_is_said_to_have(page: Path) -> None:
    text = page.read_text("utf-8")
    for named in re.findall(r"`([\w/]+\.py)`", text):
        assert [module for module in MODULES if f"/{module}".endswith(f"/{named}")], named
    for name, module in re.findall(r"`(\w+)` (?:in|\() ?`([\w/]+/\w+\.py)`", text):
        assert re.search(rf"\b{name}\b", MODULES[module]), f"{name} in {module}"
