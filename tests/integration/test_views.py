"""The views of `analytics` on a small invented university: expected rows, filters that reach tables, the cookbook."""

import datetime as dt
import re
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from seed import copy_csv, fill

from resources.postgres.migrations import files

CHECKOUT = Path(__file__).resolve().parents[2]
EXPECTED = CHECKOUT / "tests" / "sql" / "expected"
COOKBOOK = CHECKOUT / "docs" / "cookbook.md"

VIEWS = [name.removeprefix("views/").removesuffix(".sql").split("_", 1)[1] for name in (f.name for f in files("views"))]

# r-alg, r-bio, r-lab, r-zero; r-alg of the second account; r-new of the third, on the day that is loaded whole
MAIN_SESSION_MINUTES = 235 + 164 + 30 + 20 + 30 + 35

# Views whose rows belong to a day: a filter on it must be a filter on the tables.
BY_DAY = {
    "sessions": {"room_sessions"},
    "attendance": {"attendees"},
    "breakouts": {"breakout_sessions"},
    "engagement_distribution": {"attendees"},
    "daily": {"room_sessions", "attendees"},
    "reconciliation": {"room_sessions", "attendees", "breakout_sessions"},
    "restated_sessions": {"attendees"},
}


@pytest.fixture
def seeded(database: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database, autocommit=True) as connection:
        fill(connection)
        yield connection


def _rows(connection: psycopg.Connection, table: sql.Identifier) -> list[dict[str, object]]:
    with connection.cursor(row_factory=psycopg.rows.dict_row) as cursor:
        rows = cursor.execute(sql.SQL("SELECT * FROM {}").format(table)).fetchall()
    return sorted(rows, key=lambda row: [str(value) for value in row.values() if not isinstance(value, float)])


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_gives_the_rows_worked_out_by_hand(view: str, seeded: psycopg.Connection) -> None:
    target, expected = sql.Identifier("analytics", view), sql.Identifier("pg_temp", "expected")
    seeded.execute(sql.SQL("CREATE TEMPORARY TABLE expected AS SELECT * FROM {} WITH NO DATA").format(target))
    path = EXPECTED / f"{view}.csv"
    copy_csv(seeded, expected, path.read_text("utf-8").split("\n", 1)[0].split(","), path)
    got, wanted = _rows(seeded, target), _rows(seeded, expected)
    assert [_exact(row) for row in got] == [_exact(row) for row in wanted]
    for row, want in zip(got, wanted, strict=True):
        assert _floats(row) == pytest.approx(_floats(want)), row


def _exact(row: dict[str, object]) -> dict[str, object]:
    """Everything but floats, of which only whether there is one."""
    return {name: isinstance(value, float) or value for name, value in row.items()}


def _floats(row: dict[str, object]) -> dict[str, float]:
    return {name: value for name, value in row.items() if isinstance(value, float)}


def test_every_expected_file_is_of_a_view() -> None:
    assert {path.stem for path in EXPECTED.glob("*.csv")} == set(VIEWS)


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_is_empty_and_not_broken_without_data(view: str, database: str) -> None:
    with psycopg.connect(database) as connection:
        assert (
            connection.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier("analytics", view))).fetchall() == []
        )


def test_views_have_plain_columns_and_the_account_first(seeded: psycopg.Connection) -> None:
    columns = seeded.execute(
        "SELECT table_name, column_name, data_type, ordinal_position FROM information_schema.columns"
        " WHERE table_schema = 'analytics'"
    ).fetchall()
    assert {name for name, column, _, position in columns if position == 1 and column != "account_id"} == set()
    wanted = {"_at": "timestamp with time zone", "_date": "date", "_minutes": "double precision", "_count": "bigint"}
    wrong = [
        (name, column, kind)
        for name, column, kind, _ in columns
        for ending, expected in wanted.items()
        if column.endswith(ending)
        and kind not in (expected, "integer" if ending == "_count" else expected)
        and not column.startswith("mean_")
    ]
    assert wrong == []
    assert {column for _, column, kind, _ in columns if (kind == "boolean") != column.startswith("is_")} == set()


