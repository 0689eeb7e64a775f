"""No secret is left anywhere: not after a success, a refusal, a timeout or an error that quotes the session token.

Planted are an app token, an admin secret, a webhook's address and the passwords of two databases; the session tokens
(KS) are those that the stand-in gave out. Searched is every byte that a run leaves behind.
"""

import datetime as dt
import secrets as random
import shutil
import sqlite3
import traceback
import zlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import leaks
import psycopg
import pytest
import run_folder
from dagster_ui import ui_of
from pipeline import Pipeline
from psycopg import sql

from resources.local import postgres as local_postgres
from resources.warehouse.warehouse import Warehouse, WarehouseError
from simulator import Fault, University, serving
from simulator.tokens import Credentials

GOOD, TIMES_OUT, ECHOES, REFUSED = (dt.date(2026, 3, 2) + dt.timedelta(days=n) for n in range(4))
ROLE = "planted"


def planted(kind: str) -> str:
    """Random, with characters that encodings change."""
    return f"{kind}/{random.token_urlsafe(24)}+é&'{random.token_hex(4)}"


@pytest.fixture
def password_url(postgres_folder: Path, database: str) -> Iterator[tuple[str, str]]:
    """A role that has to give its password (scram), and the URL of the test's database with it.

    Roles and the server's rules are those of all workers: one of these tests at a time.
    """
    password = planted("database")
    name = psycopg.conninfo.conninfo_to_dict(database)["dbname"]
    sockets = local_postgres.find(postgres_folder).sockets
    with run_folder.alone("password"), psycopg.connect(database, autocommit=True) as connection:
        rules = Path(connection.execute("SHOW hba_file").fetchone()[0])
        before = rules.read_text()
        rules.write_text(f"local all {ROLE} scram-sha-256\n{before}")
        connection.execute(sql.SQL("CREATE ROLE {} SUPERUSER LOGIN PASSWORD {}").format(sql.Identifier(ROLE), password))
        connection.execute("SELECT pg_reload_conf()")
        yield (
            f"postgresql://{ROLE}:{leaks.quote(password, safe='')}@:5432/{name}?host={leaks.quote(str(sockets))}",
            password,
        )
        rules.write_text(before)
        connection.execute("SELECT pg_reload_conf()")
        connection.execute(f"DROP ROLE {ROLE}")


@pytest.fixture
def pipeline(password_url: tuple[str, str], tmp_path: Path) -> Iterator[Pipeline]:
    account = Credentials(app_token=planted("token"), admin_secret=planted("admin"))
    with serving(University(seed=11, timezone="UTC", rooms=12), credentials=account) as kaltura:
        url, password = password_url
        secret = {
            "KALTURA_ADMIN_SECRET": account.admin_secret,
            "ALERT_WEBHOOK_URL": f"https://hooks.example.invalid/{planted('webhook')}",
            "DAGSTER_POSTGRES_PASSWORD": planted("dagster"),
            "PLANTED_PASSWORD": password,
        }
        home = tmp_path / "home"
        home.mkdir()
        yield Pipeline(kaltura, url, home, {"START_DATE": str(GOOD), **secret})


def secrets_of(pipeline: Pipeline) -> dict[str, str]:
    webhook = pipeline.more["ALERT_WEBHOOK_URL"]
    issued = {f"KS {n}": ks for n, ks in enumerate(pipeline.kaltura.tokens._issued)}
    assert len(issued) >= 2
    return {
        "app token": pipeline.kaltura.app_token,
        "admin secret": pipeline.kaltura.admin_secret,
        "webhook": webhook.rpartition("/")[2],
        "database password": pipeline.more["PLANTED_PASSWORD"],
        "Dagster's password": pipeline.more["DAGSTER_POSTGRES_PASSWORD"],
        **issued,
    }


def fails_on(kind: str, day: dt.date, **more: int) -> Fault:
    evening = int(dt.datetime.combine(day, dt.time(18), dt.UTC).timestamp())  # past the grace of the day before
    return Fault(kind, times=None, covers=evening, **more)


# What the UI's pages ask for: code locations, resources, environment variables, launchpad, instance, runs, events, logs.
REPOSITORY = '{repositoryName: "__repository__", repositoryLocationName: "pipelines"}'
PAGES = {
    "code location": """{ workspaceOrError { ... on Workspace { locationEntries { name loadStatus
      displayMetadata { key value } locationOrLoadError { ... on RepositoryLocation { repositories { name
      displayMetadata { key value } allTopLevelResourceDetails { name } } } ... on PythonError { message stack } } } } } }""",
    "resources": f"""{{ allTopLevelResourceDetailsOrError(repositorySelector: {REPOSITORY}) {{
      ... on ResourceDetailsList {{ results {{ name description resourceType configuredValues {{ key type value }}
      configFields {{ name description defaultValueAsJson isRequired }} nestedResources {{ name }} }} }} }} }}""",
    "environment variables": f"""{{ utilizedEnvVarsOrError(repositorySelector: {REPOSITORY}) {{
      ... on EnvVarWithConsumersList {{ results {{ envVarName envVarConsumers {{ name type }} }} }} }} }}""",
    "launchpad": f"""{{ runConfigSchemaOrError(selector: {{pipelineName: "__ASSET_JOB", {REPOSITORY[1:-1]}}}) {{
      ... on RunConfigSchema {{ rootDefaultYaml allConfigTypes {{ key description }} }} }} }}""",
    "instance": "{ instance { id info daemonHealth { allDaemonStatuses { daemonType lastHeartbeatErrors { message } } } } }",
    "assets": """{ assetNodes { id description metadataEntries { label description } opNames
      configField { name defaultValueAsJson } assetMaterializations { runId metadataEntries { label
      ... on TextMetadataEntry { text } } } } }""",
    "runs": "{ runsOrError { ... on Runs { results { runId runConfigYaml tags { key value } } } } }",
}
RUN_PAGES = {
    "events": """query($r: ID!) { logsForRun(runId: $r) { ... on EventConnection { events { __typename
      ... on MessageEvent { message } ... on ExecutionStepFailureEvent { error { message stack cause { message } }
      failureMetadata { description metadataEntries { label } } }
      ... on RunFailureEvent { error { message stack } } } } } }""",
    "compute logs": """query($r: ID!) { runOrError(runId: $r) { ... on Run { capturedLogs(fileKey: "kaltura_rooms") {
      stdout stderr } rootConcurrencyKeys stepStats { stepKey status } } } }""",
}


