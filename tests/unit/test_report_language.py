"""The report's languages say the same things, each in its own numbers, dates and plurals."""

import datetime as dt
import re
from zoneinfo import ZoneInfo

import pytest

from assets.room_report.language import LANGUAGES, Language
from resources.settings import REPORT_LANGUAGES, SettingError, report_language

MONDAY = dt.date(2026, 10, 5)
ENGLISH = Language("en").texts
OTHERS = [code for code in REPORT_LANGUAGES if code != "en"]


def forms(text: object) -> list[str]:
    if isinstance(text, dict):
        return list(text.values())
    return text if isinstance(text, list) else [str(text)]


def test_each_language_that_can_be_set_has_a_file_and_each_file_can_be_set() -> None:
    assert {path.stem for path in LANGUAGES.iterdir()} == set(REPORT_LANGUAGES)


@pytest.mark.parametrize("code", OTHERS)
def test_a_language_lacks_no_text_has_no_other_and_leaves_no_figure_out(code: str) -> None:
    texts = Language(code).texts
    assert texts.keys() == ENGLISH.keys()
    for key, text in ENGLISH.items():
        wanted = {name for form in forms(text) for name in re.findall(r"\{(\w+)\}", form)}
        for form in forms(texts[key]):
            assert set(re.findall(r"\{(\w+)\}", form)) == wanted, key


@pytest.mark.parametrize("code", REPORT_LANGUAGES)
def test_a_text_with_a_number_has_a_form_for_each_that_its_language_tells_apart(code: str) -> None:
    say = Language(code)
    told_apart = {say.locale.plural_form(number) for number in range(1000)}
    assert {
        key: text for key, text in say.texts.items() if isinstance(text, dict) and not told_apart <= set(text)
    } == {}


@pytest.mark.parametrize(
    ("code", "number", "day", "named", "span", "one", "two"),
    [
        ("en", "12,345", "5 Oct", "Monday 5 October", "28 September to 4 October 2026", "1 session", "2 sessions"),
        ("de", "12.345", "5. Okt.", "Montag, 5. Oktober", "28. September bis 4. Oktober 2026", "1 Sitzung", "2 Sitzungen"),
        ("es", "12.345", "5 oct", "lunes 5 de octubre", "Del 28 de septiembre al 4 de octubre de 2026", "1 sesión", "2 sesiones"),
    ],
)  # fmt: skip
def test_numbers_dates_and_plurals_are_the_languages_own(
    code: str, number: str, day: str, named: str, span: str, one: str, two: str
) -> None:
    say = Language(code)
    assert say.number(12345) == number
    assert say.day(MONDAY).replace("\N{NO-BREAK SPACE}", " ") == day
    assert say.named(MONDAY) == named
    assert say.span(dt.date(2026, 9, 28), dt.date(2026, 10, 4)) == span
    assert [say("sessions_counted", 1), say("sessions_counted", 2)] == [one, two]
    assert say.weekdays == [0, 1, 2, 3, 4, 5, 6]


def test_a_moment_is_told_in_the_accounts_time_and_one_that_never_was_by_a_word() -> None:
    at = dt.datetime(2026, 10, 5, 22, 30, tzinfo=dt.UTC)
    assert (
        Language("de").moment(at, ZoneInfo("Europe/Berlin")).replace("\N{NO-BREAK SPACE}", " ") == "Di. 6. Okt., 00:30"
    )
    assert Language("es").moment(None, ZoneInfo("Europe/Madrid")) == "nunca"


def test_a_language_that_there_is_not_is_refused_with_those_that_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPORT_LANGUAGE", "fr")
    with pytest.raises(SettingError, match=r"^REPORT_LANGUAGE=fr: must be en, de or es\.$"):
        report_language()


def test_a_language_may_be_written_in_capitals_and_none_is_english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPORT_LANGUAGE", " DE ")
    assert report_language() == "de"
    monkeypatch.setenv("REPORT_LANGUAGE", "")
    assert report_language() == "en"
