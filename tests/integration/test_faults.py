"""The fault table of docs/reliability.md says what happens: some of its backfills are run again, and compared with it."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from assets.attendees import ATTENDEES
from bench.fault_runs import CASES, TROUBLES, Backfills, Case
from bench.faults import PAGE, Row, rows, rows_in
from simulator import ListedWorld, serving
from tests.conftest import Databases

# A passing fault, one that is got round, one that costs a day in each window, and one that costs the rest of the run.
AGAIN = [
    ("rate_limit", False, 6001, "start"),
    ("short_body", False, 6002, "end"),
    ("timeout", True, 6001, "middle"),
    ("internal_error", True, 6000, "end"),
    ("missing_column", True, 6001, "start"),
    ("ignore_filters", True, 6002, "middle"),
    ("service_forbidden", True, 6000, "middle"),
]


@pytest.fixture(scope="module")
def page() -> list[Row]:
    return rows_in(PAGE.read_text("utf-8"))


@pytest.fixture(scope="module")
def backfills(databases: Databases) -> Iterator[Backfills]:
    with serving(ListedWorld()) as kaltura:
        made = Backfills(kaltura, databases.make())
        made.prepare()
        yield made


def test_the_table_has_one_row_for_each_fault_report_and_window_and_no_row_is_lost_or_twice(page: list[Row]) -> None:
    for case in CASES:
        assert len([row for row in page if row.is_about(case)]) == 1, case
    assert {row.trouble for row in page} == {trouble.name for trouble in TROUBLES}
    assert {(row.lost, row.twice) for row in page} == {(0, 0)}


@pytest.mark.deep
@pytest.mark.parametrize(("kind", "lasting", "report_id", "place"), AGAIN)
def test_a_backfill_with_a_fault_comes_to_what_the_table_says(
    kind: str, lasting: bool, report_id: int, place: str, backfills: Backfills, page: list[Row]
) -> None:
    [case] = [
        case
        for case in CASES
        if (case.trouble.kind, case.trouble.lasting, case.report.report_id, case.place)
        == (kind, lasting, report_id, place)
    ]
    outcome = backfills.outcome(case)
    [row] = [row for row in page if row.is_about(case)]
    assert row.holds(case, outcome), rows([(case, outcome)])


def test_rows_that_a_reply_leaves_out_without_a_sign_are_counted_as_lost(
    backfills: Backfills, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So the noughts of the table are counts: nothing can be seen of such a reply, and the page says so."""
    case = Case(TROUBLES[0], ATTENDEES, "middle")
    cut = replace(case.fault, kind="truncate", rows=100)
    monkeypatch.setattr(Case, "fault", cut)
    assert backfills.outcome(case).lost > 0
