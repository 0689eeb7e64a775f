"""What the checks find in the days of a run, and what they say. A week of an invented university is loaded and then spoilt."""

import datetime as dt
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import dagster as dg
import psycopg
import pytest
from conftest import Databases
from in_process import installed

from assets.checks import checks
from assets.checks import query as findings
from assets.checks.checks import CHECKS, specs
from assets.reports import REPORTS
from pipelines.schedules import daily_pull
from pipelines.sensors import incidents
from pipelines.sensors.alerts import AlertState, digest
from resources.kaltura.windows import Days
from resources.postgres import outages
from resources.warehouse.warehouse import Warehouse
from simulator import DEMO, Fault, University, serving

WEEK = Days(dt.date(2026, 3, 2), dt.date(2026, 3, 8))
DAY = dt.date(2026, 3, 4)
ACCOUNT = DEMO.partner_id
SESSIONS, ATTENDEES, BREAKOUTS = (report.key for report in REPORTS[:3])


@pytest.fixture(scope="module")
def kaltura() -> Iterator[object]:
    with serving(University(seed=11, timezone="UTC", rooms=12)) as running:
        yield running


@pytest.fixture
def installation(kaltura, database: str) -> Iterator[SimpleNamespace]:
    """Dagster in this process, on the stand-in and a database of the test's own."""
    with installed(kaltura, database) as dagster:
        yield dagster


@pytest.fixture(scope="module")
def loaded_week(kaltura, databases: Databases) -> str:
    """A database with the week in it."""
    url = databases.make()
    with installed(kaltura, url) as dagster:
        assert dagster.pull(WEEK).success
    return url


@pytest.fixture
def week(loaded_week: str, new_database: Callable[[str], str]) -> Iterator[SimpleNamespace]:
    """A database with the week in it, to be spoilt."""
    url = new_database(loaded_week)
    with psycopg.connect(url, autocommit=True) as connection:
        yield SimpleNamespace(sql=connection.execute, database=url)


def by_key(run: dg.ExecuteInProcessResult) -> dict[tuple[str, str], dg.AssetCheckEvaluation]:
    return {(each.asset_key.path[-1], each.check_name): each for each in run.get_asset_check_evaluations()}


def failed(database: str, days: Days = WEEK) -> dict[tuple[str, str], dg.AssetCheckEvaluation]:
    """What the checks say of what is in the database now: those that do not pass."""
    warehouse = Warehouse(database)
    try:
        selected = {spec.key for spec in specs()}
        found = list(checks.results(selected, (), days, ACCOUNT, warehouse, has_all_attendees=True))
    finally:
        warehouse.close()
    assert len(found) == len(specs())
    return {(each.asset_key.path[-1], each.check_name): each for each in found if not each.passed}


def test_an_undisturbed_week_passes_every_check_and_each_says_so(installation) -> None:
    run = installation.pull(WEEK)
    assert run.success
    evaluations = by_key(run)
    assert set(evaluations) == {(spec.asset_key.path[-1], spec.name) for spec in specs()}
    assert {key: each.description for key, each in evaluations.items() if not each.passed} == {}
    assert all("2026-03-02 to 2026-03-08" in each.description for each in evaluations.values())


def test_checks_are_done_also_where_a_day_failed(installation) -> None:
    evening = int(dt.datetime(2026, 3, 4, 18, tzinfo=dt.UTC).timestamp())
    installation.kaltura.faults.add(
        Fault("missing_column", report_id=6001, times=None, column="meeting_view_time", covers=evening)
    )
    run = installation.pull(WEEK)
    assert not run.success
    assert len(installation.evaluations(run)) == len(specs())


def test_where_nothing_came_in_nothing_is_checked(installation) -> None:
    installation.kaltura.faults.add(Fault("service_forbidden", times=None))
    run = installation.pull(WEEK)
    assert not run.success
    assert installation.evaluations(run) == []


def test_a_run_of_one_asset_leaves_out_the_checks_that_compare_tables(installation) -> None:
    evaluations = by_key(installation.pull(WEEK, only=[ATTENDEES]))
    names = {check.name for check in CHECKS if checks.ATTENDEES in check.reports and not check.needs}
    assert set(evaluations) == {("attendees", name) for name in names}


def test_checks_can_be_run_alone_and_judge_the_newest_days(installation) -> None:
    installation.pull(WEEK)
    job = installation.defs.resolve_implicit_global_asset_job_def()
    keys = {dg.AssetCheckKey(ATTENDEES, "person_hours"), dg.AssetCheckKey(SESSIONS, "known_columns")}
    with dg.DagsterInstance.ephemeral() as instance:
        alone = job.get_subset(asset_selection=set(), asset_check_selection=keys)
        run = alone.execute_in_process(instance=instance)
    evaluations = by_key(run)
    assert set(evaluations) == {("attendees", "person_hours"), ("room_sessions", "known_columns")}
    assert all("2026-02-07 to 2026-03-08" in each.description for each in evaluations.values())


