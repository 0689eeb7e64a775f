"""What the report says in sentences: the week in two of them, what to know before relying on it, and each chart's point."""

import datetime as dt

from assets.room_report.charts import steps_text
from assets.room_report.figures import WEEK, Figures
from assets.room_report.language import Language

MUCH = 0.1  # of the week's time: from this share on, the page begins with it


def lede(figures: Figures, say: Language) -> str:
    """The week in two sentences, and a third where much of its time was of people that nobody knows."""
    week, before = figures.week, figures.week_before
    if figures.is_empty:
        missing = len(figures.missing_sessions[figures.week_date])
        return say("nothing_loaded" if missing == WEEK.days else "none_known" if missing else "none_held")
    said = [_together(figures, say)]
    if week.total_minutes is None and not figures.is_attendance_unknown(week):
        said.append(say("time_unknown"))
    if not figures.is_comparable:
        said.append(say("no_comparison"))
    elif not before.session_count:
        said.append(say("none_before"))
    else:
        sessions = _compared(week.session_count or 0, before.session_count, "sessions", say)
        people = _compared(week.people_count or 0, before.people_count or 0, "people", say)
        said.append(say("compared", sessions=sessions, people=people))
    unidentified = (week.unidentified_minutes or 0) / (week.total_minutes or 1)
    if unidentified >= MUCH:
        said.append(say("unidentified_share", share=say.percent(unidentified)))
    return " ".join(said)


def _together(figures: Figures, say: Language) -> str:
    """How many came. Where Kaltura knew nobody of those who did, it is not said that nobody came."""
    week = figures.week
    if figures.is_attendance_unknown(week):
        return f"{say('held', week.session_count)} {say('attendees_unknown')}"
    if not week.people_count:
        return f"{say('held', week.session_count)} {say('nobody_came' if week.total_minutes == 0 else 'nobody_identified')}"
    return say("together", week.session_count, people=say("people", week.people_count or 0))


def _compared(now: int, then: int, things: str, say: Language) -> str:
    if now == then:
        return say(f"same_{things}")
    difference = abs(now - then)
    share = difference / then if then else 0
    key = f"{'more' if now > then else 'fewer'}_{things}"
    if round(100 * share):
        return say(key, 100, share=say.percent(share))
    return say(key, difference, share=say.number(difference))


def notices(figures: Figures, say: Language) -> list[str]:
    """What a reader must know before relying on the week's figures."""
    said = _missing_said(figures, say)
    provisional = figures.provisional[figures.week_date]
    if provisional:
        said.append(say("provisional", dates=say.dates(provisional)))
    before = figures.missing[figures.week_date - WEEK]
    if before and not figures.is_empty:
        said.append(say("before_missing", len(before)))
    return said


def _missing_said(figures: Figures, say: Language) -> list[str]:
    """Which days of the week are not loaded, and which lack one report: the figures that are short for it."""
    said = []
    missing = figures.missing_sessions[figures.week_date]
    if missing and len(missing) < WEEK.days:
        said.append(say("days_missing", len(missing), dates=say.dates(missing)))
    for key, lacking in (("attendees_missing", figures.missing), ("breakouts_missing", figures.missing_breakouts)):
        days = [each for each in lacking[figures.week_date] if each not in missing]
        if days:
            said.append(say(key, len(days), dates=say.dates(days)))
    return said


def chart_sentences(figures: Figures, say: Language) -> dict[str, str]:
    """A chart's main point in a sentence, which is also what a screen reader says in its place."""
    return {
        "weeks": _weeks(figures, say),
        "hours": _hours(figures, say),
        "engagement": _engagement(figures, say),
        "returns": _returns(figures, say),
        "breakouts": _breakouts(figures, say),
        "restated": _restated(figures, say),
    }


def _weeks(figures: Figures, say: Language) -> str:
    whole = [week for week in figures.weeks[:-1] if not figures.missing[week.week_date]]
    if not whole:
        return say("weeks_none")
    sessions = round(sum(week.session_count or 0 for week in whole) / len(whole))
    people = round(sum(week.people_count or 0 for week in whole) / len(whole))
    return say(
        "weeks_said", len(whole), sessions=say("sessions_counted", sessions), people=say("people", people)
    )  # fmt: skip


def _hours(figures: Figures, say: Language) -> str:
    if not figures.hours:
        return say("hours_unknown" if figures.missing_sessions[figures.week_date] else "hours_none")
    busiest = max(figures.hours, key=lambda hour: hour.open_session_count)
    start, end = (f"{hour}:00" for hour in (busiest.hour, busiest.hour + 1))
    weekday = say.weekday((figures.week_date + dt.timedelta(days=busiest.weekday)).weekday(), "wide")
    return say("hours_said", max(1, round(busiest.open_session_count)), weekday=weekday, start=start, end=end)


def _engagement(figures: Figures, say: Language) -> str:
    if figures.week.attendance_count is None:
        return say("engagement_unknown")
    total = sum(band.attendance_count or 0 for band in figures.bands)
    if not total:
        return say("engagement_none")
    upper = sum(band.attendance_count or 0 for band in figures.bands if band.band_number > 5)
    return say("engagement_said", total, share=say.percent(upper / total))


def _returns(figures: Figures, say: Language) -> str:
    known = [row for row in figures.returns if row.median_ratio is not None]
    unknown = sum(row.unknown_session_count for row in figures.returns)
    if not known and unknown and all(row.is_nobody_followed for row in figures.returns):
        return say("returns_not_followed")
    if not known:
        return say("returns_unknown", unknown) if unknown else say("returns_none")
    share, steps = say.percent(known[0].median_ratio), steps_text(known[0], say)
    if len(known) == 1:
        return say("returns_one", share=share, steps=steps)
    last_share, last_steps = say.percent(known[-1].median_ratio), steps_text(known[-1], say)
    return say("returns_said", share=share, steps=steps, last_share=last_share, last_steps=last_steps)


def _breakouts(figures: Figures, say: Language) -> str:
    week = figures.breakouts_by_week.get(figures.week_date)
    missing = len(figures.missing_breakouts[figures.week_date])
    if week is None:
        return say(
            "breakouts_unknown" if missing == WEEK.days else "breakouts_none_known" if missing else "breakouts_none"
        )
    ratio = figures.breakout_ratio(figures.week)
    if ratio is None:
        said = say("breakouts_said", week.main_session_count)
    else:
        said = say("breakouts_said_share", week.main_session_count, share=say.percent(ratio))
    if week.untied_breakout_count:
        said += " " + say("breakouts_untied", week.untied_breakout_count)
    return said


def _restated(figures: Figures, say: Language) -> str:
    if not figures.restated:
        return say("restated_none")
    completed = sum(row.completed_session_count for row in figures.restated)
    said = say("restated_said", sum(row.session_count for row in figures.restated))
    return f"{said} {say('restated_completed', completed)}" if completed else said
