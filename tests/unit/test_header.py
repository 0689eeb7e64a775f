"""What stands in the place of a header: told where it can be nobody's, and never where it may be a row."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.report import Report
from assets.reports import REPORTS
from resources.kaltura.header import friendly_names, in_place_of_header, is_of_columns

SPELLINGS = [
    str.upper,
    str.title,
    lambda name: name.replace("_", " ").capitalize(),
    lambda name: name.replace("_", "-"),
]


@pytest.mark.parametrize("report", REPORTS, ids=lambda report: str(report.report_id))
@pytest.mark.parametrize("spelt", SPELLINGS)
def test_a_friendly_name_is_known_for_the_column_that_it_stands_for(report: Report, spelt: object) -> None:
    expected = report.source.columns
    came = [spelt(name) for name in expected]  # type: ignore[operator]
    assert friendly_names(came, expected) == {
        name: spelling for name, spelling in zip(expected, came, strict=True) if name != spelling
    }
    assert "friendly names" in in_place_of_header(",".join(came), expected)


def test_columns_as_they_should_be_are_not_friendly() -> None:
    for report in REPORTS:
        assert friendly_names(report.source.columns, report.source.columns) == {}


@pytest.mark.parametrize("separator", [";", "\t", "|"])
def test_another_separator_is_told(separator: str) -> None:
    for report in REPORTS:
        assert "separated by" in in_place_of_header(separator.join(report.source.columns), report.source.columns)


WORDS = st.text("abcdefghijklmnopqrstuvwxyz ÄÖß", min_size=1, max_size=12)
PEOPLE = st.tuples(WORDS, WORDS).map(lambda words: f"Zzq{words[0]} {words[1]}")


@given(
    st.sampled_from(REPORTS),
    st.lists(PEOPLE, min_size=1, max_size=9),
    st.sampled_from(["1_abc", "0.83333333333333", "12", "1.0E-5"]),
    st.integers(0, 20),
    st.integers(1, 40),
)
def test_nothing_of_a_row_is_told_whatever_its_order_and_wherever_a_name_breaks_it(
    report: Report, people: list[str], figure: str, at: int, breaks_after: int
) -> None:
    """A row has at least one id or figure; of one that a name breaks, the first piece may have none, and fewer fields."""
    fields = [*people[: len(report.source.columns) - 1]]
    fields.insert(at, figure)
    line = ",".join(fields)
    for piece in (line, people[0][:breaks_after], ",".join(people[:2])):
        assert "Zzq" not in in_place_of_header(piece, report.source.columns)
        assert not is_of_columns(piece)


@pytest.mark.parametrize("report", REPORTS, ids=lambda report: str(report.report_id))
def test_other_words_for_all_columns_are_shown_as_far_as_they_fit_a_line(report: Report) -> None:
    line = ",".join(f"Spalte {letter}" for letter, _ in zip("ABCDEFGHIJKLMNO", report.source.columns, strict=False))
    told = in_place_of_header(line, report.source.columns)
    assert "Spalte A,Spalte B" in told
    assert len(told) < 120
