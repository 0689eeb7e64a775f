"""One rule for what is the same person, over every letter that there is."""

import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resources.privacy.identity import identity, trace, traces

LETTERS = [chr(number) for number in range(sys.maxunicode + 1) if not 0xD800 <= number < 0xE000]
DOTLESS = "\u0131"  # i without its dot: a letter of its own, whose capital is that of another


def spellings(text: str) -> set[str]:
    cases = {text, text.upper(), text.lower(), text.upper().lower(), text.title()}
    return {unicodedata.normalize(form, case) for form in ("NFC", "NFD") for case in cases}


def test_every_letter_is_the_same_in_either_case_and_however_its_accents_are_composed() -> None:
    differ = [
        letter
        for letter in LETTERS
        if len({identity(f"a{spelling}b") for spelling in spellings(letter)}) > 1 and letter != DOTLESS
    ]
    assert differ == []


UNSEEN = "\u200b\u200d\u200e\u200f\u202a\u2060\ufeff\u00ad\ufe0f\u034f\u115f\u3164\x07\x7f"


@pytest.mark.parametrize("unseen", list(UNSEEN), ids=ascii)
def test_marks_that_nobody_sees_make_no_other_person(unseen: str) -> None:
    for copied in (f"{unseen}ada.x", f"ada{unseen}.x", f"ADA.x{unseen}", f" {unseen} ada.x {unseen} "):
        assert identity(copied) == identity("ada.x")
        assert trace("ada.x") in traces(f'1_x,"{copied} Lovelace",0.5')


@given(st.text(alphabet=st.characters(exclude_characters=DOTLESS, exclude_categories=("Cs",)), max_size=12))
def test_an_identity_is_the_same_for_what_it_has_made_and_with_blanks_around(text: str) -> None:
    assert identity(identity(text)) == identity(text)
    assert identity(f" \t{text}\u00a0\n") == identity(text)


@pytest.mark.parametrize(
    ("one", "other"),
    [("ada", "adb"), ("ada", "ad a"), ("müller", "muller"), ("ø", "o"), ("a.b", "ab"), ("ada", "\uff41\uff44\uff41")],
)
def test_who_is_not_the_same_is_not_taken_for_it(one: str, other: str) -> None:
    assert identity(one) != identity(other)


@given(st.text(st.sampled_from("aäÉßΐøI.@-"), min_size=3, max_size=8))
def test_a_person_is_found_in_a_line_in_any_spelling(person: str) -> None:
    wanted = trace(person)
    for spelling in spellings(person):
        assert wanted in traces(f'1_x,"{spelling} Lovelace",0.5')