def test_an_attendee_without_a_session_is_an_error_with_its_session_and_no_person(week) -> None:
    [(entry, cue, people)] = week.sql(
        "SELECT entry_id, cue_point_id, count(*) FROM kaltura.attendees WHERE partition_date = %s"
        " GROUP BY 1, 2 ORDER BY 3 DESC LIMIT 1",
        [DAY],
    ).fetchall()
    week.sql("DELETE FROM kaltura.room_sessions WHERE entry_id = %s AND cue_point_id = %s", [entry, cue])

    found = failed(week.database)

    result = found["attendees", "attendees_have_sessions"]
    assert result.severity is dg.AssetCheckSeverity.ERROR
    assert f"{DAY}" in result.description
    assert "pull these days again" in result.description.lower()
    assert result.metadata["bad days"].value == [str(DAY)]
    [record] = result.metadata["sample"].records
    assert record.data == {
        "partition_date": str(DAY),
        "entry_id": entry,
        "cue_point_id": cue,
        "attendee_rows": people,
    }


def test_attendees_that_were_left_on_another_day_than_their_session_are_an_error(week) -> None:
    """As attendance has them: it finds a session on its attendees' own day alone."""
    [(entry, cue)] = week.sql(
        "SELECT entry_id, cue_point_id FROM kaltura.attendees WHERE partition_date = %s ORDER BY 1, 2 LIMIT 1", [DAY]
    ).fetchall()
    week.sql(
        "UPDATE kaltura.room_sessions SET partition_date = partition_date + 1 WHERE entry_id = %s AND cue_point_id = %s",
        [entry, cue],
    )
    result = failed(week.database)["attendees", "attendees_have_sessions"]
    assert result.metadata["bad days"].value == [str(DAY)]
    [record] = result.metadata["sample"].records
    assert (record.data["entry_id"], record.data["cue_point_id"]) == (entry, cue)


@pytest.mark.parametrize("lacking", [ATTENDEES, SESSIONS], ids=lambda key: key.path[-1])
def test_days_of_which_a_table_is_not_there_are_no_finding_of_a_check_that_compares_it(
    lacking: dg.AssetKey, installation
) -> None:
    """Checks run alone look at days whoever pulled them, of which some may have been pulled for one table alone."""
    both = Days(WEEK.first, WEEK.first + dt.timedelta(days=1))
    one = Days(both.last + dt.timedelta(days=1), WEEK.last)
    assert installation.pull(both).success
    assert installation.pull(one, only=[key for key in (ATTENDEES, SESSIONS) if key != lacking]).success
    compare = {check.name for check in CHECKS if check.needs}
    found = {name: each for (_, name), each in failed(installation.database).items() if name in compare}
    assert found == {}
    for table, spoil in (
        ("attendees", "meeting_view_time = 25 * 60"),
        ("room_sessions", "meeting_view_period_unique_users = 900"),
    ):
        installation.sql(f"UPDATE kaltura.{table} SET {spoil}")
    found = {name: each for (_, name), each in failed(installation.database).items() if name in compare}
    assert {"person_hours", "estimate_agrees"} == found.keys()
    for each in found.values():
        assert {dt.date.fromisoformat(day) for day in each.metadata["bad days"].value} <= {*both}
        pasted = each.metadata["query"].value.split("```sql\n")[1].split("```")[0]
        assert len(installation.sql(pasted).fetchall()) == each.metadata["found"].value


def test_the_query_in_the_metadata_can_be_pasted_as_it_is(week) -> None:
    week.sql("UPDATE kaltura.loads SET unknown_columns = '{mood}' WHERE partition_date = %s", [DAY])
    result = failed(week.database)["room_sessions", "known_columns"]
    pasted = result.metadata["query"].value.split("```sql\n")[1].split("```")[0]
    rows = week.sql(pasted).fetchall()
    assert [(day, column) for day, column, _ in rows] == [(DAY, "mood")]
    assert len(rows) == result.metadata["found"].value


@pytest.mark.parametrize(
    ("table", "spoil"),
    [
        ("attendees", "meeting_view_time = -1"),
        ("attendees", "meeting_view_time = 'infinity'"),
        ("attendees", "meeting_engaged_play_time_ratio = 'nan'"),
        ("room_sessions", "meeting_engaged_play_time_ratio = 1.01"),
        ("room_sessions", "meeting_view_period_unique_users = -1"),
        ("breakout_sessions", "participant_count = -1"),
        ("breakout_sessions", "duration = interval '-1 s'"),
    ],
)
def test_a_figure_that_cannot_be_is_an_error(table: str, spoil: str, week) -> None:
    _drop_constraints(week)
    week.sql(f"UPDATE kaltura.{table} SET {spoil} WHERE partition_date = '{DAY}'")
    result = failed(week.database)[table, "figures_in_range"]
    assert result.severity is dg.AssetCheckSeverity.ERROR
    assert result.metadata["bad days"].value == [str(DAY)]


