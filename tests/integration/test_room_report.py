"""The week's report: what it says is what the views say, and it needs, names and hides nothing."""

import datetime as dt
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote
from zoneinfo import ZoneInfo

import dagster as dg
import psycopg
import pytest
from pipeline import Pipeline
from psycopg.types.json import Jsonb
from seed import fill

from assets.pull.day_chart import SHOWN_CHARACTERS
from assets.room_report.asset import OF_ALL_ACCOUNTS, room_report
from assets.room_report.figures import accounts, figures
from assets.room_report.language import Language
from assets.room_report.page import page
from resources.settings import REPORT_LANGUAGES, SettingError
from resources.warehouse.resource import WarehouseResource
from simulator import University, serving

BERLIN = ZoneInfo("Europe/Berlin")
WEEK = dt.date(2026, 10, 5)  # of the seed
TUESDAY = dt.date(2026, 10, 6)  # it has all breakouts of the week
READ_AT = dt.datetime(2026, 10, 13, 8, tzinfo=dt.UTC)

ADD_LOADS = (
    "INSERT INTO kaltura.loads (id, partner_id, report_id, partition_date, window_start, window_end, pulled_at,"
    " loaded_at, requests, rows_received, rows_merged, rows_rejected, rows_other_days, inserted, updated, unchanged,"
    " removed) SELECT 1000 + row_number() OVER (), 101, report_id, day, day, day + interval '1 day',"
    " day + interval '9 days', day + interval '9 days', 1, 0, 0, 0, 0, 0, 0, 0, 0"
    " FROM generate_series(%s::date::timestamp, %s::date::timestamp, interval '1 day') AS day,"
    " (VALUES (6000), (6001), (6002)) AS reports (report_id)"
)


