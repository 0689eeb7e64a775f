"""The pen that the report's charts are drawn with: levels of a grid, words that are escaped, colours that can be told apart."""

import xml.etree.ElementTree as ET
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.room_report.colours import DARK, LIGHT
from assets.room_report.drawing import TICKS, Plot, Sheet, levels


@given(st.floats(min_value=0, max_value=1e9))
def test_a_grid_has_few_whole_levels_from_zero_and_reaches_beyond_half_of_the_most(most: float) -> None:
    drawn = levels(most)

    assert drawn[0] == 0
    assert len(drawn) <= TICKS + 1
    assert all(level == int(level) for level in drawn)
    assert drawn[-1] <= most or most < 1
    assert most < 1 or drawn[-1] > most / 2
    if len(drawn) > 1:
        assert f"{drawn[1]:.0f}".rstrip("0") in ("1", "2", "5")
        assert drawn == [at * drawn[1] for at in range(len(drawn))]


def test_words_are_text_whatever_stands_in_them() -> None:
    sheet = Sheet(100, 50)
    sheet.words("<script>&amp;", 1, 2, "ink")

    root = ET.fromstring(sheet.element("wide"))  # the text is our own

    assert [child.tag for child in root] == ["text"]
    assert root[0].text == "<script>&amp;"


def test_a_picture_by_itself_has_colours_and_the_one_on_the_page_has_the_pages_variables() -> None:
    sheet = Sheet(100, 50)
    sheet.bar(Plot((0, 0, 100, 50), (0, 10), (0, 5)), (2, 4), (0, 5), "now")

    assert 'x="20" y="0" width="20" height="50" fill="var(--now)"' in sheet.element("wide")
    assert f'fill="{LIGHT["now"]}"' in unquote(sheet.data_uri())
    assert "var(" not in unquote(sheet.data_uri())


def luminance(colour: str) -> float:
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (each / 12.92 if each <= 0.03928 else ((each + 0.055) / 1.055) ** 2.4 for each in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize(("role", "least"), [("bar", 3), ("now", 3), ("before", 3), ("ink", 7), ("quiet", 4.5)])
def test_what_has_a_meaning_stands_out_from_the_paper(colours: dict[str, str], role: str, least: float) -> None:
    """Web Content Accessibility Guidelines 2.2: 1.4.3 and 1.4.6 for words, 1.4.11 for what is drawn."""
    assert contrast(colours[role], colours["paper"]) >= least