@pytest.mark.parametrize("table", ["room_sessions", "breakout_sessions"])
def test_a_session_that_ends_before_it_starts_is_an_error(table: str, week) -> None:
    _drop_constraints(week)
    week.sql(
        f"UPDATE kaltura.{table} SET session_end_time = session_start_time - interval '1 s'"
        f" WHERE partition_date = '{DAY}'"
    )
    assert failed(week.database)[table, "ends_after_start"].severity is dg.AssetCheckSeverity.ERROR


@pytest.mark.parametrize(("age", "is_found"), [("49 hours", True), ("47 hours", False)])
def test_a_session_still_without_an_end_after_48_hours_warns(age: str, is_found: bool, installation) -> None:
    today = dt.datetime.now(dt.UTC).date()
    installation.sql(
        "INSERT INTO kaltura.room_sessions (partner_id, entry_id, cue_point_id, session_start_time, partition_date,"
        f" window_start, window_end, load_id) VALUES (%s, 'r', 's', now() - interval '{age}',"
        f" (now() - interval '{age}')::date, now(), now(), 1)",
        [ACCOUNT],
    )
    found = failed(installation.database, Days(today - dt.timedelta(days=6), today))
    assert (("room_sessions", "sessions_have_ended") in found) is is_found


@pytest.mark.parametrize("has_key", [False, True], ids=["without a key by nothing", "with a key by the pseudonym"])
def test_more_than_24_hours_a_day_warn_and_show_the_person(has_key: bool, week) -> None:
    [(user,)] = week.sql(
        "SELECT user_id FROM kaltura.attendees JOIN kaltura.room_sessions USING (partner_id, entry_id, cue_point_id)"
        " WHERE attendees.partition_date = %s AND parent_entry_id IS NULL AND user_id NOT IN ('', 'Unknown', '0')"
        " ORDER BY user_id LIMIT 1",
        [DAY],
    ).fetchall()
    week.sql("UPDATE kaltura.attendees SET meeting_view_time = 25 * 60 WHERE user_id = %s", [user])
    week.sql("UPDATE kaltura.privacy SET key_fingerprint = %s", ["made with a key" if has_key else None])
    result = failed(week.database)["attendees", "person_hours"]
    week.sql("UPDATE kaltura.privacy SET key_fingerprint = NULL")
    [(pseudonym,)] = week.sql("SELECT pseudonym FROM kaltura.people WHERE user_id = %s", [user]).fetchall()
    shown = {record.data["person_id"] for record in result.metadata["sample"].records}
    assert (pseudonym in shown) is has_key
    assert has_key or shown <= {None, ""}
    assert hashlib.md5(user.encode()).hexdigest()[:12] not in json.dumps(sorted(map(str, shown)))
    assert str(DAY) in result.metadata["bad days"].value
    assert user not in json.dumps([record.data for record in result.metadata["sample"].records])
    assert user not in result.description + result.metadata["query"].value


def test_somebody_in_a_session_of_thirty_hours_may_have_been_there_all_the_time(installation) -> None:
    installation.sql(
        "INSERT INTO kaltura.room_sessions (partner_id, entry_id, cue_point_id, session_start_time, session_end_time,"
        " partition_date, window_start, window_end, load_id)"
        " VALUES (%s, 'r', 's', '2026-03-04 08:00Z', '2026-03-05 14:00Z', %s, now(), now(), 1)",
        [ACCOUNT, DAY],
    )
    installation.sql(
        "INSERT INTO kaltura.attendees (partner_id, entry_id, cue_point_id, user_id, meeting_view_time,"
        " partition_date, window_start, window_end, load_id)"
        " VALUES (%s, 'r', 's', 'ann', 30.2 * 60, %s, now(), now(), 1)",
        [ACCOUNT, DAY],
    )
    for report_id in (6000, 6001):
        _loads(installation, {DAY: 1}, report_id)
    assert ("attendees", "person_hours") not in failed(installation.database)
    installation.sql("UPDATE kaltura.attendees SET meeting_view_time = 32 * 60")
    assert ("attendees", "person_hours") in failed(installation.database)


def test_an_estimate_is_compared_over_20_percent_and_5_people(week) -> None:
    count = "(SELECT count(*) FROM kaltura.attendees AS a WHERE a.entry_id = s.entry_id AND a.cue_point_id = s.cue_point_id)"
    week.sql(f"UPDATE kaltura.room_sessions AS s SET meeting_view_period_unique_users = {count} + 5")
    assert ("room_sessions", "estimate_agrees") not in failed(week.database)
    week.sql(f"UPDATE kaltura.room_sessions AS s SET meeting_view_period_unique_users = {count} * 1.2")
    assert ("room_sessions", "estimate_agrees") not in failed(week.database)
    week.sql(
        f"UPDATE kaltura.room_sessions AS s SET meeting_view_period_unique_users = {count} * 1.3 + 6"
        f" WHERE partition_date = '{DAY}'"
    )
    assert failed(week.database)["room_sessions", "estimate_agrees"].metadata["bad days"].value == [str(DAY)]


