"""The dashboards' bundle: ids that stay, words of the catalog, filters that reach every chart, and no secret in it."""

import io
import json
import re
import stat
import subprocess
import sys
import uuid
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from pipelines.command_line import front_door
from pipelines.dashboards import bundle
from pipelines.dashboards.addresses import ASKED_FOR, left_out, of_login, without_password
from pipelines.dashboards.boards import BOARDS
from pipelines.dashboards.charts import Trend
from pipelines.dashboards.datasets import CALCULATED, NOT_CACHED, PERSONAL
from pipelines.dashboards.layout import reached
from pipelines.dashboards.metrics import METRICS, metrics_of, unfiltered
from resources.local.superset import SECRETS, Superset
from resources.postgres.url import DatabaseUrlError
from resources.settings import CHECKOUT

TEXTS = bundle.current()
PARTS: dict[str, Any] = {name: yaml.safe_load(text) for name, text in TEXTS.items()}
DATASETS = {part["table_name"]: part for name, part in PARTS.items() if name.startswith("datasets/")}
DASHBOARDS = {part["dashboard_title"]: part for name, part in PARTS.items() if name.startswith("dashboards/")}
CHARTS = {part["slice_name"]: part for name, part in PARTS.items() if name.startswith("charts/")}
DECLARED = {chart.name: chart for board in BOARDS for chart in board.charts}
COLUMNS = {name: [column["column_name"] for column in part["columns"]] for name, part in DATASETS.items()}


def test_there_are_five_and_each_says_how_far_the_data_are_known() -> None:
    assert len(BOARDS) == len(DASHBOARDS) == 5
    for board in BOARDS:
        places = [part for part in DASHBOARDS[board.title]["position"].values() if isinstance(part, dict)]
        charts = [part["meta"]["sliceName"] for part in places if part["type"] == "CHART"]
        assert charts[0] == "How far the data are known"
        assert sorted(charts) == sorted(chart.name for chart in board.charts)


def test_an_id_follows_from_a_name_and_is_the_same_each_time() -> None:
    ids = [part["uuid"] for part in PARTS.values() if "uuid" in part]
    assert len(set(ids)) == len(ids)
    assert all(uuid.UUID(each).version == 5 for each in ids)
    assert DASHBOARDS["At a glance"]["uuid"] == "1a36361c-2f25-5164-8899-75783330888b"


@pytest.mark.parametrize("name", DATASETS)
def test_every_column_and_metric_of_a_dataset_says_what_it_holds(name: str) -> None:
    part = DATASETS[name]
    assert part["description"]
    assert [each["column_name"] for each in part["columns"] if not each["description"]] == []
    assert [each["metric_name"] for each in part["metrics"] if not each["description"]] == []


@pytest.mark.parametrize("name", DATASETS)
def test_what_a_person_may_see_is_not_kept_for_another(name: str) -> None:
    is_personal = any(PERSONAL in each["description"] for each in DATASETS[name]["columns"])
    assert (DATASETS[name]["cache_timeout"] == NOT_CACHED) is is_personal


def test_the_datasets_that_name_people_are_among_those_that_are_not_kept() -> None:
    not_kept = {name for name, part in DATASETS.items() if part["cache_timeout"] == NOT_CACHED}
    assert {"attendance", "absences", "course_attendance", "sessions"} <= not_kept


@pytest.mark.parametrize("chart", DECLARED.values(), ids=lambda chart: chart.name)
def test_a_chart_asks_for_columns_and_metrics_that_its_dataset_has(chart: Any) -> None:
    assert set(chart.metrics) <= set(metrics_of(chart.dataset))
    names = {each if isinstance(each, str) else each["label"] for each in chart.grouped}
    assert names <= set(COLUMNS[chart.dataset])
    assert not chart.time or chart.time in COLUMNS[chart.dataset]
    assert set(dict(chart.order)) <= set(COLUMNS[chart.dataset]) | set(metrics_of(chart.dataset))


def test_the_editors_controls_and_the_apis_query_ask_for_the_same() -> None:
    for name, part in CHARTS.items():
        [query] = json.loads(part["query_context"])["queries"]
        params = part["params"]
        told = params.get("metrics") or ([params["metric"]] if "metric" in params else [])
        assert told == (query["metrics"] or []), name
        where = [each["sqlExpression"] for each in params["adhoc_filters"] if each["expressionType"] == "SQL"]
        assert query["extras"]["where"] == " AND ".join(f"({text})" for text in where), name
        only = [
            (each["subject"], each["comparator"]) for each in params["adhoc_filters"] if each.get("operator") == "=="
        ]
        assert only == [(each["col"], each["val"]) for each in query["filters"] if each["op"] == "=="], name
        if "timeseries_limit_metric" in params:
            assert [[params["timeseries_limit_metric"], not params["order_desc"]]] == query["orderby"], name