@pytest.mark.deep
@pytest.mark.timeout(3600)
def test_no_secret_is_left_after_success_refusal_timeout_or_an_error_that_quotes_it(pipeline: Pipeline) -> None:
    pipeline.kaltura.faults.add(
        fails_on("timeout", TIMES_OUT), fails_on("echoed_ks", ECHOES), fails_on("bad_gateway", REFUSED, status=403)
    )
    pipeline.run("python", "-m", "pipelines", "home")
    printed = pipeline.materialize("--partition-range", f"{GOOD}...{REFUSED}", succeeds=False)
    for day, said in ((TIMES_OUT, "report 600"), (ECHOES, "INVALID_KS"), (REFUSED, "HTTP 403")):
        assert f"{day}: " in printed
        assert said in printed
    assert pipeline.query("SELECT DISTINCT partition_date FROM kaltura.loads") == [(GOOD,)]
    answers = asked_by_the_pages(pipeline)

    secret = secrets_of(pipeline)
    assert leaks.found(secret, printed) == []
    assert [page for page, answer in answers.items() if leaks.found(secret, answer)] == []
    assert leaks.in_folder(secret, pipeline.home) == []
    assert [table for table, rows in everything_in(pipeline.database).items() if leaks.found(secret, rows)] == []
    assert "KALTURA_APP_TOKEN" in answers["resources"]  # by name, which is what the page is for


def asked_by_the_pages(pipeline: Pipeline) -> dict[str, str]:
    """What the UI's server answers, by page."""
    with ui_of(pipeline) as ui:
        answers = {page: str(ui.ask(query)) for page, query in PAGES.items()}
        run_ids = ui.runs("FAILURE")
        assert run_ids
        for run_id in run_ids:
            answers |= {f"{page} of {run_id}": str(ui.ask(query, r=run_id)) for page, query in RUN_PAGES.items()}
    assert "INVALID_KS" in "".join(answers.values())  # the errors were there to be seen
    return answers


def everything_in(url: str) -> dict[str, str]:
    """Every row of every table of ours, as text."""
    with psycopg.connect(url) as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'kaltura'").fetchall()
        texts = {}
        for (table,) in tables:
            query = sql.SQL("SELECT to_jsonb(t)::text FROM {} AS t").format(sql.Identifier("kaltura", table))
            texts[table] = "\n".join(row[0] for row in connection.execute(query))
    assert {"loads", "changes", "rejects"} <= texts.keys()
    return texts


@pytest.mark.parametrize("spoilt", ["password", "host", "port"])
def test_an_error_of_the_database_says_nothing_of_the_password(
    password_url: tuple[str, str], spoilt: str, caplog: pytest.LogCaptureFixture
) -> None:
    url, password = password_url
    wrong = {
        "password": url.replace(f"{ROLE}:", f"{ROLE}:x"),
        "host": url.partition("?")[0].replace("@:5432", "@no-such-host.invalid:5432"),
        "port": url.partition("?")[0].replace("@:5432", "@127.0.0.1:1"),
    }[spoilt]
    warehouse = Warehouse(wrong)
    with pytest.raises(WarehouseError, match="Check DATABASE_URL") as caught, warehouse.connection():
        pass
    warehouse.close()
    said = "".join(traceback.format_exception(caught.value)) + repr(warehouse.engine) + caplog.text
    assert leaks.found({"password": password}, said) == []


def test_the_search_finds_a_secret_that_was_planted_in_any_spelling() -> None:
    secret = planted("control")
    for way in leaks.spellings(secret):
        assert leaks.found({"it": secret}, b"before " + way + b" after") == ["it"]
    assert leaks.found({"it": secret}, b"Basic " + leaks.base64.b64encode(f"someone:{secret}".encode())) == ["it"]
    assert leaks.found({"it": secret}, b"before and after") == []


def test_the_search_finds_a_secret_in_a_file_and_in_a_compressed_value_of_a_database(tmp_path: Path) -> None:
    secret = planted("control")
    (tmp_path / "storage").mkdir()
    with closing(sqlite3.connect(tmp_path / "storage" / "runs.db")) as connection, connection:
        connection.execute("CREATE TABLE snapshots (body BLOB)")
        connection.execute("INSERT INTO snapshots VALUES (?)", [zlib.compress(f"token: {secret}".encode())])
    (tmp_path / "stderr.err").write_text(f"GET /?ks={leaks.quote_plus(secret)}")
    places = leaks.in_folder({"it": secret}, tmp_path)
    assert [place.rpartition("/")[2] for place in places] == ["stderr.err", "runs.db"]
    shutil.rmtree(tmp_path / "storage")
    assert len(leaks.in_folder({"it": secret}, tmp_path)) == 1
