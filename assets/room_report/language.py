"""The report's language: its texts, from a file a language, and how numbers, dates and lists are written in it (Babel)."""

import datetime as dt
import tomllib
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_date, format_skeleton, format_time
from babel.lists import format_list
from babel.numbers import format_decimal

LANGUAGES = Path(__file__).parent / "languages"
# English as it is read outside of the United States, where a week begins with Monday, as the report's own do.
_LOCALES = {"en": "en_001"}
_DASH = "\N{EM DASH}"
_SPACE = "\N{NO-BREAK SPACE}"
_DATES_NAMED = 8  # days that a sentence lists before it only counts them


class Language:
    """One language of the report. Called with a text's key, it gives the text, in the number of `count`.

    Where nobody can be followed from one session to the next (PII_MODE=none), people are attendances: texts of them have
    another form then.
    """

    def __init__(self, code: str, *, is_nobody_followed: bool = False) -> None:
        self.code = code
        self.is_nobody_followed = is_nobody_followed
        self.locale = Locale.parse(_LOCALES.get(code, code))

    @cached_property
    def texts(self) -> dict[str, str | list[str] | dict[str, str]]:
        return tomllib.loads((LANGUAGES / f"{self.code}.toml").read_text("utf-8"))

    def __call__(self, key: str, count: float | None = None, **values: str) -> str:
        text = self.texts[key]
        if self.is_nobody_followed:
            text = self.texts.get(f"{key}_unfollowed", text)
        if isinstance(text, dict):
            text = text.get(self.locale.plural_form(count or 0), text["other"])
        if not isinstance(text, str):
            raise TypeError(f"{key} is no text")
        return text.format(count=self.number(count), **values)

    @cached_property
    def weekdays(self) -> list[int]:
        """The days of a week in the order of the language's calendars; 0 is Monday."""
        first = self.locale.first_week_day
        return [(first + number) % 7 for number in range(7)]

    def weekday(self, number: int, width: str = "abbreviated") -> str:
        name: str = self.locale.days["stand-alone"][width][number]
        return name

    def number(self, value: float | None) -> str:
        """A count; a dash where it is not known."""
        return _DASH if value is None else format_decimal(round(value), format="#,##0", locale=self.locale)

    def tenths(self, value: float) -> str:
        return format_decimal(value, format="#,##0.0", locale=self.locale)

    def hours(self, minutes: float | None) -> str:
        return self.number(None if minutes is None else minutes / 60)

    def percent(self, ratio: float | None) -> str:
        return _DASH if ratio is None else f"{self.number(100 * ratio)}{_SPACE}%"

    def signed(self, value: float | None) -> str:
        if value is None:
            return _DASH
        sign = "+" if round(value) >= 0 else "\N{MINUS SIGN}"
        return sign + self.number(abs(value))

    def day(self, date: dt.date) -> str:
        """`5 Oct`, on one line."""
        return str(format_skeleton("MMMd", date, locale=self.locale)).replace(" ", _SPACE)

    def named(self, date: dt.date) -> str:
        """`Monday 5 October`."""
        return format_date(date, format=str(self.texts["date_named"]), locale=self.locale)

    def dates(self, dates: Sequence[dt.date]) -> str:
        return format_list([self.named(date) for date in dates[:_DATES_NAMED]], locale=self.locale)

    def moment(self, moment: dt.datetime | None, timezone: ZoneInfo) -> str:
        if moment is None:
            return self("never")
        local = moment.astimezone(timezone)
        weekday = format_date(local, format="EEE", locale=self.locale) + _SPACE
        time = format_time(local, format="HH:mm", locale=self.locale)
        return self("moment", weekday=weekday, day=self.day(local.date()), time=time).replace(f"{_SPACE} ", _SPACE)

    def span(self, first: dt.date, last: dt.date) -> str:
        """`5 to 11 October 2026`: what both days share is said once."""
        within = self.texts["span_first"]
        pattern = within[2 if first.year != last.year else 1 if first.month != last.month else 0]  # type: ignore[index]
        return self(
            "span",
            first=format_date(first, format=pattern, locale=self.locale),
            last=format_date(last, format=str(self.texts["span_last"]), locale=self.locale),
        )
