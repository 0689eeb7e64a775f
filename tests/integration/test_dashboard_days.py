"""What the dashboards' charts say of figures and days that are not known: last in an order, a week of its own, no figure."""

import datetime as dt
from dataclasses import replace

import psycopg
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from psycopg.types.json import Jsonb

from pipelines.dashboards.charts import Chart, Trend
from pipelines.dashboards.datasets import CALCULATED
from pipelines.dashboards.glance import GLANCE
from pipelines.dashboards.known import KNOWN
from tests.integration.test_dashboard_queries import CHARTS, shown
from tests.integration.test_dashboard_queries import seeded as seeded

LOAD = (
    "INSERT INTO kaltura.loads (id, partner_id, report_id, partition_date, window_start, window_end, pulled_at, loaded_at,"
    " requests, rows_received, rows_merged, rows_rejected, rows_other_days, inserted, updated, unchanged, removed,"
    " filters, is_whole)"
    " SELECT (SELECT max(id) FROM kaltura.loads) + row_number() OVER (), 101, report_id, day, day, day + interval '1 day',"
    " day + interval '9 days', day + interval '9 days', 1, 0, 0, 0, 0, 0, 0, 0, 0, filters, filters IS NULL"
    " FROM (SELECT %s::jsonb AS filters) AS given,"
    " generate_series(%s::date::timestamp, %s::date::timestamp, interval '1 day') AS day, unnest(%s::integer[]) AS report_id"
)
ALL = [6000, 6001, 6002]


def descending(chart: Chart) -> str | None:
    """The metric that the chart's first rows are the greatest of."""
    return next((name for name, ascends in chart.order if name in chart.metrics and not ascends), None)


@pytest.mark.parametrize("name", [chart.name for chart in CHARTS.values() if descending(chart)])
@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(unknown=st.sets(st.sampled_from([1, 2, 5, 6, 7, 8, 12]), min_size=1))
def test_the_first_rows_are_the_greatest_figures_that_are_known(
    seeded: psycopg.Connection, name: str, unknown: set[int]
) -> None:
    """Of some days of October the attendees are not loaded, and of some attendees the time is not known."""
    chart, metric = CHARTS[name], descending(CHARTS[name])
    assert metric is not None
    with seeded.transaction(force_rollback=True):
        days = [dt.date(2026, 10, day) for day in unknown]
        seeded.execute("DELETE FROM kaltura.loads WHERE report_id = 6001 AND partition_date = ANY(%s)", [days])
        seeded.execute("UPDATE kaltura.attendees SET meeting_view_time = NULL WHERE partition_date = ANY(%s)", [days])
        figures = [row[metric] for row in shown(seeded, chart)]
        known = sorted((float(str(each)) for each in figures if each is not None), reverse=True)
        for limit in range(1, len(figures) + 1):
            first = [row[metric] for row in shown(seeded, replace(chart, limit=limit))]
            assert first[: len(known)] == pytest.approx(known[:limit])


TILES = [chart for chart in CHARTS.values() if isinstance(chart, Trend)]


@pytest.mark.parametrize(
    ("loaded", "wanted"),
    [
        (ALL, {"sessions": 0, "people": 0, "hours": 0, "engagement": None}),
        ([6000], {"sessions": 0, "people": None, "hours": None, "engagement": None}),
        ([6001], {"sessions": None, "people": None, "hours": None, "engagement": None}),
    ],
    ids=["a vacation", "no attendees", "no sessions"],
)
def test_the_four_figures_are_of_the_same_week_also_where_it_had_none(
    loaded: list[int], wanted: dict[str, float | None], seeded: psycopg.Connection
) -> None:
    """The newest week that is over was loaded, and nothing was held in it."""
    [monday] = seeded.execute("SELECT date_trunc('week', now())::date - 7").fetchone() or (None,)
    seeded.execute(LOAD, [None, monday, monday + dt.timedelta(days=6), loaded])
    newest = [max(shown(seeded, tile), key=lambda row: str(row["week_day"])) for tile in TILES]
    assert {name: figure for row in newest for name, figure in row.items() if name != "week_day"} == wanted
    assert {row["week_day"] for row in newest} == {monday}


def test_the_four_figures_are_those_of_the_weekly_view(seeded: psycopg.Connection) -> None:
    """Over one account as that has them, and over several as the charts below count."""
    by_metric = {
        "sessions": "session_count",
        "people": "people_count",
        "hours": "total_minutes / 60",
        "engagement": "weighted_engagement_ratio",
    }
    for tile in TILES:
        rows = shown(seeded, replace(tile, where=("account_id = 101",)))
        expected = seeded.execute(
            f"SELECT week_date, {by_metric[tile.metrics[0]]} FROM analytics.weekly WHERE account_id = 101".encode()
        ).fetchall()
        assert {row["week_day"]: row[tile.metrics[0]] for row in rows} == pytest.approx(dict(expected))
    weeks: dict[object, int] = {}
    for row in shown(seeded, CHARTS["People week by week"]):
        weeks[row["session_day"]] = weeks.get(row["session_day"], 0) + int(str(row["people"]))
    of_tile = {row["week_day"]: row["people"] for row in shown(seeded, replace(CHARTS["People of the week"], where=()))}
    assert {week: of_tile[week] for week in weeks} == weeks