@pytest.mark.parametrize("view", VIEWS)
def test_a_views_comment_names_a_key_by_which_its_rows_differ(view: str, seeded: psycopg.Connection) -> None:
    target = sql.Identifier("analytics", view)
    [[comment]] = seeded.execute("SELECT obj_description(%s::regclass)", [f"analytics.{view}"]).fetchall()
    named = re.search(r"\((account_id(?:, \w+)*)\)", comment)
    assert named, comment
    key = sql.SQL(", ").join(map(sql.Identifier, named[1].split(", ")))
    query = sql.SQL("SELECT {key} FROM {target} GROUP BY {key} HAVING count(*) > 1")
    assert seeded.execute(query.format(key=key, target=target)).fetchall() == []


@pytest.mark.parametrize("view", VIEWS)
def test_where_a_column_is_null_its_comment_or_the_views_says_why(view: str, seeded: psycopg.Connection) -> None:
    columns = seeded.execute(
        "SELECT attname, concat(col_description(attrelid, attnum), obj_description(attrelid)) FROM pg_attribute"
        " WHERE attrelid = %s::regclass AND attnum > 0",
        [f"analytics.{view}"],
    ).fetchall()
    rows = _rows(seeded, sql.Identifier("analytics", view))
    mute = [name for name, said in columns if "NULL" not in said and any(row[name] is None for row in rows)]
    assert mute == []


@pytest.mark.parametrize("view", VIEWS)
def test_where_people_are_counted_it_is_said_what_a_person_is(view: str, seeded: psycopg.Connection) -> None:
    columns = seeded.execute(
        "SELECT attname, concat(col_description(attrelid, attnum), ' ', obj_description(attrelid)) FROM pg_attribute"
        " WHERE attrelid = %s::regclass AND attname ~ '(people|student)_(at_most_)?count$'",
        [f"analytics.{view}"],
    ).fetchall()
    said = re.compile(r"is an? (user )?id|: ids|anybody else an id|by id or e-mail|estimate|was enrolled|were enrolled")
    assert [name for name, words in columns if not said.search(words)] == []


@pytest.mark.parametrize("view", BY_DAY)
def test_a_filter_on_the_day_reaches_the_tables(view: str, seeded: psycopg.Connection) -> None:
    query = sql.SQL("EXPLAIN (FORMAT JSON) SELECT * FROM {} WHERE session_date BETWEEN '2026-10-05' AND '2026-10-06'")
    plan = seeded.execute(query.format(sql.Identifier("analytics", view))).fetchone()
    assert plan is not None
    filtered = {
        node["Relation Name"]
        for node in _nodes(plan[0][0]["Plan"])
        if "Relation Name" in node and any("partition_date >=" in str(node.get(k)) for k in ("Filter", "Index Cond"))
    }
    assert BY_DAY[view] <= filtered


def _nodes(plan: dict) -> Iterator[dict]:
    yield plan
    for child in plan.get("Plans", []):
        yield from _nodes(child)


def test_a_day_is_found_by_the_index_in_a_table_that_days_have_filled_one_after_another(
    seeded: psycopg.Connection,
) -> None:
    """The plan that a filled table gets, which the seed is too small for, and that it leaves most pages unread."""
    seeded.execute(
        "INSERT INTO kaltura.attendees (partner_id, entry_id, cue_point_id, user_id, partition_date, window_start,"
        " window_end, load_id) SELECT 101, 'filler', 'x', n::text, date '2020-01-01' + n / 500, now(), now(), 0"
        " FROM generate_series(1, 200000) AS n"
    )
    seeded.execute("VACUUM (ANALYZE) kaltura.attendees")
    seeded.execute("SET max_parallel_workers_per_gather = 0")  # workers keep counts of their own
    [pages] = seeded.execute("SELECT pg_relation_size('kaltura.attendees') / 8192").fetchone() or [0]
    read = {}
    for view in ("attendance", "daily", "engagement_distribution"):
        query = sql.SQL(
            "EXPLAIN (ANALYZE, FORMAT JSON) SELECT * FROM {} WHERE session_date BETWEEN '2020-03-01' AND '2020-03-07'"
        )
        [[plan]] = seeded.execute(query.format(sql.Identifier("analytics", view))).fetchall()
        nodes = list(_nodes(plan[0]["Plan"]))
        assert "attendees_by_day" in {node.get("Index Name") for node in nodes}, view
        read[view] = max(node["Exact Heap Blocks"] + node["Lossy Heap Blocks"] for node in nodes if _is_by_pages(node))
    assert {view: blocks for view, blocks in read.items() if not 0 < blocks < pages / 10} == {}


