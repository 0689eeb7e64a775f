"""Settings: what they are without being set, and what is said of those that can't be used."""

import datetime as dt

import pytest

from resources.settings import SettingError, Settings


def test_nothing_has_to_be_set() -> None:
    settings = Settings.from_environment({})
    assert settings.start_date == dt.date(2025, 1, 1)
    assert str(settings.timezone) == "UTC"
    assert (settings.grace_hours, settings.lookback_days, settings.days_per_run, settings.max_concurrency) == (
        12,
        3,
        0,
        2,
    )


def test_an_empty_value_counts_as_not_set() -> None:
    assert Settings.from_environment({"START_DATE": "", "LOOKBACK_DAYS": " "}) == Settings.from_environment({})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("START_DATE", "yesterday"),
        ("PARTITION_TIMEZONE", "Berlin"),
        ("PARTITION_TIMEZONE", "../etc/passwd"),
        ("SESSION_GRACE_HOURS", "12h"),
        ("SESSION_GRACE_HOURS", "-1"),
        ("LOOKBACK_DAYS", "3.5"),
        ("DAYS_PER_RUN", "all"),
        ("KALTURA_MAX_CONCURRENCY", "0"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named_with_what_would_do(name: str, value: str) -> None:
    with pytest.raises(SettingError, match=name):
        Settings.from_environment({name: value})