def test_kaltura_s_estimate_is_compared_with_the_rows_that_reconciliation_compares_it_with(
    seeded: psycopg.Connection,
) -> None:
    """On days without breakouts, which the chart leaves out; with people whom Kaltura could not name, and without an estimate."""
    seeded.execute("UPDATE kaltura.room_sessions SET meeting_view_period_unique_users = NULL WHERE cue_point_id = 's1'")
    chart = CHARTS["Kaltura's estimate against the rows"]
    days = seeded.execute(
        "SELECT account_id, session_date, estimated_people_count, attendance_count FROM analytics.reconciliation"
        " WHERE attendance_count IS NOT NULL AND estimated_people_count IS NOT NULL AND NOT EXISTS (SELECT"
        " FROM analytics.sessions WHERE is_breakout AND sessions.account_id = reconciliation.account_id"
        " AND sessions.session_date = reconciliation.session_date)"
    ).fetchall()
    assert len(days) > 2
    for account, day, *expected in days:
        [row] = shown(
            seeded, replace(chart, where=("NOT is_breakout", f"account_id = {account}", f"session_date = '{day}'"))
        )
        assert [row[name] for name in chart.metrics] == expected


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=st.dates(dt.date(2026, 9, 25), dt.date(2026, 10, 14)), length=st.integers(0, 24))
@example(first=dt.date(2026, 10, 6), length=5)
@example(first=dt.date(2026, 9, 28), length=10)
def test_a_week_is_final_where_weekly_has_it_final(seeded: psycopg.Connection, first: dt.date, length: int) -> None:
    """Whatever was the first day that was loaded, and the last."""
    [state] = [each.sql for each in CALCULATED["attendance"] if each.name == "whole_week_state"]
    later = state.replace("now()", "DATE '2027-01-01'")
    last = first + dt.timedelta(days=length)
    with seeded.transaction(force_rollback=True):
        seeded.execute("UPDATE kaltura.room_sessions SET session_end_time = session_start_time + interval '1 hour'")
        seeded.execute("DELETE FROM kaltura.loads WHERE partner_id = 101")
        seeded.execute(LOAD, [None, first, last, ALL])
        differ = seeded.execute(
            f"""
            SELECT account_id, week_date, state, is_provisional
            FROM (
                SELECT DISTINCT account_id, date_trunc('week', session_date)::date AS week_date, {later} AS state
                FROM analytics.attendance
            ) AS bars
            INNER JOIN analytics.weekly USING (account_id, week_date)
            WHERE state <> CASE WHEN is_provisional THEN 'provisional' ELSE 'final' END""".encode()
        ).fetchall()
    assert differ == []


def test_what_a_pull_of_certain_ids_brought_of_a_day_that_is_not_loaded_is_no_figure(
    seeded: psycopg.Connection,
) -> None:
    """In a room that is there, and in one that is not."""
    told = {chart.name: chart for chart in (*GLANCE.charts, CHARTS["People week by week"]) if chart is not KNOWN}

    def rows() -> dict[str, list[dict[str, object]]]:
        return {name: sorted(shown(seeded, chart), key=str) for name, chart in told.items()}

    before = rows()
    seeded.execute(LOAD, [Jsonb({"entry_ids": ["r-alg"]}), dt.date(2026, 10, 9), dt.date(2026, 10, 10), ALL])
    for day, room in (("2026-10-09", "r-alg"), ("2026-10-10", "r-another")):
        place = {"partition_date": day, "entry_id": room, "cue_point_id": room + day}
        times = {"session_start_time": f"{day} 08:00Z", "session_end_time": f"{day} 09:00Z"}
        for table, changed in (("room_sessions", {**place, **times}), ("attendees", {**place, "user_id": "zoe"})):
            seeded.execute(
                f"INSERT INTO kaltura.{table} SELECT (jsonb_populate_record({table}, %s)).* FROM kaltura.{table}"
                " WHERE partner_id = 101 AND cue_point_id = 's2' LIMIT 1".encode(),
                [Jsonb(changed)],
            )
    assert len(seeded.execute("SELECT FROM analytics.sessions WHERE session_date > '2026-10-08'").fetchall()) == 3
    assert rows() == before