def test_a_trend_has_a_row_for_each_week_in_the_browsers_query_and_the_apis() -> None:
    """A browser makes the steps from the controls. Superset compares with the row before: it has to be the week before."""
    trends = [name for name, chart in DECLARED.items() if isinstance(chart, Trend)]
    assert len(trends) == 4
    for name in trends:
        params = CHARTS[name]["params"]
        assert (params["resample_rule"], params["resample_method"], params["compare_lag"]) == ("W-MON", "asfreq", 1)
        [query] = json.loads(CHARTS[name]["query_context"])["queries"]
        steps = {step["operation"]: step.get("options") for step in query["post_processing"]}
        assert list(steps) == ["pivot", "resample", "flatten"]
        assert steps["resample"] == {"rule": "W-MON", "method": "asfreq", "fill_value": None}


NOT_SO = {
    "minutes where it is hours": (r"/ 60", "in minutes"),
    "a question where it is a count": (r"^COUNT", "Whether"),
    "of a week where it is of all that is asked for": (r"^COUNT\(DISTINCT", "once a week"),
    "rows where it is people": (r"people_count", "Rows of report"),
    "a mean where it is a sum": (r"^SUM\(\w+\)( / 60)?$", "mean number"),
}


@pytest.mark.parametrize("fault", NOT_SO)
def test_a_metric_is_not_said_to_be_what_its_sql_is_not(fault: str) -> None:
    sql, words = NOT_SO[fault]
    metrics = [(name, each) for name, part in DATASETS.items() for each in part["metrics"]]
    assert any(re.search(sql, each["expression"]) for _, each in metrics)
    told = [
        (name, each["metric_name"])
        for name, each in metrics
        if re.search(sql, each["expression"]) and words in each["description"]
    ]
    assert told == []


@pytest.mark.parametrize("where", [(), ("is_identified",), ("NOT is_breakout", "is_guest")])
def test_a_metric_keeps_its_filter_where_the_chart_leaves_out_less(where: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="people over attendance leaves out more"):
        unfiltered("people", "attendance", where)


def test_a_metric_without_its_filter_is_the_datasets_own_but_for_that() -> None:
    [people] = [metric for metric in METRICS if metric.name == "people"]
    left = unfiltered("people", "attendance", ("NOT is_breakout", "is_identified", "NOT is_provisional"))
    assert people.sql["attendance"] == f"{left} FILTER (WHERE is_identified AND NOT is_breakout)"


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.title)
def test_a_filter_reaches_every_chart_that_has_its_column(board: Any) -> None:
    filters = DASHBOARDS[board.title]["metadata"]["native_filter_configuration"]
    assert [each["name"] for each in filters] == ["Days", *(select.name for select in board.filters)]
    numbers = {
        part["meta"]["sliceName"]: part["meta"]["chartId"]
        for part in DASHBOARDS[board.title]["position"].values()
        if isinstance(part, dict) and part["type"] == "CHART"
    }
    for told, select in zip(filters, (None, *board.filters), strict=True):
        left_out = {name for name, number in numbers.items() if number in told["scope"]["excluded"]}
        assert left_out == set(numbers) - {chart.name for chart in reached(board, select, COLUMNS)}
        assert select is None or len(left_out) < len(numbers), f"{told['name']} reaches nothing"


def test_the_filter_of_accounts_reaches_every_chart_of_every_dashboard() -> None:
    for board in BOARDS:
        [account] = [select for select in board.filters if select.name == "Account"]
        assert reached(board, account, COLUMNS) == board.charts


def test_no_metric_and_no_calculated_column_is_declared_for_nothing() -> None:
    assert {metric.name for metric in METRICS} == {name for chart in DECLARED.values() for name in chart.metrics}
    assert set(CALCULATED) <= set(DATASETS)


def test_no_part_holds_a_password_and_a_zip_is_the_same_bytes_each_time(tmp_path: Path) -> None:
    assert "password" not in "".join(TEXTS.values()).lower()
    files = [tmp_path / "a.zip", tmp_path / "b.zip"]
    for file in files:
        bundle.write_zip(TEXTS, file)
    assert files[0].read_bytes() == files[1].read_bytes()