def test_a_session_of_two_people_without_a_minute_warns(week) -> None:
    of_day = f"partition_date = '{DAY}'"
    one = f"(SELECT user_id FROM kaltura.attendees WHERE {of_day} ORDER BY cue_point_id, user_id LIMIT 1)"
    week.sql(f"UPDATE kaltura.attendees SET meeting_view_time = 0 WHERE {of_day} AND user_id <> {one}")
    week.sql(f"UPDATE kaltura.attendees SET meeting_view_time = 0.2 WHERE {of_day} AND user_id = {one}")
    expected = week.sql(
        f"SELECT count(*) FROM (SELECT FROM kaltura.attendees WHERE {of_day} GROUP BY cue_point_id, entry_id"
        f" HAVING count(*) >= 2 AND NOT bool_or(user_id = {one})) AS sessions"
    ).fetchall()[0][0]
    result = failed(week.database)["attendees", "sessions_have_minutes"]
    assert (result.metadata["found"].value, result.metadata["bad days"].value) == (expected, [str(DAY)])


def test_a_filtered_run_does_not_compare_an_estimate_with_the_few_that_it_pulled(installation) -> None:
    run = installation.pull(WEEK, run_config={"ops": {"kaltura_rooms": {"config": {"cue_point_ids": ["1_some"]}}}})
    assert ("room_sessions", "estimate_agrees") not in by_key(run)


def test_many_rejects_warn_with_their_reason_and_without_the_lines(week) -> None:
    week.sql(
        "UPDATE kaltura.loads SET rows_received = rows_received + 50, rows_rejected = rows_rejected + 50"
        " WHERE report_id = 6001 AND partition_date = %s",
        [DAY],
    )
    week.sql(
        "INSERT INTO kaltura.rejects (load_id, partner_id, report_id, partition_date, raw, reason)"
        " SELECT id, partner_id, report_id, partition_date, 'ann,ann@example.org', 'too long'"
        " FROM kaltura.loads, generate_series(1, 50) WHERE report_id = 6001 AND partition_date = %s",
        [DAY],
    )
    result = failed(week.database)["attendees", "few_rejects"]
    sample = json.dumps([record.data for record in result.metadata["sample"].records])
    assert str(DAY) in result.metadata["bad days"].value
    assert "too long" in sample
    assert "example.org" not in sample


def _loads(installation, rows: dict[dt.date, int], report_id: int = 6000) -> None:
    for day, count in rows.items():
        installation.sql(
            "INSERT INTO kaltura.loads (partner_id, report_id, partition_date, window_start, window_end, pulled_at,"
            " requests, rows_received, rows_merged, rows_rejected, rows_other_days, inserted, updated, unchanged,"
            " removed) VALUES (%s, %s, %s, now(), now(), now(), 1, %s, 0, 0, 0, %s, 0, 0, 0)",
            [ACCOUNT, report_id, day, count, count],
        )


def _weeks_before(day: dt.date, *counts: int) -> dict[dt.date, int]:
    return {day - dt.timedelta(weeks=n): count for n, count in enumerate(counts, start=1)}


@pytest.mark.parametrize(
    ("rows", "before", "is_found"),
    [
        (40, (100, 110, 90, 100), True),
        (60, (100, 110, 90, 100), False),
        (250, (100, 110, 90, 100), True),
        (5, (20, 20, 20, 20), False),  # a gap of 20 rows or fewer
        (10, (100, 100), False),  # too few weeks to tell
    ],
)
def test_rows_are_compared_with_the_same_weekday_of_the_weeks_before(
    rows: int, before: tuple[int, ...], is_found: bool, installation
) -> None:
    _loads(installation, {DAY: rows, **_weeks_before(DAY, *before)})
    _loads(installation, {DAY - dt.timedelta(days=n): 1000 for n in range(1, 7)})  # other weekdays do not count
    assert (("room_sessions", "usual_row_count") in failed(installation.database, Days(DAY, DAY))) is is_found


@pytest.mark.parametrize(
    ("before", "is_found"),
    [((10, 10, 0, 10), True), ((0, 0, 10, 10), False), ((10, 10), False)],
    ids=["in term", "after a vacation of two weeks", "nothing to compare with"],
)
def test_an_empty_day_warns_where_its_weekday_had_rows_in_most_of_the_last_four_weeks(
    before: tuple[int, ...], is_found: bool, installation
) -> None:
    _loads(installation, {DAY: 0, **_weeks_before(DAY, *before)})
    assert (("room_sessions", "no_rows_in_term") in failed(installation.database, Days(DAY, DAY))) is is_found