def _is_by_pages(node: dict) -> bool:
    return node["Node Type"] == "Bitmap Heap Scan" and node["Relation Name"] == "attendees"


def test_sessions_alone_do_not_read_attendees(seeded: psycopg.Connection) -> None:
    plan = seeded.execute("EXPLAIN SELECT session_id, is_breakout, is_running FROM analytics.sessions").fetchall()
    assert not any("attendees" in line for (line,) in plan)


def test_a_loaded_day_is_provisional_in_the_calendar_where_it_is_in_data_freshness(seeded: psycopg.Connection) -> None:
    """By whichever report: of 5 October, attendees were pulled before a session without an end was followed for long enough."""
    told = seeded.execute(
        "SELECT account_id, session_date FROM analytics.calendar"
        " WHERE is_provisional AND is_session_loaded AND is_attendance_loaded"
    ).fetchall()
    fresh = seeded.execute(
        "SELECT DISTINCT account_id, session_date FROM analytics.data_freshness"
        " CROSS JOIN LATERAL unnest(provisional_dates) AS days (session_date)"
        " INNER JOIN analytics.calendar USING (account_id, session_date) WHERE is_session_loaded AND is_attendance_loaded"
    ).fetchall()
    assert (101, dt.date(2026, 10, 5)) in told
    assert sorted(told) == sorted(fresh)
    plan = seeded.execute("EXPLAIN SELECT session_date, is_session_loaded FROM analytics.calendar").fetchall()
    assert not any("room_sessions" in line for (line,) in plan)


def test_totals_agree_between_views(seeded: psycopg.Connection) -> None:
    """Minutes in main sessions are the same whichever view adds them up: breakouts are counted nowhere twice."""
    loaded = "SELECT account_id, session_date FROM analytics.calendar WHERE is_session_loaded AND is_attendance_loaded"
    known = f"is_session_known AND NOT is_breakout AND (account_id, session_date) IN ({loaded})"
    totals = {
        "attendance": f"SELECT sum(attended_minutes) FROM analytics.attendance WHERE {known}",
        "sessions": "SELECT sum(total_minutes) FROM analytics.sessions WHERE NOT is_breakout",
        "logical_sessions": "SELECT sum(total_minutes) FROM analytics.logical_sessions WHERE NOT is_breakout",
        "rooms": "SELECT sum(total_minutes) FROM analytics.rooms WHERE NOT is_breakout",
        "hosts": "SELECT sum(total_minutes) FROM analytics.hosts",
    }
    added_up = {name: seeded.execute(query).fetchone() for name, query in totals.items()}
    assert added_up == dict.fromkeys(totals, (MAIN_SESSION_MINUTES,))


QUESTIONS = re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", COOKBOOK.read_text("utf-8"), re.M | re.S)


@pytest.mark.parametrize(("question", "answer"), QUESTIONS, ids=[question for question, _ in QUESTIONS])
def test_the_cookbook_answers(question: str, answer: str, seeded: psycopg.Connection) -> None:
    queries = re.findall(r"```sql\n(.*?)```", answer, re.S)
    assert queries, question
    for query in queries:
        assert seeded.execute(query.encode()).fetchall() != [], query


def test_a_person_s_courses_looked_up_one_by_one_have_the_rows_that_the_view_has_of_them(
    seeded: psycopg.Connection,
) -> None:
    [query] = re.findall(r"```sql\n(.*?)```", dict(QUESTIONS)["How did one person do in all their courses?"], re.S)
    people = seeded.execute(
        "SELECT DISTINCT person_id FROM analytics.course_attendance WHERE account_id = 101 ORDER BY 1"
    ).fetchall()
    assert len(people) > 5
    for (person,) in people:
        of_view = seeded.execute(
            "SELECT course_id, session_count, attended_session_count, absence_count, is_at_risk"
            " FROM analytics.course_attendance WHERE account_id = 101 AND person_id = %s ORDER BY course_id",
            [person],
        ).fetchall()
        assert seeded.execute(query.replace("'ann'", f"'{person}'").encode()).fetchall() == of_view != []


