"""What an error says: the report, the window, what to do; and never a secret, however a server spells it."""

import pickle
import re
from collections.abc import Iterator
from urllib.parse import quote, quote_plus

import pytest

from resources.kaltura import errors
from resources.kaltura.errors import (
    CutOff,
    EmptyReply,
    GivenUp,
    KalturaError,
    RateLimited,
    Refused,
    TimedOut,
    TooMuch,
    Unavailable,
    redacted,
)


def descendants(kind: type[KalturaError]) -> Iterator[type[KalturaError]]:
    yield kind
    for each in kind.__subclasses__():
        yield from descendants(each)


EVERY_ERROR = sorted(
    (each for each in set(descendants(KalturaError)) if each.__module__ == errors.__name__),
    key=lambda each: (each is not KalturaError, each.__name__),
)
SECRET = 'short+secret/with "odd" signs=='


def test_the_tree_at_the_head_of_the_module_is_that_of_the_classes() -> None:
    drawn, above = {}, [""]
    for line in (errors.__doc__ or "").splitlines():
        if found := re.match(r"    ((?:[│ ]   )*(?:[├└]── )?)([A-Z]\w+)(?:  |$)", line):
            depth = len(found.group(1)) // 4
            above = [*above[: depth + 1], found.group(2)]
            drawn[found.group(2)] = above[depth]
    assert drawn == {each.__name__: "" if each is KalturaError else each.__base__.__name__ for each in EVERY_ERROR}


@pytest.mark.parametrize("error", EVERY_ERROR[1:])
def test_every_error_says_where_what_and_what_to_do(error: type[KalturaError]) -> None:
    text = str(error("it broke", about="report 6000, events in [a, b)", kaltura_session="123, X-Me front"))
    assert text.startswith("report 6000, events in [a, b): it broke (X-Kaltura-Session 123, X-Me front). ")
    assert error.default_advice
    assert text.endswith(error.default_advice)


@pytest.mark.parametrize("error", sorted(set(descendants(KalturaError)) - {KalturaError}, key=str))
def test_the_doctor_is_not_sent_to_the_doctor_nor_told_of_days(error: type[KalturaError]) -> None:
    of_pulls = (EmptyReply, GivenUp)  # which only a pull doubts, or ends in
    if error.__module__.startswith("resources.") and error not in of_pulls:
        advice = error("it broke").advice_to_the_doctor
        assert advice
        assert not re.search(r"make doctor|days again|was written", advice)
        assert error("it broke", advice="Mend it.").advice_to_the_doctor == "Mend it."


def test_advice_for_the_case_at_hand_takes_the_place_of_the_general() -> None:
    assert str(Refused("it broke.", advice="Mend it.")) == "it broke. Mend it."


@pytest.mark.parametrize("error", [RateLimited, errors.ServerFault])
def test_what_only_needs_another_try_is_unavailable(error: type[KalturaError]) -> None:
    assert issubclass(error, Unavailable)


@pytest.mark.parametrize("error", [CutOff, TimedOut])
def test_what_needs_a_smaller_question_is_too_much_and_not_unavailable(error: type[KalturaError]) -> None:
    assert issubclass(error, TooMuch)
    assert not issubclass(error, Unavailable)


@pytest.mark.parametrize("error", EVERY_ERROR)
def test_an_error_survives_a_process_boundary_with_all_it_knows(error: type[KalturaError]) -> None:
    original = error("it broke", about="report 6000", advice="Mend it.", code="CODE", kaltura_session="123")
    copy = pickle.loads(pickle.dumps(original))
    assert (type(copy), vars(copy), str(copy)) == (error, vars(original), str(original))


@pytest.mark.parametrize(
    "spelled",
    [
        SECRET,
        quote(SECRET),
        quote(SECRET, safe=""),
        quote_plus(SECRET),
        quote(SECRET, safe="").lower(),
        SECRET.replace('"', '\\"'),
        SECRET.replace('"', '\\"').replace("/", "\\/"),
        SECRET.replace('"', "&quot;"),
        SECRET.upper(),
    ],
)
def test_a_short_secret_is_redacted_however_it_is_spelled(spelled: str) -> None:
    assert redacted(f"Invalid KS <{spelled}>, sorry", SECRET) == "Invalid KS <[redacted]>, sorry"


@pytest.mark.parametrize(
    "token",
    [
        "djJ8OTk5OXw" + "aB3_-" * 20,
        quote("djJ8OTk5+Xw/" + "aB3=" * 20, safe=""),
        ("djJ8OTk5+Xw/" + "aB3=" * 20).replace("/", "\\/"),
        "0123456789abcdef0123456789abcdef",  # pragma: allowlist secret
        "0123456789ABCDEF" * 4,
    ],
)
def test_what_has_the_shape_of_a_token_is_redacted_though_nobody_named_it(token: str) -> None:
    assert token not in redacted(f"before {token} after")
    assert redacted(f"before {token} after").startswith("before [redacted")


def test_a_secret_that_holds_another_leaves_no_end_of_itself() -> None:
    assert redacted("the longer-one was sent", "longer", "longer-one") == "the [redacted] was sent"


def test_an_unset_secret_redacts_nothing() -> None:
    assert redacted("report 6000", "", "") == "report 6000"


def test_a_page_in_place_of_a_message_is_cut_and_comes_on_one_line() -> None:
    text = redacted("<html>\n\n  <p>no</p>\r\n" * 500)
    assert len(text) < 700
    assert "\n" not in text


def test_ids_and_columns_stay_readable() -> None:
    text = "the reply has no column user_email; it has entry_id, meeting_engaged_play_time_ratio"
    assert redacted(text) == text
