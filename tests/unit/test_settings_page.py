"""Each setting stands in `.env.example`, in the docs' settings page and in the list that tests clear; with words of its own."""

import re

import pytest

from pipelines.commands.docs import SETTINGS_PAGE
from pipelines.pages.settings_page import SOURCE, page, sections
from resources.settings import KNOWN_NAMES, NAMES, SECRETS, Settings

TEXT = SOURCE.read_text("utf-8")
LISTED = {setting.name: setting for section in sections(TEXT) for setting in section.settings}


@pytest.mark.parametrize("name", NAMES)
def test_a_setting_stands_in_the_example_and_on_the_page_and_says_what_it_means(name: str) -> None:
    assert name in LISTED, f"{name} is read, and .env.example does not say so"
    assert LISTED[name].words, f"no comment of its own stands above {name} in .env.example"
    assert f"| `{name}`" in SETTINGS_PAGE.read_text("utf-8"), "run `make docs`"


def test_nothing_else_is_listed() -> None:
    assert set(LISTED) == set(NAMES)


def test_what_the_page_says_is_what_the_example_says_now() -> None:
    assert SETTINGS_PAGE.read_text("utf-8") == page(TEXT), "run `make docs`"


@pytest.mark.parametrize("name", sorted(KNOWN_NAMES - {f"{secret}_FILE" for secret in SECRETS}))
def test_every_name_that_is_known_is_on_the_page(name: str) -> None:
    assert f"| `{name}`" in page(TEXT)


def test_every_page_that_is_named_is_there_beside_it() -> None:
    named = re.findall(r"[\w/.-]+\.md", page(TEXT))
    assert len(named) > 2
    assert [name for name in named if not (SETTINGS_PAGE.parent / name).exists()] == []


def test_the_defaults_that_are_told_are_those_that_hold() -> None:
    told = {name: setting.default for name, setting in LISTED.items() if setting.default}
    assert Settings.from_environment(told) == Settings.from_environment({})


def test_no_secret_has_a_default() -> None:
    assert {name: LISTED[name].default for name in SECRETS if LISTED[name].default} == {}