@pytest.mark.parametrize(
    ("empty_days", "severity"),
    [(3, None), (4, dg.AssetCheckSeverity.WARN), (8, dg.AssetCheckSeverity.ERROR)],
)
def test_days_that_load_and_hold_nothing_warn_first_and_are_an_error_later(
    empty_days: int, severity: dg.AssetCheckSeverity | None, week
) -> None:
    last = WEEK.last + dt.timedelta(days=empty_days)
    _loads(week, {WEEK.last + dt.timedelta(days=n): 0 for n in range(1, empty_days + 1)})
    result = failed(week.database, Days(last, last)).get(("room_sessions", "recent_events"))
    assert (result.severity if result else None) is severity


_NEXT_TERM = (WEEK.last + dt.timedelta(days=40), WEEK.last + dt.timedelta(days=140))


@pytest.mark.parametrize(
    ("terms", "severity"),
    [
        ((), dg.AssetCheckSeverity.ERROR),
        (((WEEK.first, WEEK.last + dt.timedelta(days=90)),), dg.AssetCheckSeverity.ERROR),
        (((WEEK.first, WEEK.last), _NEXT_TERM), None),
        (((WEEK.first, WEEK.last + dt.timedelta(days=3)), _NEXT_TERM), None),
        (((WEEK.first, WEEK.last),), dg.AssetCheckSeverity.ERROR),
        (((WEEK.first, WEEK.last + dt.timedelta(days=3)),), dg.AssetCheckSeverity.ERROR),
        (((WEEK.first - dt.timedelta(days=99), WEEK.first),), dg.AssetCheckSeverity.ERROR),
        (
            ((WEEK.first, WEEK.last), (WEEK.last + dt.timedelta(days=5), WEEK.last + dt.timedelta(days=90))),
            dg.AssetCheckSeverity.WARN,
        ),
    ],
    ids=[
        "no terms set",
        "in term",
        "in vacation",
        "in vacation, begun in term",
        "after the last term that is listed",
        "begun in the last term that is listed",
        "long after the last term that is listed",
        "a term that began silent",
    ],
)
def test_outside_of_terms_silence_is_no_finding(
    terms, severity: dg.AssetCheckSeverity | None, week, monkeypatch
) -> None:
    monkeypatch.setattr(checks.missing_days, "SETTINGS", replace(checks.SETTINGS, terms=terms))
    last = WEEK.last + dt.timedelta(days=9)
    _loads(week, {WEEK.last + dt.timedelta(days=n): 0 for n in range(1, 10)})
    result = failed(week.database, Days(last, last)).get(("room_sessions", "recent_events"))
    assert (result.severity if result else None) is severity
    has_ended = bool(terms) and terms[-1][1] < last
    if result:
        [silence] = result.metadata["sample"].records
        assert silence.data["term_dates_ended_on"] == (str(terms[-1][1]) if has_ended else None)


_BEGINS, _ENDS = WEEK.first, WEEK.last


@pytest.mark.parametrize(
    ("courses", "severity"),
    [
        ([(_BEGINS, _ENDS), (_ENDS + dt.timedelta(days=30), _ENDS + dt.timedelta(days=120))], None),
        ([(_BEGINS, _ENDS)], dg.AssetCheckSeverity.ERROR),
        ([(_ENDS + dt.timedelta(days=30), _ENDS + dt.timedelta(days=120))], dg.AssetCheckSeverity.ERROR),
        ([(_BEGINS, _ENDS), (_BEGINS, _ENDS + dt.timedelta(days=90))], dg.AssetCheckSeverity.ERROR),
        ([(None, None), (_BEGINS, None)], dg.AssetCheckSeverity.ERROR),
        (
            [(_BEGINS, _ENDS), (_ENDS + dt.timedelta(days=5), _ENDS + dt.timedelta(days=90))],
            dg.AssetCheckSeverity.WARN,
        ),
    ],
    ids=[
        "between two terms",
        "after the last course that is loaded",
        "before the first course that is loaded",
        "a course goes on",
        "courses without dates",
        "a term that began silent",
    ],
)
def test_without_terms_the_dates_of_courses_say_when_silence_is_a_vacation(
    courses: list[tuple[dt.date | None, dt.date | None]], severity: dg.AssetCheckSeverity | None, week
) -> None:
    with psycopg.connect(week.database) as connection:
        for number, (starts_on, ends_on) in enumerate(courses):
            connection.execute(
                "INSERT INTO university.courses (account_id, course_id, starts_on, ends_on)"
                " SELECT DISTINCT partner_id, %s, %s::date, %s::date FROM kaltura.loads",
                [f"course{number}", starts_on, ends_on],
            )
    last = WEEK.last + dt.timedelta(days=9)
    _loads(week, {WEEK.last + dt.timedelta(days=n): 0 for n in range(1, 10)})
    result = failed(week.database, Days(last, last)).get(("room_sessions", "recent_events"))
    assert (result.severity if result else None) is severity


