"""Busy days after quiet ones: few replies are thrown away, and what lies in memory is bounded by rows, not by days."""

import random
from collections.abc import Sequence
from itertools import pairwise

import pytest

from resources.kaltura.complete import WIDEST_IN_PARTS
from simulator.running import Request
from tests.integration.test_whole_days import Place
from tests.integration.test_whole_days import kaltura as kaltura
from tests.integration.test_whole_days import place as place
from tests.integration.test_whole_days import stages as stages
from tests.truth import assert_equal

CAP = 12
DAY_SECONDS = 24 * 3600


def at_random(seed: int) -> list[int]:
    """Attendees by day: quiet and busy stretches of all lengths, and days that are more than a reply holds."""
    chosen, days = random.Random(seed), []
    while len(days) < 40:
        most = chosen.choice([0, 1, CAP // 3, CAP, 2 * CAP])
        days += [chosen.randint(0, most) for _ in range(chosen.randint(1, 20))]
    return days[:40]


TERMS = {
    "full days after a quiet week": [1] * 7 + [CAP - 1] * 10,
    "a term after a summer": [0] * 30 + [CAP // 2] * 30,
    "a summer after a term": [CAP // 2] * 14 + [0] * 30,
    "full days alone": [CAP - 1] * 12,
    "days that are too much after a quiet week": [0] * 8 + [2 * CAP] * 3 + [0] * 8,
    **{f"at random, {seed}": at_random(seed) for seed in range(4)},
}


@pytest.mark.deep
@pytest.mark.parametrize("people", TERMS.values(), ids=TERMS)
def test_every_day_is_whole_and_hardly_a_reply_is_thrown_away(people: Sequence[int], place: Place) -> None:
    for day, count in enumerate(people):
        for number in range(0, count, 4):
            start = 24 * day + 14 + number / 4  # in the window of its own day alone
            place.meets(f"1_{day}_{number}", start, start + 0.1, [(start, start + 0.1)] * min(4, count - number))
    place.kaltura.row_cap = CAP
    asked: list[Request] = []
    place.kaltura.requests = _Kept(asked)
    extracted = place.pull_by_windows(0, len(people) - 1)
    assert_equal(place.tables, place.truth(*range(len(people))))

    of_days = [each for each in asked if each.report_id == 6001 and "cue_point_ids" not in each.params]
    for before, after in pairwise(of_days):
        assert not (is_cut(before) and is_cut(after)) or is_a_day(after) or is_a_day(before)
    for each in extracted:
        rows = sum(len(arrived.frame) for day in each.days for arrived in each.by_day[day])
        assert len(each.days) <= WIDEST_IN_PARTS or rows <= 3 * CAP  # a reply a report


def is_cut(request: Request) -> bool:
    return request.rows is not None and request.rows >= CAP


def is_a_day(request: Request) -> bool:
    """By its window, which has some hours of the days around."""
    return int(request.params["to_date"]) - int(request.params["from_date"]) < 2 * DAY_SECONDS


class _Kept(list[Request]):
    """Requests that stay where a place forgets them before it pulls again."""

    def __init__(self, kept: list[Request]) -> None:
        super().__init__()
        self.kept = kept

    def append(self, request: Request) -> None:
        super().append(request)
        self.kept.append(request)