def answer(connection: psycopg.Connection, question: str) -> list[dict[str, object]]:
    """The rows of the cookbook's answer."""
    [query] = re.findall(r"```sql\n(.*?)```", dict(QUESTIONS)[question], re.S)
    with connection.cursor(row_factory=psycopg.rows.dict_row) as cursor:
        return cursor.execute(query.encode()).fetchall()


@pytest.mark.parametrize(
    ("unknown", "wanted"),
    [
        (
            "UPDATE kaltura.room_sessions SET session_end_time = NULL WHERE cue_point_id = 's2' AND partner_id = 101",
            [None],
        ),
        (
            "UPDATE kaltura.room_sessions SET (session_start_time, session_end_time) = ('2026-10-05 09:00Z', '2026-10-05 09:00Z')"
            " WHERE cue_point_id IN ('s1', 's2') AND partner_id = 101",
            [None],
        ),
        ("UPDATE kaltura.attendees SET meeting_view_time = NULL WHERE cue_point_id = 's2' AND user_id = 'ann'", [None]),
        ("DELETE FROM kaltura.loads WHERE report_id = 6001 AND partition_date = '2026-10-05'", []),
    ],
    ids=["an end", "a length", "a time", "attendees"],
)
def test_the_share_of_an_interrupted_meeting_is_unknown_where_a_part_of_it_is(
    unknown: str, wanted: list[None], seeded: psycopg.Connection
) -> None:
    question = "How long was somebody in a meeting that was interrupted?"
    [ann] = [row for row in answer(seeded, question) if row["person_id"] == "ann"]
    assert (ann["minutes"], ann["attended_ratio"]) == (80, pytest.approx(80 / 90))

    seeded.execute(unknown.encode())

    assert [row["attended_ratio"] for row in answer(seeded, question) if row["person_id"] == "ann"] == wanted


def test_who_goes_through_two_breakouts_is_one_of_the_people_in_them(seeded: psycopg.Connection) -> None:
    """Of s5, ann was in one breakout and cyd in the other; the untied one has nobody who is known."""
    seeded.execute(
        "INSERT INTO kaltura.attendees SELECT (jsonb_populate_record(attendees,"
        ' \'{"entry_id": "r-bio-2", "cue_point_id": "b2"}\')).* FROM kaltura.attendees WHERE cue_point_id = \'b1\''
    )
    rows = answer(seeded, "Are breakout rooms used, and in which sessions?")
    [biology] = [row for row in rows if row["main_session_id"] == "s5"]
    assert (biology["breakout_count"], biology["people_count"], biology["attendance_count"]) == (2, 2, 3)
    assert biology["mean_minutes"] == pytest.approx(20)


def test_two_ids_of_one_person_in_one_session_are_in_it_once(seeded: psycopg.Connection) -> None:
    """Somebody came to s1 as ann and as bob, who was in it too, and in s0 and s3."""
    seeded.execute("UPDATE kaltura.attendees SET user_email = 'ann@example.edu' WHERE user_id IN ('ann', 'bob')")
    question = "Who has two ids, and what does the person behind an e-mail add up to?"
    rows = answer(seeded, question)
    [ann] = [row for row in rows if row["account_id"] == 101 and row["person"] == "ann@example.edu"]
    assert (ann["ids"], ann["session_count"]) == (["ann", "bob"], 5)
    [(minutes,)] = seeded.execute(
        "SELECT sum(total_minutes) FROM analytics.people WHERE account_id = 101 AND person_id IN ('ann', 'bob')"
    ).fetchall()
    assert ann["minutes"] == minutes


def test_the_cookbook_has_its_questions() -> None:
    assert len(QUESTIONS) >= 20
    asked = " ".join(answer for _, answer in QUESTIONS)
    assert [view for view in VIEWS if f"analytics.{view}" not in asked] == []