def test_of_a_silence_of_months_an_alert_speaks_once_a_level_and_when_it_is_over(week) -> None:
    told, lines, now = AlertState(), [], 0
    for morning in range(1, 101):
        day = WEEK.last + dt.timedelta(days=morning)
        _loads(week, {day: 0 if morning < 100 else 12})
        with closing(Warehouse(week.database)) as warehouse:
            selected = {dg.AssetCheckKey(SESSIONS, "recent_events")}
            days = Days(day - dt.timedelta(days=3), day)
            [evaluation] = checks.results(selected, (), days, ACCOUNT, warehouse, has_all_attendees=True)
        found = incidents.Collected()
        incidents._judge(evaluation, "run", found)
        now += 24 * 3600
        what, told = digest(found, told, now)
        lines += what.lines("")
    assert [line.split(",")[0] for line in lines] == [
        "WARNING: recent_events of room_sessions",
        "ERROR: recent_events of room_sessions",
        "RECOVERED: recent_events of room_sessions",
    ]
    assert {line.split(", ")[1][:10] for line in lines} == {str(WEEK.last + dt.timedelta(days=1))}


@pytest.mark.parametrize("silent_days", [3, 4, 8, 11])
def test_whichever_days_of_a_silence_are_pulled_again_the_verdict_on_it_stays(silent_days: int, week) -> None:
    silent = [WEEK.last + dt.timedelta(days=n) for n in range(1, silent_days + 1)]
    _loads(week, dict.fromkeys(silent, 0))
    selected = {dg.AssetCheckKey(SESSIONS, "recent_events")}
    days = [*WEEK, *silent]
    told: AlertState | None = None
    with closing(Warehouse(week.database)) as warehouse:
        for first, last in [(silent[-1], silent[-1]), *((a, b) for a in days[::3] for b in days if a <= b)]:
            [found] = checks.results(selected, (), Days(first, last), ACCOUNT, warehouse, has_all_attendees=True)
            lines, after = _judged([found], told or AlertState())
            assert found.passed is (silent_days <= 3)
            assert found.passed or found.metadata["bad days"].value == [str(silent[0])]
            assert found.passed or found.severity is (
                dg.AssetCheckSeverity.ERROR if silent_days > 7 else dg.AssetCheckSeverity.WARN
            )
            assert told is None or lines == [], f"{first} to {last}"
            told = after


def _judged(evaluations: Iterable[dg.AssetCheckEvaluation], told: AlertState) -> tuple[list[str], AlertState]:
    """The lines of an alert on them, after what was told."""
    found = incidents.Collected()
    for evaluation in evaluations:
        incidents._judge(evaluation, "run", found)
    what, after = digest(found, told, 0)
    return what.lines(""), after


@pytest.mark.parametrize(
    "config",
    [{"virtual_event_ids": ["other"]}, {"entry_ids": ["1_other"], "parent_entry_ids": ["1_other"]}],
    ids=lambda config: " and ".join(config),
)
def test_a_pull_of_something_else_changes_no_verdict_on_a_day_and_no_recovery_is_told(
    config: dict[str, list[str]], kaltura, week
) -> None:
    week.sql("UPDATE kaltura.loads SET people_kept = 50 WHERE report_id = 6001 AND partition_date = %s", [DAY])
    week.sql(
        "UPDATE kaltura.loads SET rows_received = rows_received + 50, rows_rejected = rows_rejected + 50"
        " WHERE report_id = 6001 AND partition_date = %s",
        [DAY],
    )
    week.sql(
        "UPDATE kaltura.loads SET inserted = 0, updated = 0, unchanged = 0, rows_received = 0, rows_merged = 0"
        " WHERE report_id = 6002 AND partition_date = %s",
        [DAY],
    )
    for report_id in (6000, 6002):
        _loads(week, _weeks_before(DAY, 900, 900, 900, 900), report_id)
    bad = {
        ("attendees", "people_stay_known"),
        ("attendees", "few_rejects"),
        ("room_sessions", "usual_row_count"),
        ("breakout_sessions", "no_rows_in_term"),
    }
    before = failed(week.database, Days(DAY, DAY))
    assert bad <= set(before)
    lines, told = _judged(before.values(), AlertState())
    assert len(lines) >= len(bad)

    with installed(kaltura, week.database) as dagster:
        run = dagster.pull(Days(DAY, DAY), run_config={"ops": {"kaltura_rooms": {"config": config}}})
    assert run.success
    after = by_key(run)
    assert [key for key in bad if after[key].passed] == []
    assert {key: after[key].description for key in bad} == {key: before[key].description for key in bad}
    lines, _ = _judged(after.values(), told)
    assert [line for line in lines if line.startswith("RECOVERED")] == []


