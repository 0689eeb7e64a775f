"""A run that could not take people out of all days says so beside everything else that it has to say."""

import datetime as dt
from threading import Thread
from time import sleep

import psycopg
import pytest
from in_process import installed

from assets.reports import TABLES
from resources.kaltura.windows import DAY, Days
from resources.warehouse.provenance import Provenance
from resources.warehouse.warehouse import Warehouse
from simulator import University, serving
from tests.integration.test_privacy import KEY, WITH_KEY, Place, aged, bring_as, pull, rows
from tests.integration.test_privacy import place as place
from tests.integration.test_whole_days import kaltura as kaltura

FIRST = dt.date(2025, 2, 3)
REFUSAL = """
CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE insufficient_privilege; END';
CREATE TRIGGER refused BEFORE UPDATE ON kaltura.suppressions FOR EACH ROW EXECUTE FUNCTION public.refuse();
"""


def test_a_run_that_could_not_erase_names_its_bad_days_and_the_next_one_erases(
    database: str,
) -> None:
    week, bad = Days(FIRST, FIRST + 6 * DAY), FIRST + 2 * DAY
    with serving(University(seed=11, timezone="UTC", rooms=1)) as kaltura, installed(kaltura, database) as dagster:
        dagster.sql(f"ALTER TABLE kaltura.loads ADD CONSTRAINT no_such_day CHECK (partition_date <> '{bad}')")
        dagster.sql(
            "INSERT INTO kaltura.suppressions (partner_id, person, to_sweep) VALUES (%s, 'x', TRUE)",
            [kaltura.partner_id],
        )
        dagster.sql(REFUSAL)
        run = dagster.pull(week)
        [failure] = [event.step_failure_data for event in run.all_events if event.is_step_failure]
        said = failure.user_failure_data.description
        assert str(bad) in said
        assert "Who was erased and came again is not taken out of all days yet" in said
        assert failure.user_failure_data.metadata["failed days"].value == [str(bad)]
        assert dagster.evaluations(run)
        dagster.sql("DROP TRIGGER refused ON kaltura.suppressions")
        dagster.pull(Days(FIRST, FIRST))
        assert dagster.sql("SELECT to_sweep FROM kaltura.suppressions").fetchall() == [(False,)]


NOT_SAMPLED = """
CREATE FUNCTION public.refuse_samples(text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS
'BEGIN IF to_regclass(''public.refuses'') IS NOT NULL THEN RAISE insufficient_privilege; END IF; RETURN $1; END';
CREATE INDEX refused ON university.courses (public.refuse_samples(course_id));
CREATE TABLE public.refuses ();
"""


def test_a_run_whose_samples_could_not_be_taken_says_so_and_the_next_one_takes_them(database: str) -> None:
    privacy = {"pii_mode": "pseudonymous", "pii_key": KEY}
    with (
        serving(University(seed=11, timezone="UTC", rooms=1)) as kaltura,
        installed(kaltura, database, **privacy) as dagster,
    ):
        assert dagster.pull(Days(FIRST, FIRST)).success
        dagster.sql(
            "INSERT INTO university.courses (account_id, course_id) SELECT %s, unnest(ARRAY['a course', 'another'])",
            [kaltura.partner_id],
        )
        dagster.sql(
            "INSERT INTO university.enrolments (account_id, course_id, person_email)"
            " SELECT account_id, course_id, 'ada.invented@example.edu' FROM university.courses"
        )
        dagster.sql("ANALYZE")
        samples = "SELECT tablename FROM pg_stats WHERE most_common_vals::text LIKE '%ada.invented%'"
        assert ("enrolments",) in dagster.sql(samples).fetchall()
        dagster.sql(NOT_SAMPLED)
        run = dagster.pull(Days(FIRST, FIRST))
        [failure] = [event.step_failure_data for event in run.all_events if event.is_step_failure]
        said = failure.user_failure_data.description
        assert "The planner's samples (pg_stats) still hold" in said
        assert "Who was erased and came again" not in said
        assert "All days of the run are loaded." in said
        dagster.sql("DROP TABLE public.refuses")
        assert dagster.pull(Days(FIRST, FIRST)).success
        assert dagster.sql(samples).fetchall() == []


def test_statistics_are_gathered_in_the_order_in_which_an_erasure_takes_them(place: Place) -> None:
    """ANALYZE holds a table until its transaction ends: in two orders, two of them would wait for each other."""
    pull(place, WITH_KEY)
    with psycopg.connect(place.warehouse.url) as other:
        other.execute("SET lock_timeout = '500ms'")
        other.execute("LOCK TABLE kaltura.attendees IN SHARE UPDATE EXCLUSIVE MODE")
        gathering = Thread(target=place.warehouse.gather_statistics, args=(TABLES,))
        gathering.start()
        waits = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = 'kaltura.attendees'::regclass)"
        while other.execute(waits).fetchone() != (True,):
            sleep(0.01)
        for table in TABLES:
            other.execute(f"LOCK TABLE kaltura.{table.name} IN SHARE UPDATE EXCLUSIVE MODE".encode())
        other.execute("LOCK TABLE kaltura.loads IN SHARE UPDATE EXCLUSIVE MODE")
    gathering.join()


SAMPLES = """
SELECT tablename, attname FROM pg_stats
WHERE schemaname = 'kaltura' AND tablename <> 'people' AND most_common_vals::text LIKE '%ada.invented%'
"""


@pytest.mark.parametrize("is_killed", [False, True])
def test_the_planners_samples_of_a_day_that_lost_its_names_are_taken_anew(is_killed: bool, place: Place) -> None:
    """By the run that took the names out or, where that one was killed before its end, by the next."""
    pull(place, WITH_KEY)
    with psycopg.connect(place.warehouse.url, autocommit=True) as admin:
        admin.execute("ANALYZE")
    assert rows(place, SAMPLES)
    opened = Warehouse(place.warehouse.url, aged(place))
    try:
        brought = bring_as(place, aged(place), 0)
        opened.upsert(place.day(0), brought.by_day[place.day(0)], Provenance(1, brought.pull))
        if is_killed:
            opened.close()
            opened = Warehouse(place.warehouse.url, aged(place))
        assert opened.renew_samples() == []
    finally:
        opened.close()
    assert rows(place, SAMPLES) == []