class Reader(HTMLParser):
    """A page as a reader has it: its words, its tables by heading, and every tag with its attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.words = ""
        self.tables: dict[str, list[list[str]]] = {}
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self._within: list[str] = []
        self._heading = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._within.append(tag)
        if tag == "h2":
            self._heading = ""
        if tag == "tr":
            self.tables.setdefault(self._heading, []).append([])
        if tag in ("td", "th"):
            self.tables[self._heading][-1].append("")

    def handle_endtag(self, tag: str) -> None:
        if tag in self._within:
            while self._within.pop() != tag:
                pass

    def handle_data(self, data: str) -> None:
        if "style" in self._within or "svg" in self._within:
            return
        said = data.replace("\N{NO-BREAK SPACE}", " ")
        self.words += said if said.strip() else " "
        if "h2" in self._within:
            self._heading += data
        if "tr" in self._within and self.tables[self._heading][-1]:
            self.tables[self._heading][-1][-1] += said.strip()


@pytest.fixture
def seeded(database: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database, autocommit=True) as connection:
        fill(connection)
        yield connection


def written(connection: psycopg.Connection, week: dt.date = WEEK, account_id: int = 101) -> str:
    return page(figures(connection, account_id, week, BERLIN), READ_AT)


def read(connection: psycopg.Connection, week: dt.date = WEEK, account_id: int = 101) -> Reader:
    return Reader(written(connection, week, account_id))


def test_every_week_has_the_figures_of_the_weekly_view(seeded: psycopg.Connection) -> None:
    rows = read(seeded, WEEK + dt.timedelta(days=7)).tables["Week by week"]

    expected = seeded.execute(
        "SELECT replace(to_char(week_date, 'FMDD Mon'), 'Sep', 'Sept'), session_count::text, people_count::text,"
        " round(total_minutes / 60)::text, round(100 * weighted_engagement_ratio) || ' %%'"
        " FROM analytics.weekly WHERE account_id = %s ORDER BY week_date DESC",
        [101],
    ).fetchall()
    assert len(expected) == 3
    assert [(row[0].rstrip("*†"), *row[1:]) for row in rows if len(row) == 5][1:] == expected
    assert len(rows) == 1 + 13


def test_the_weeks_rooms_are_those_of_its_main_sessions_by_time_spent(seeded: psycopg.Connection) -> None:
    rows = read(seeded).tables["Busiest rooms"][1:]

    expected = seeded.execute(
        "SELECT (array_agg(room_name ORDER BY started_at DESC))[1], round(sum(total_minutes) / 60)::text,"
        " count(*)::text FROM analytics.sessions WHERE account_id = 101 AND NOT is_breakout"
        " AND session_date BETWEEN '2026-10-05' AND '2026-10-11' GROUP BY room_id ORDER BY sum(total_minutes) DESC, room_id"
    ).fetchall()
    assert [(row[0], row[1], row[3]) for row in rows] == expected
    assert {row[0]: row[2] for row in rows} == dict(
        seeded.execute(
            "SELECT room_name, count(DISTINCT person_id) FILTER (WHERE is_identified)::text FROM analytics.sessions"
            " LEFT JOIN analytics.attendance USING (account_id, room_id, session_id, session_date, room_name)"
            " WHERE account_id = 101 AND NOT sessions.is_breakout"
            " AND session_date BETWEEN '2026-10-05' AND '2026-10-11' GROUP BY room_name"
        ).fetchall()
    )


def test_bands_and_breakouts_and_hours_add_up_to_what_the_views_count(seeded: psycopg.Connection) -> None:
    tables = read(seeded).tables
    [(attendances,)] = seeded.execute(
        "SELECT sum(attendance_count) FROM analytics.engagement_distribution"
        " WHERE account_id = 101 AND session_date BETWEEN '2026-10-05' AND '2026-10-11'"
    ).fetchall()
    [(session_hours,)] = seeded.execute(
        "SELECT sum(session_minutes) / 60 FROM analytics.concurrency_hourly WHERE account_id = 101"
        " AND (hour_at AT TIME ZONE 'Europe/Berlin')::date BETWEEN '2026-10-05' AND '2026-10-11'"
    ).fetchall()

    assert sum(int(row[1]) for row in tables["How engaged people were"][1:]) == attendances
    hours = [float(cell) for row in tables["Through the week"][1:] for cell in row[1:] if cell != "\N{EN DASH}"]
    assert sum(hours) == pytest.approx(session_hours, abs=0.05 * len([hour for hour in hours if hour]))
    # All of the week's breakouts are of a Tuesday of which breakouts are not loaded.
    assert tables["Breakout rooms"][1] == ["5 Oct*†", "8", "0", "0"]


def test_what_was_restated_is_told_with_what_was_merely_completed(seeded: psycopg.Connection) -> None:
    report = read(seeded, WEEK + dt.timedelta(days=7))

    assert report.tables["What was restated"][1][:6] == [
        "12 Oct",
        "1",
        "1",
        "1",
        "1",
        "+40",
    ]  # bob +30, one added +15, one removed -5
    assert "1 of them had been running when first pulled" in report.words


def test_how_fresh_the_data_is_stands_as_the_view_has_it(seeded: psycopg.Connection) -> None:
    rows = read(seeded).tables["How fresh the data is"][1:]

    expected = seeded.execute(
        "SELECT report_name, missing_day_count::text, provisional_day_count::text FROM analytics.data_freshness"
        " WHERE account_id = 101 ORDER BY report_id"
    ).fetchall()
    assert [(row[0], row[3], row[4]) for row in rows] == expected
    assert rows[0][1] == "Mon 12 Oct, 10:00"  # 08:00 UTC, in Berlin


def test_the_page_needs_nothing_from_elsewhere_and_runs_nothing(seeded: psycopg.Connection) -> None:
    text = written(seeded)
    report = Reader(text)

    assert "http" not in text
    assert "//" not in text.replace("/*", "").replace("*/", "")
    assert "@import" not in text
    assert {tag for tag, _ in report.tags} & {"script", "link", "img", "iframe", "object", "form"} == set()
    assert [name for _, attributes in report.tags for name in attributes if name.startswith("on")] == []
    assert [each for each in re.findall(r"url\(([^)]*)\)", text) if not each.startswith("#")] == []
    ids = [attributes["id"] for _, attributes in report.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert set(re.findall(r"url\(#([^)]*)\)", text)) <= set(ids)


def test_charts_take_their_colours_and_their_font_from_the_page(seeded: psycopg.Connection) -> None:
    drawings = re.findall(r"<svg.*?</svg>", written(seeded), re.S)

    assert len(drawings) == 10
    assert [each for each in drawings if re.search(r"#[0-9a-f]{6}\b|font-family", each)] == []
    assert "<text" in drawings[0]


def test_every_figure_has_words_for_those_who_cannot_see_it(seeded: psycopg.Connection) -> None:
    tags = read(seeded).tags

    pictures = [attributes for tag, attributes in tags if attributes.get("role") == "img"]
    assert len(pictures) == 5
    assert all(len(each["aria-label"] or "") > 40 for each in pictures)
    assert all(attributes.get("aria-hidden") == "true" for tag, attributes in tags if tag == "svg")


@pytest.mark.parametrize("week", [WEEK, WEEK + dt.timedelta(days=7)])
@pytest.mark.parametrize("account_id", [101, 202])
def test_nobody_is_named(account_id: int, week: dt.date, seeded: psycopg.Connection) -> None:
    people = seeded.execute(
        "SELECT user_id FROM kaltura.attendees UNION SELECT user_name FROM kaltura.attendees"
        " UNION SELECT user_email FROM kaltura.attendees UNION SELECT session_host_user_id FROM kaltura.room_sessions"
        " UNION SELECT session_initiator FROM kaltura.breakout_sessions"
    ).fetchall()
    personal = {value for (value,) in people if value and value not in ("0", "Unknown")}
    text = written(seeded, week, account_id)

    assert len(personal) > 10
    markup = re.sub(r"</?h[12]\b", "", text)  # h1 and h2 are hosts of the seed, and headings of the page
    style = markup.index("<style>"), markup.index("</style>")
    shown = markup[: style[0]] + markup[style[1] :]
    assert [value for value in personal if re.search(rf"\b{re.escape(value)}\b", shown)] == []


def test_attendees_that_are_not_loaded_are_unknown_and_not_nobody(seeded: psycopg.Connection) -> None:
    """Account 303 has sessions on the 5th and 6th, and attendees of the 6th alone."""
    report = read(seeded, account_id=303)

    assert "Attendees of Monday 5 October are not loaded" in report.words
    assert report.tables["Week by week"][1] == ["5 Oct*†", "2", "1", "1", "51 %"]
    assert "Not known: of 1 later session or of the room's first, attendees are not loaded." in report.words
    assert "No room has had a second session" not in report.words

    seeded.execute("DELETE FROM kaltura.loads WHERE report_id = 6001 AND partner_id = 303")

    report = read(seeded, account_id=303)
    assert "2 sessions were held. Who attended is not known, as attendees are not loaded." in report.words
    assert report.tables["Week by week"][1] == ["5 Oct*†", "2", *3 * ["\N{EM DASH}"]]
    assert report.tables["Busiest rooms"][1][:3] == ["New", "\N{EM DASH}", "\N{EM DASH}"]
    assert {row[1] for row in report.tables["How engaged people were"][1:]} == {"\N{EM DASH}"}


@pytest.mark.parametrize("language", REPORT_LANGUAGES)
def test_where_nobody_can_be_followed_it_is_not_said_that_nobody_came_back(
    language: str, seeded: psycopg.Connection
) -> None:
    seeded.execute("UPDATE kaltura.privacy SET mode = 'none'")
    say = Language(language)
    report = Reader(page(figures(seeded, 101, WEEK, BERLIN), READ_AT, language))

    assert say("returns_not_followed") in report.words
    assert {row[1] for row in report.tables[say("returns")][1:]} == {"\N{EM DASH}"}


@pytest.mark.parametrize("language", REPORT_LANGUAGES)
def test_nobody_is_not_said_to_have_attended_where_the_days_with_sessions_lack_their_attendees(
    language: str, seeded: psycopg.Connection
) -> None:
    """Account 303 has sessions on the 5th and 6th, and is loaded with attendees on the 8th alone, when nothing happened."""
    seeded.execute("DELETE FROM kaltura.loads WHERE report_id = 6001 AND partner_id = 303")
    seeded.execute(ADD_LOADS.replace(" 101,", " 303,"), ["2026-10-08", "2026-10-08"])
    week = figures(seeded, 303, WEEK, BERLIN)
    assert (week.week.session_count, week.week.people_count) == (2, 0)

    said = page(week, READ_AT, language)

    say = Language(language)
    assert say("attendees_unknown") in said
    assert say("nobody_came") not in said
    [row] = [row for rows in Reader(said).tables.values() for row in rows if row[0].endswith("*†") and len(row) == 5]
    assert row[1:] == ["2", *3 * ["\N{EM DASH}"]]
    assert f"{say('people_head')}: 0" not in said  # over the chart of people


def test_a_share_of_breakouts_is_of_sessions_whose_breakouts_are_loaded(seeded: psycopg.Connection) -> None:
    """Monday has sessions, and its breakouts are not loaded whole; Friday to Sunday have neither."""
    seeded.execute(ADD_LOADS, [TUESDAY, TUESDAY])
    assert "1 session used breakout rooms, 12 % of all." in read(seeded).words
    seeded.execute(
        "UPDATE kaltura.loads SET filters = %s, is_whole = FALSE"
        " WHERE partner_id = 101 AND report_id = 6002 AND partition_date = %s",
        [Jsonb({"parent_entry_ids": ["r-bio"]}), WEEK],
    )

    said = written(seeded)

    assert "1 session used breakout rooms." in Reader(said).words
    assert {
        text.strip() for text in re.findall(r"With breakouts[^<]*", "".join(re.findall(r"<svg.*?</svg>", said, re.S)))
    } == {"With breakouts"}


def test_sessions_whose_people_kaltura_could_not_name_did_not_bring_nobody_together(seeded: psycopg.Connection) -> None:
    seeded.execute("DELETE FROM kaltura.attendees WHERE partner_id = 303 AND user_id <> 'Error'")

    report = read(seeded, account_id=303)

    assert "2 sessions were held. Kaltura could not identify anybody who attended." in report.words
    assert "100 % of it this week" in report.words


@pytest.mark.parametrize("language", REPORT_LANGUAGES)
def test_a_time_that_kaltura_did_not_give_is_said_to_be_unknown_and_is_not_0(
    language: str, seeded: psycopg.Connection
) -> None:
    seeded.execute("UPDATE kaltura.attendees SET meeting_view_time = NULL")
    say = Language(language)

    report = Reader(page(figures(seeded, 101, WEEK, BERLIN), READ_AT, language))

    assert say("time_unknown") in report.words
    assert say("nobody_came") not in report.words
    assert re.search(rf"\N{{EM DASH}}\s*{say('tile_hours')}", report.words)
    assert report.tables[say("weeks")][1][1:] == ["8", "6", "\N{EM DASH}", "\N{EM DASH}"]
    assert {row[1] for row in report.tables[say("rooms")][1:]} <= {"\N{EM DASH}", "0"}

    seeded.execute("DELETE FROM kaltura.attendees WHERE NOT analytics.is_nobody(user_id)")

    words = Reader(page(figures(seeded, 101, WEEK, BERLIN), READ_AT, language)).words
    assert f"{say('nobody_identified')} {say('time_unknown')}" in words
    assert say("nobody_came") not in words


def test_the_people_of_breakouts_are_the_identified_ones_as_everywhere(seeded: psycopg.Connection) -> None:
    seeded.execute(ADD_LOADS, [TUESDAY, TUESDAY])
    seeded.execute("UPDATE kaltura.breakout_sessions SET participant_count = 77")  # Kaltura's estimate

    words = read(seeded).words

    [[people]] = seeded.execute(
        "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY people_count) FROM analytics.breakouts"
        " WHERE account_id = 101 AND session_date BETWEEN %s AND %s",
        [WEEK, WEEK + dt.timedelta(days=6)],
    ).fetchall()
    assert re.search(rf"\b{people:.0f}\s+(person|people) in the middle one", words)


@pytest.mark.parametrize("language", REPORT_LANGUAGES)
def test_a_page_has_the_same_figures_in_each_language(language: str, seeded: psycopg.Connection) -> None:
    week = figures(seeded, 101, WEEK, BERLIN)
    english, other = (Reader(page(week, READ_AT, each)) for each in ("en", language))
    assert [("html", {"lang": language})] == [tag for tag in other.tags if tag[0] == "html"]

    def numbers(report: Reader) -> list[list[str]]:
        return [[re.sub(r"\D", "", cell) for cell in row[1:4]] for rows in report.tables.values() for row in rows[1:]]

    without_dates = slice(None, -3)  # how fresh the data is: moments
    assert numbers(other)[without_dates] == numbers(english)[without_dates]


def test_departments_stand_as_their_view_has_them_where_there_are_lists(seeded: psycopg.Connection) -> None:
    shown = read(seeded).tables["Departments"][1:]

    expected = seeded.execute(
        "SELECT coalesce(department, 'No department'), student_count::text, active_student_count::text,"
        " coalesce(round(100 * attendance_ratio::numeric) || ' %%', '—'), course_count::text,"
        " session_count::text, round(total_minutes / 60)::text FROM analytics.department_weekly"
        " WHERE account_id = 101 AND week_date = %s ORDER BY total_minutes DESC NULLS LAST, department",
        [WEEK],
    ).fetchall()
    assert len(expected) >= 2
    assert [tuple(row) for row in shown] == expected


def test_without_lists_no_department_is_spoken_of(seeded: psycopg.Connection) -> None:
    seeded.execute("TRUNCATE university.courses, university.course_rooms, university.enrolments, university.timetable")
    assert "Departments" not in read(seeded).tables


HOSTILE = '<script>alert(1)</script> $x^2$ & "q" {{ 7 * 7 }} \N{PARTY POPPER}'


def test_a_hostile_room_name_is_shown_as_the_text_it_is(seeded: psycopg.Connection) -> None:
    seeded.execute("UPDATE kaltura.room_sessions SET entry_name = %s WHERE entry_id = 'r-alg'", [HOSTILE])

    text = written(seeded)

    report = Reader(text)
    assert "<script" not in text
    assert HOSTILE in [row[0] for row in report.tables["Busiest rooms"]]


def test_missing_and_provisional_days_are_named_at_the_top(seeded: psycopg.Connection) -> None:
    words = read(seeded).words

    assert "3 days of this week are not loaded: Friday 9 October, Saturday 10 October and Sunday 11 October" in words
    assert "Breakouts of Tuesday 6 October are not loaded" in words
    assert "Provisional: the figures of Monday 5 October and Wednesday 7 October may still grow" in words
    assert "Days are missing, so there is no comparison" in words


def test_a_week_that_is_whole_is_compared_with_the_one_before(seeded: psycopg.Connection) -> None:
    seeded.execute(ADD_LOADS, [WEEK - dt.timedelta(days=7), WEEK + dt.timedelta(days=13)])

    words = read(seeded, WEEK + dt.timedelta(days=7)).words

    assert "this week are not loaded" not in words
    assert (
        "1 session brought 2 people together. Compared with the week before, that is 88 % fewer sessions and 67 % fewer people"
        in words
    )


def test_a_week_in_which_nothing_happened_says_so(seeded: psycopg.Connection) -> None:
    seeded.execute(ADD_LOADS, ["2026-09-21", "2026-09-27"])

    words = read(seeded, dt.date(2026, 9, 21)).words

    assert "No session was held this week." in words
    assert "not loaded:" not in words


def test_a_week_of_which_nothing_was_loaded_does_not_pass_for_an_empty_one(seeded: psycopg.Connection) -> None:
    words = read(seeded, dt.date(2026, 9, 21)).words

    assert "Nothing of this week has been loaded, so nothing can be said of it." in words
    assert "No session was held" not in words


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE kaltura.loads SET loaded_at = loaded_at - interval '1 hour'",  # as after a restore
        "DELETE FROM kaltura.loads WHERE id = (SELECT max(id) FROM kaltura.loads WHERE partner_id = 101)",
        # The settings keep to other ids.
        "UPDATE kaltura.loads SET is_whole = FALSE, filters = '{}' WHERE partner_id = 101 AND report_id = 6002",
        "UPDATE kaltura.privacy SET removals = removals + 1",  # somebody was erased
        "INSERT INTO kaltura.calendars (partner_id, timezone) SELECT 101, 'Asia/Kolkata'",
        "UPDATE university.courses SET department = 'Arts' WHERE course_id = 'alg'",
        "DELETE FROM university.course_rooms WHERE course_id = 'alg'",
        "INSERT INTO university.enrolments (account_id, course_id, person_id) VALUES (101, 'alg', 'new')",
    ],
)
def test_a_report_is_older_than_the_data_once_anything_that_it_is_made_from_has_changed(
    statement: str, seeded: psycopg.Connection
) -> None:
    before, again = (accounts(seeded)[0] for _ in range(2))
    with seeded.transaction(force_rollback=True):
        seeded.execute(statement.encode())
        after = accounts(seeded)[0]
    assert before.account_id == after.account_id == 101
    assert before.data_version == again.data_version != after.data_version


def test_a_report_can_not_write(seeded: psycopg.Connection, database: str) -> None:
    from resources.warehouse.warehouse import Warehouse, WarehouseError

    opened = Warehouse(database)
    with opened.reading() as connection:
        assert [account.account_id for account in accounts(connection)] == [101, 202, 303]
    with pytest.raises(WarehouseError, match="25006"), opened.reading() as connection:
        connection.execute("DELETE FROM kaltura.loads")
    opened.close()


# --- Through Dagster, on a fortnight of the invented university.

DAYS = [dt.date(2026, 3, 2) + dt.timedelta(days=n) for n in range(14)]
ROOM_REPORT = dg.AssetKey(["kaltura", "room_report"])


@pytest.fixture
def pipeline(database: str, tmp_path: Path) -> Iterator[Pipeline]:
    (tmp_path / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    with serving(University(seed=11, timezone="UTC", rooms=12)) as kaltura:
        more = {"START_DATE": "2026-01-01", "REPORT_DIR": str(tmp_path / "reports")}
        yield Pipeline(kaltura, database, tmp_path, more)


def metadata(pipeline: Pipeline, key: dg.AssetKey, partition: str) -> dict[str, dg.MetadataValue]:
    with dg.DagsterInstance.from_config(str(pipeline.home)) as instance:
        records = instance.fetch_materializations(
            dg.AssetRecordsFilter(asset_key=key, asset_partitions=[partition]), limit=1
        ).records
    assert records[0].asset_materialization is not None
    return dict(records[0].asset_materialization.metadata)


@pytest.mark.deep
def test_a_pulled_week_becomes_a_file_and_a_picture_in_dagster(pipeline: Pipeline) -> None:
    pipeline.materialize("--partition-range", f"{DAYS[0]}...{DAYS[-1]}")
    assert pipeline.query(  # or the views would be planned for empty tables until autovacuum comes by
        "SELECT relname FROM pg_class WHERE reltuples < 0 AND relnamespace = 'kaltura'::regnamespace AND relkind = 'r'"
        " AND relname IN ('room_sessions', 'attendees', 'breakout_sessions', 'loads')"
    ) == []  # fmt: skip
    for table in ("room_sessions", "attendees", "breakout_sessions"):
        day = metadata(pipeline, dg.AssetKey(["kaltura", table]), str(DAYS[8]))
        assert "data:image/svg+xml," in day["picture"].value
        assert len(day["picture"].value) < SHOWN_CHARACTERS

    printed = pipeline.run("python", "-m", "pipelines", "report", "--no-open")  # which makes the home its own

    [path] = (pipeline.home / "reports").iterdir()
    assert str(path) in printed
    assert path.name == f"room-report-{pipeline.kaltura.partner_id}-{DAYS[7]}.html"
    [(sessions, people)] = pipeline.query(
        f"SELECT session_count, people_count FROM analytics.weekly WHERE week_date = '{DAYS[7]}'"
    )
    report = Reader(path.read_text("utf-8"))
    assert f"{sessions:,} sessions brought {people:,} people together. Compared with" in report.words
    names = {
        str(name) for (name,) in pipeline.query("SELECT DISTINCT user_name FROM kaltura.attendees WHERE user_name > ''")
    }
    assert {name for name in names if name != "NA" and name in path.read_text("utf-8")} == set()

    written = path.stat().st_mtime_ns
    pipeline.run("python", "-m", "pipelines", "report", "--no-open")
    assert path.stat().st_mtime_ns == written
    pipeline.query("UPDATE kaltura.loads SET loaded_at = now() RETURNING id")
    pipeline.run("python", "-m", "pipelines", "report", "--no-open")
    assert path.stat().st_mtime_ns > written

    shown = metadata(pipeline, ROOM_REPORT, str(DAYS[7]))
    assert shown["file"].value == str(path)
    assert shown["figures"].value.records[0].data["sessions"] == sessions
    assert len(shown["weeks"].value) < SHOWN_CHARACTERS
    assert shown["picture"].value.startswith(
        "![Two bar charts: sessions and people in each of thirteen weeks.](data:image/svg+xml,"
    )


def test_without_data_the_command_says_what_to_run_first(pipeline: Pipeline) -> None:
    printed = pipeline.run("python", "-m", "pipelines", "report", "--no-open", succeeds=False)

    assert "make run" in printed
    assert not (pipeline.home / "reports").exists()


def test_without_data_the_asset_fails_and_says_what_to_materialize_first(database: str) -> None:
    result = dg.materialize(
        [room_report],
        resources={"warehouse": WarehouseResource(url=database)},
        partition_key=str(DAYS[0]),
        raise_on_error=False,
    )

    [failure] = [event.step_failure_data for event in result.all_events if event.is_step_failure]
    assert failure.user_failure_data is not None
    assert "Nothing has been loaded yet" in str(failure.user_failure_data.description)


def test_a_folder_that_can_not_be_written_to_is_named_with_its_setting(
    seeded: psycopg.Connection, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("REPORT_DIR", str(tmp_path / "file" / "reports"))

    with pytest.raises(SettingError, match="REPORT_DIR="):
        dg.materialize([room_report], resources={"warehouse": WarehouseResource(url=database)}, partition_key=str(WEEK))


def test_each_account_has_a_file_of_its_own(
    seeded: psycopg.Connection, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REPORT_DIR", str(tmp_path / "reports"))

    result = dg.materialize(
        [room_report], resources={"warehouse": WarehouseResource(url=database)}, partition_key=str(WEEK)
    )

    assert sorted(path.name for path in (tmp_path / "reports").iterdir()) == [
        "room-report-101-2026-10-05.html",
        "room-report-202-2026-10-05.html",
        "room-report-303-2026-10-05.html",
    ]
    assert "Biology" not in (tmp_path / "reports" / "room-report-202-2026-10-05.html").read_text("utf-8")
    [event] = result.asset_materializations_for_node("kaltura__room_report")
    assert {"file, account 101", "file, account 202", "picture, account 202"} <= set(event.metadata)
    drawn = unquote(str(event.metadata["weeks, account 101"].value))
    assert "sessions by week, 11 not loaded left out" in drawn
    assert (
        len(re.findall(r"M\d+ \d+v-", drawn)) == 2
    )  # of a week that is not loaded there is no bar, and no place for one
    assert {drawn.count(day) for day in ("28 Sep", "5 Oct")} == {1}


def test_where_an_account_is_configured_its_report_alone_is_written_in_its_language(
    seeded: psycopg.Connection, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each account's schedule has a language of its own, and writes over no other account's report."""
    monkeypatch.setenv("REPORT_DIR", str(tmp_path))
    warehouse = {"warehouse": WarehouseResource(url=database)}
    for account, language in ((101, "de"), (202, "en")):
        monkeypatch.setenv("KALTURA_PARTNER_ID", str(account))
        monkeypatch.setenv("REPORT_LANGUAGE", language)
        assert dg.materialize([room_report], resources=warehouse, partition_key=str(WEEK)).success
    languages = {path.name: re.findall(r'<html lang="(\w+)"', path.read_text("utf-8")) for path in tmp_path.iterdir()}
    assert languages == {f"room-report-101-{WEEK}.html": ["de"], f"room-report-202-{WEEK}.html": ["en"]}

    assert dg.materialize([room_report], resources=warehouse, partition_key=str(WEEK), tags=OF_ALL_ACCOUNTS).success
    assert len(list(tmp_path.iterdir())) == 3