@pytest.mark.parametrize("setting", [31, 0], ids=["come back", "stay away"])
def test_days_that_are_missing_since_the_first_load_are_counted_and_told_how_they_come_back(
    setting: int, week, monkeypatch
) -> None:
    week.sql("DELETE FROM kaltura.loads WHERE partition_date IN ('2026-03-04', '2026-03-05') AND report_id = 6001")
    monkeypatch.setattr(checks.missing_days, "SETTINGS", replace(checks.SETTINGS, catch_up_days=setting))
    yesterday = dt.datetime.now(dt.UTC).date() - dt.timedelta(days=1)
    result = failed(week.database)["room_sessions", "missing_days"]
    count = 2 + (yesterday - WEEK.last).days
    assert f"{count:,}, on 2026-03-04 to 2026-03-05, 2026-03-09 to {yesterday}." in result.description
    assert "the oldest 31 a day" in result.description
    assert "python -m pipelines pull --from" in result.description
    assert result.metadata["first day"].value == "2026-03-02"
    assert result.severity is (dg.AssetCheckSeverity.WARN if setting else dg.AssetCheckSeverity.ERROR)


def test_another_accounts_rows_are_not_looked_at(week) -> None:
    week.sql("UPDATE kaltura.room_sessions SET partner_id = 4711")
    week.sql("UPDATE kaltura.loads SET partner_id = 4711, unknown_columns = '{x}' WHERE report_id = 6002")
    found = failed(week.database)
    assert ("breakout_sessions", "known_columns") not in found
    assert ("attendees", "attendees_have_sessions") in found


def test_a_check_whose_query_fails_warns_that_it_was_not_done_and_leaves_the_days_green(
    installation, tmp_path, monkeypatch
) -> None:
    broken = tmp_path / "checks"
    broken.mkdir()
    for file in findings.QUERIES.glob("*.sql"):
        (broken / file.name).write_text(file.read_text("utf-8"), "utf-8")
    (broken / "person_hours.sql").write_text("SELECT 1 / 0 AS partition_date", "utf-8")
    monkeypatch.setattr(findings, "QUERIES", broken)

    run = installation.pull(WEEK)

    assert run.success
    evaluations = by_key(run)
    bad = evaluations.pop(("attendees", "person_hours"))
    assert not bad.passed
    assert bad.severity is dg.AssetCheckSeverity.WARN
    assert "could not be checked" in bad.description
    assert "division by zero" in bad.description
    assert all(each.passed for each in evaluations.values())


def broken_off(queries: Path, name: str, where: str = "TRUE") -> Path:
    """The queries, of which that one has its own connection ended where the condition holds, as by a server that stops."""
    for file in findings.QUERIES.glob("*.sql"):
        (queries / file.name).write_text(file.read_text("utf-8"), "utf-8")
    end = f"CASE WHEN {where} THEN pg_terminate_backend(pg_backend_pid()) END"
    (queries / f"{name}.sql").write_text(f"SELECT current_date AS partition_date WHERE {end}", "utf-8")
    return queries


