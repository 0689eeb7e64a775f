"""Filters of which no column of a reply shows whether the server heeded them: it is asked with an id that nobody has."""

from dataclasses import replace

import pytest

from assets.pull.filters import Filters
from assets.report import VIRTUAL_EVENT_IDS, Report
from assets.reports import REPORTS
from resources.kaltura.errors import FilterIgnored
from resources.kaltura.query import NO_SUCH_ID
from resources.privacy.pseudonyms import Mode, Privacy
from simulator import Breakout, Fault, View
from tests.integration.test_whole_days import PEOPLE, Place
from tests.integration.test_whole_days import kaltura as kaltura
from tests.integration.test_whole_days import place as place
from tests.integration.test_whole_days import stages as stages

UNSEEN = [
    (report, name, filter_) for report in REPORTS for name, filter_ in report.filters.items() if filter_.column is None
]  # fmt: skip
EVENT = Filters({VIRTUAL_EVENT_IDS: ["4711"]})
EVENT_IDS = "virtual_event_ids"
EACH = pytest.mark.parametrize("report", REPORTS, ids=lambda report: report.table.name)


@pytest.fixture
def campus(place: Place) -> Place:
    """Three days, each with a meeting of an event and one of none, and a breakout room of each."""
    for day in range(3):
        for cue, event in ((f"1_{day}a", "4711"), (f"1_{day}b", "")):
            place.meets(cue, 24 * day + 9, 24 * day + 10)
            place.sessions[-1] = replace(place.sessions[-1], virtual_event_id=event)
            start, end = place.second(24 * day + 9), place.second(24 * day + 10)
            room = Breakout("1_main", "Main", "1_group", "Group", f"{cue}g", "host", start, end, virtual_event_id=event)
            place.breakouts.append(room)
            place.views.append(View("1_group", f"{cue}g", PEOPLE[0], start, end))
    return place


def probes(place: Place) -> list[int | None]:
    return [each.report_id for each in place.kaltura.requests if each.params.get(EVENT_IDS) == NO_SUCH_ID]


def test_each_report_has_such_a_filter() -> None:
    assert {(report.report_id, name) for report, name, _ in UNSEEN} == {
        (report.report_id, VIRTUAL_EVENT_IDS) for report in REPORTS
    }


@EACH
def test_a_filter_that_the_server_ignores_in_silence_fails_the_days(report: Report, campus: Place) -> None:
    campus.kaltura.faults.add(Fault("ignore_filters", report_id=report.report_id, times=None))
    with pytest.raises(FilterIgnored, match=f"report {report.report_id}.* virtual_event_ids .*KALTURA_"):
        campus.bring(0, 2, filters=EVENT)


def test_a_filter_that_is_heeded_costs_a_request_a_run_and_report(campus: Place) -> None:
    arrived = campus.bring(0, 2, filters=EVENT).by_day[campus.day(1)]
    assert [len(each.frame) for each in arrived] == [1, 1, 1]
    assert sorted(probes(campus)) == [6000, 6001, 6002]


def test_without_such_a_filter_nothing_more_is_asked(campus: Place) -> None:
    campus.bring(0, 2)
    assert probes(campus) == []


def test_an_event_without_rows_is_not_asked_about(campus: Place) -> None:
    campus.bring(0, filters=Filters({VIRTUAL_EVENT_IDS: ["12"]}))
    assert probes(campus) == []


def test_what_is_asked_to_prove_it_leaves_out_what_the_pull_leaves_out(campus: Place) -> None:
    campus.bring(0, filters=EVENT, people=Privacy(Mode.NONE).of_account(1))
    fields = {each.report_id: each.excluded_fields for each in campus.kaltura.requests if each.params.get(EVENT_IDS)}
    assert {each.excluded_fields for each in campus.kaltura.requests if each.report_id == 6001} == {fields[6001]}
    assert "user_email" in fields[6001]