def test_the_command_writes_the_bundle_over_the_database_that_is_named_without_its_password(tmp_path: Path) -> None:
    file = tmp_path / "dashboards.zip"
    url = "postgresql://ada:hidden@db.example.org:6432/warehouse?sslmode=require"
    words = ["dashboards", "--zip", str(file), "--database-url", url]
    done = CliRunner().invoke(front_door, words, env={"PARTITION_TIMEZONE": "Europe/Berlin"})
    assert done.exit_code == 0, done.output
    with zipfile.ZipFile(io.BytesIO(file.read_bytes())) as archive:
        texts = {name: archive.read(name).decode() for name in archive.namelist()}
    assert {name.split("/")[0] for name in texts} == {"kaltura_dashboards"}
    database = yaml.safe_load(texts["kaltura_dashboards/databases/kaltura_rooms.yaml"])
    assert database["sqlalchemy_uri"] == (
        f"postgresql+psycopg2://ada:{ASKED_FOR}@db.example.org:6432/warehouse?sslmode=require"
    )
    assert "-c timezone=Europe/Berlin" in database["extra"]["engine_params"]["connect_args"]["options"]
    assert "hidden" not in done.output + "".join(texts.values())


def test_where_there_is_no_bundle_that_is_said_and_no_empty_file_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundle, "FOLDER", tmp_path / "none")
    words = ["dashboards", "--zip", str(tmp_path / "b.zip"), "--database-url", "postgresql:///w"]
    done = CliRunner().invoke(front_door, words)
    assert done.exit_code == 1
    assert "checkout" in done.stderr
    assert not (tmp_path / "b.zip").exists()


@pytest.mark.parametrize(
    ("url", "bare", "of_analyst"),
    [
        (
            "postgresql://postgres@:5432/kaltura?host=/tmp/s",
            "postgresql+psycopg2://postgres@:5432/kaltura?host=/tmp/s",
            f"postgresql+psycopg2://an:{ASKED_FOR}@:5432/kaltura?host=/tmp/s",
        ),
        (
            "postgres://a:hidden@[::1]/w",
            f"postgresql+psycopg2://a:{ASKED_FOR}@[::1]/w",
            f"postgresql+psycopg2://an:{ASKED_FOR}@[::1]/w",
        ),
        *(
            (
                f"postgresql://{user}h/w?sslmode=require&{secret}",
                f"postgresql+psycopg2://a:{ASKED_FOR}@h/w?sslmode=require",
                f"postgresql+psycopg2://an:{ASKED_FOR}@h/w?sslmode=require",
            )
            for user, secret in (
                ("a@", "password=hidden"),
                ("a@", "pass%77ord=hidden"),
                ("a:hidden@", "password=hidden&sslpassword=hidden"),
                ("", "user=a&password=hidden"),
                ("owner:hidden@", "us%65r=a"),
                ("a:hidden@", "options=-c%20search_path%3Dx&passfile=/home/a/.pgpass&sslkey=/k&sslcert=/c"),
                ("a:hidden@", "requirepeer=x&krbsrvname=hidden"),
            )
        ),
        ("postgresql:///w", "postgresql+psycopg2:///w", f"postgresql+psycopg2://an:{ASKED_FOR}@/w"),
    ],
)
def test_an_address_without_its_password_and_as_another_login_has_it(url: str, bare: str, of_analyst: str) -> None:
    assert without_password(url) == bare
    assert of_login(url, "an") == of_analyst


def test_a_service_is_refused_for_superset_has_another_file_of_them() -> None:
    with pytest.raises(DatabaseUrlError, match="names a service"):
        without_password("postgresql:///?service=warehouse")


def test_what_is_left_out_of_an_address_is_named() -> None:
    url = "postgresql://a@h/w?sslmode=require&passfile=/x&options=-c%20jit%3Don&user=b"
    assert left_out(url) == ["options", "passfile"]


def test_a_secret_for_which_there_was_no_room_is_made_the_next_time_and_is_not_an_empty_one(tmp_path: Path) -> None:
    make = "import sys; from pathlib import Path; from resources.local.superset import Superset as S\n"
    make += "S(Path(sys.argv[1])).make_secrets()"
    full = ["bash", "-c", 'ulimit -f 0; exec "$@"', "bash", sys.executable, "-B", "-c", make, str(tmp_path)]
    done = subprocess.run(full, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert "File too large" in done.stderr
    superset = Superset(tmp_path)
    assert superset.make_secrets()
    assert len({superset.secret(name) for name in SECRETS} - {""}) == len(SECRETS)


@pytest.mark.parametrize("left", ["", "\n", " \t\n"])
def test_an_empty_secret_is_made_anew_and_any_other_stays(left: str, tmp_path: Path) -> None:
    superset = Superset(tmp_path)
    superset.make_secrets()
    for name in SECRETS:
        before = {each: superset.secret(each) for each in SECRETS}
        (tmp_path / "secrets" / name).write_text(left)
        assert superset.make_secrets() is (name == "superset_admin_password")
        after = {each: superset.secret(each) for each in SECRETS}
        assert {each for each in SECRETS if after[each] != before[each]} == {name}
        assert len(after[name]) == 43
        assert stat.S_IMODE((tmp_path / "secrets" / name).stat().st_mode) == 0o600