def test_a_run_of_checks_alone_that_could_do_none_fails_for_a_reason_that_passes(
    installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the schedule nightly_check, which is there to tell: green, it would say that no day is missing."""
    monkeypatch.setattr(outages, "WAITED_FOR_SECONDS", 1)
    installation.pull(WEEK)
    monkeypatch.setattr(findings, "QUERIES", broken_off(tmp_path, "missing_days"))
    job = installation.defs.resolve_implicit_global_asset_job_def()
    alone = job.get_subset(asset_selection=set(), asset_check_selection={dg.AssetCheckKey(SESSIONS, "missing_days")})
    with dg.DagsterInstance.ephemeral() as instance:
        run = alone.execute_in_process(instance=instance, raise_on_error=False)
    assert not run.success
    assert run.get_asset_check_evaluations() == []
    assert "The checks could not be done: the database can't be reached any more" in why(run)
    assert "This may pass" in why(run)


def test_a_run_whose_days_are_in_and_whose_checks_could_not_be_done_says_both(
    installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outages, "WAITED_FOR_SECONDS", 1)
    monkeypatch.setattr(findings, "QUERIES", broken_off(tmp_path, "person_hours"))
    run = installation.pull(WEEK)
    assert not run.success
    assert installation.evaluations(run) == []
    assert "All days of the run are loaded." in why(run)
    assert "This may pass" in why(run)
    [days] = installation.sql("SELECT count(DISTINCT partition_date) FROM kaltura.loads").fetchone()
    assert days == len(WEEK)


def test_a_database_that_is_back_in_a_moment_is_waited_for_and_each_check_told_once(
    installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed = "(SELECT sessions_killed FROM pg_stat_database WHERE datname = current_database())"
    [before] = installation.sql(f"SELECT {killed}").fetchone()
    monkeypatch.setattr(findings, "QUERIES", broken_off(tmp_path, "person_hours", f"{killed} = {before}"))
    run = installation.pull(WEEK)
    assert run.success
    assert len(installation.evaluations(run)) == len(specs()) == len(by_key(run))
    assert installation.sql(f"SELECT {killed} > {before}").fetchone() == (True,)


def why(run: dg.ExecuteInProcessResult) -> str:
    [failure] = [event.step_failure_data for event in run.all_events if event.is_step_failure]
    assert failure.user_failure_data
    return str(failure.user_failure_data.description)


def test_a_check_that_could_not_be_done_neither_recovers_nor_forgets_a_day(
    week, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = AlertState()

    def judged(queries: Path) -> list[str]:
        nonlocal told
        monkeypatch.setattr(findings, "QUERIES", queries)
        with closing(Warehouse(week.database)) as warehouse:
            selected = {dg.AssetCheckKey(ATTENDEES, "attendees_have_sessions")}
            [evaluation] = checks.results(selected, (), WEEK, ACCOUNT, warehouse, has_all_attendees=True)
        found = incidents.Collected()
        incidents._judge(evaluation, "run", found)
        what, told = digest(found, told, 0)
        return what.lines("")

    there, broken = findings.QUERIES, tmp_path
    (broken / "attendees_have_sessions.sql").write_text("SELECT 1 / 0 AS partition_date", "utf-8")
    week.sql("UPDATE kaltura.room_sessions SET cue_point_id = 'not ' || cue_point_id WHERE partition_date = %s", [DAY])
    [line] = judged(there)
    assert line.startswith(f"ERROR: attendees_have_sessions of attendees, {DAY}: ")
    [line] = judged(broken)
    assert line.startswith("WARNING: attendees_have_sessions of attendees could not be done: ")
    assert judged(broken) == []
    assert judged(there) == ["RECOVERED: attendees_have_sessions of attendees could not be done"]
    week.sql("UPDATE kaltura.room_sessions SET cue_point_id = substr(cue_point_id, 5) WHERE partition_date = %s", [DAY])
    assert judged(there) == [f"RECOVERED: attendees_have_sessions of attendees, {DAY}"]


ALL = {spec.key for spec in specs()}


def judged_all(url: str) -> dict[str, dg.AssetCheckEvaluation]:
    with closing(Warehouse(url)) as warehouse:
        found = list(checks.results((), REPORTS, WEEK, ACCOUNT, warehouse, has_all_attendees=True))
    assert {each.asset_check_key for each in found} == ALL
    assert len(found) == len(ALL)
    return {each.check_name: each for each in found}


def test_how_far_back_the_days_reach_may_be_unknown_and_every_check_is_told_of_all_the_same(week) -> None:
    with psycopg.connect(week.database) as other:
        other.execute(f"ALTER DATABASE {other.info.dbname} SET lock_timeout = '200ms'")
        other.commit()
        other.execute("LOCK TABLE kaltura.loads")
        told = judged_all(week.database)
    undone = {name for name, each in told.items() if checks.NOT_DONE in each.metadata}
    assert "missing_days" in undone
    assert not undone & {"figures_in_range", "ends_after_start", "person_hours"}
    assert "could not be checked" in told["missing_days"].description
    assert told["missing_days"].severity is dg.AssetCheckSeverity.WARN
    assert not told["missing_days"].passed


def test_each_check_has_a_query_and_each_query_a_check() -> None:
    assert {file.stem for file in findings.QUERIES.glob("*.sql")} == {check.name for check in CHECKS}


def _drop_constraints(installation) -> None:
    rows = installation.sql(
        "SELECT conrelid::regclass::text, conname FROM pg_constraint WHERE contype = 'c'"
        " AND connamespace = 'kaltura'::regnamespace"
    ).fetchall()
    for table, name in rows:
        installation.sql(f"ALTER TABLE {table} DROP CONSTRAINT {name}")


def test_a_schedules_run_plans_no_check_and_tells_each_once(database: str) -> None:
    """A check that is planned costs Dagster's history an event and a row for each day of the run, which nothing ends."""
    with (
        serving(University(seed=11, timezone="UTC", rooms=1)) as kaltura,
        dg.DagsterInstance.ephemeral() as instance,
        installed(kaltura, database, instance) as dagster,
    ):
        scheduled = dg.Definitions(assets=dagster.defs.assets, schedules=[daily_pull], resources=dagster.defs.resources)
        result = scheduled.resolve_job_def(daily_pull.job_name).execute_in_process(
            instance=instance,
            tags={
                "dagster/asset_partition_range_start": str(DAY),
                "dagster/asset_partition_range_end": str(DAY + dt.timedelta(days=3)),
            },
        )
        kinds = [
            entry.get_dagster_event().event_type_value
            for entry in instance.all_logs(result.run_id)
            if entry.dagster_event
        ]
        assert result.success
        assert "ASSET_CHECK_EVALUATION_PLANNED" not in kinds
        assert "STEP_OUTPUT" not in kinds
        told = {(each.asset_key, each.check_name) for each in result.get_asset_check_evaluations()}
        assert told == {(spec.asset_key, spec.name) for spec in checks.specs()}
        assert kinds.count("ASSET_CHECK_EVALUATION") == len(told)
        for record in instance.event_log_storage.get_latest_asset_check_execution_by_key(
            [spec.key for spec in checks.specs()]
        ).values():
            assert record.run_id == result.run_id