def test_a_configured_account_of_which_nothing_was_loaded_has_no_report_though_others_have(
    seeded: psycopg.Connection, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REPORT_DIR", str(tmp_path))
    monkeypatch.setenv("KALTURA_PARTNER_ID", "404")
    warehouse = {"warehouse": WarehouseResource(url=database)}
    result = dg.materialize([room_report], resources=warehouse, partition_key=str(WEEK), raise_on_error=False)
    [failure] = [event.step_failure_data for event in result.all_events if event.is_step_failure]
    assert failure.user_failure_data is not None
    assert "Nothing has been loaded yet of account 404" in str(failure.user_failure_data.description)
    assert list(tmp_path.iterdir()) == []


def test_the_three_tables_stay_a_group_of_their_own() -> None:
    from pipelines.definitions import defs

    groups = {node.key.to_user_string(): node.group_name for node in defs.resolve_asset_graph().asset_nodes}
    assert {key for key, group in groups.items() if group == "kaltura_rooms"} == {
        "kaltura/room_sessions", "kaltura/attendees", "kaltura/breakout_sessions",
    }  # fmt: skip


def test_what_was_restated_of_breakouts_is_in_their_main_sessions_alone(seeded: psycopg.Connection) -> None:
    before = figures(seeded, 101, WEEK, BERLIN).restated
    copied = seeded.execute(
        "INSERT INTO kaltura.changes (load_id, table_name, key, change, before, after)"
        """ SELECT load_id, table_name, key || '{"entry_id": "r-bio-1", "cue_point_id": "b1"}', change, before, after"""
        " FROM kaltura.changes WHERE key ->> 'cue_point_id' = 's5' AND key ->> 'partner_id' = '101'"
    ).rowcount
    assert copied > 0
    assert before
    assert figures(seeded, 101, WEEK, BERLIN).restated == before
