"""An erased person is nowhere: known by name, in another spelling, in others' rows, in later pulls, in an older backup."""

import json
import re
from dataclasses import asdict, replace
from pathlib import Path

import psycopg
import pytest
import run_folder
from click.testing import CliRunner
from rich.console import Console

from pipelines.command_line import front_door
from resources.postgres.backup import BackupError, Manifest, back_up
from resources.postgres.restore import restore
from resources.postgres.roles import apply_roles
from resources.postgres.statistics import HAS_MAINTAIN
from resources.privacy.erasure import erased_at
from resources.privacy.reapply_erasures import ReapplyErasures
from simulator import Fault, User, View
from tests.integration.test_privacy import (
    ADA,
    BOB,
    KEY,
    PSEUDONYMOUS,
    TABLES,
    WITH_KEY,
    Place,
    Privacy,
    erased,
    everything,
    filled_with_traces,
    found,
    pull,
    rows,
)
from tests.integration.test_privacy import place as place
from tests.integration.test_university import all_loaded, written
from tests.integration.test_whole_days import kaltura as kaltura

LOUD = User(9, " ADA.Inventedson ", ADA.name, ADA.email, "User")
ATTENDEES = "SELECT user_id, user_name, user_email, extra FROM kaltura.attendees"
TRACES = {ADA.user_id, ADA.name, ADA.email, LOUD.user_id.strip()}


def in_every_way(place: Place, privacy: Privacy) -> str:
    """Ada under two spellings, named as who opened a breakout, in Bob's `extra`, in a reject. Returns the URL."""
    place.breakouts[0] = replace(place.breakouts[0], initiator=ADA.name)
    place.views.append(View("1_room", "1_a", LOUD, place.second(9), place.second(10)))
    place.views.append(View("1_room", "1_gone", ADA, place.second(11), place.second(12)))
    place.kaltura.faults.add(
        Fault("extra_column", report_id=6001, times=None, column="nickname", value=f"of {ADA.name}")
    )
    pull(place, privacy)
    place.views[0] = replace(place.views[0], left_at=place.views[0].left_at + 60)
    pull(place, privacy)
    return place.warehouse.url


@pytest.mark.parametrize("privacy", [WITH_KEY, PSEUDONYMOUS], ids=["full", "pseudonymous"])
def test_a_person_is_nowhere_after_an_erasure_a_pull_and_the_restore_of_an_older_backup(
    privacy: Privacy, place: Place, tmp_path: Path
) -> None:
    url = in_every_way(place, privacy)
    back_up(url, tmp_path / "older.dump", Console(quiet=True), KEY)
    assert erased(place, privacy, ADA.user_id.upper())
    assert found(TRACES, everything(place).encode()) == set()
    pull(place, privacy)
    assert found(TRACES, everything(place).encode()) == set()
    kept = ReapplyErasures(privacy, TABLES)
    restore(url, tmp_path / "older.dump", Console(quiet=True), keeper=kept, tables=TABLES, replace=True, key=KEY)
    assert kept.people == 1
    assert found(TRACES | {privacy.of_account(1).pseudonym(ADA.user_id)}, everything(place).encode()) == set()
    pull(place, privacy)
    assert found(TRACES, everything(place).encode()) == set()
    assert rows(place, "SELECT count(*) > 0 FROM kaltura.attendees") == [(True,)]


def test_pieces_of_broken_lines_which_may_be_a_part_of_a_name_go_with_the_person_and_whole_lines_of_others_stay(
    place: Place, tmp_path: Path
) -> None:
    first, last = ADA.name.split()
    torn = f"1_room,1_a,{ADA.user_id},{first}\n{last},Dr,,,User,12.5,0.4\n"
    place.kaltura.faults.add(Fault("rewritten", report_id=6001, times=None, rewrite=lambda text: text + torn))
    place.views.append(View("1_room", "1_gone", BOB, place.second(11), place.second(12)))  # of no known session
    pull(place, WITH_KEY)
    back_up(place.warehouse.url, tmp_path / "older.dump", Console(quiet=True), KEY)
    raw = "SELECT raw FROM kaltura.rejects ORDER BY raw"
    before = rows(place, raw)
    assert found({last}, str(before).encode()) == {last}
    assert erased(place, WITH_KEY, "no.body") is None
    assert rows(place, raw) == before

    counts = erased(place, WITH_KEY)

    left = rows(place, raw)
    assert found({first, last, BOB.user_id}, str(left).encode()) == {BOB.user_id}
    assert counts["rejects"] == len(set(before) - set(left)) > 0
    kept = ReapplyErasures(WITH_KEY, TABLES)
    file = tmp_path / "older.dump"
    restore(place.warehouse.url, file, Console(quiet=True), keeper=kept, tables=TABLES, replace=True, key=KEY)
    assert rows(place, raw) == left
    pull(place, WITH_KEY)
    assert rows(place, raw) == left


def in_samples(place: Place) -> bytes:
    """What the planner keeps of our columns and indexes, as a superuser reads it."""
    query = "SELECT s::text FROM pg_stats AS s WHERE schemaname IN ('kaltura', 'university')"
    return str(rows(place, query)).encode()


def sampled(place: Place, folder: Path) -> None:
    """Ada in every table, and alone on the list, as autovacuum has seen it."""
    filled_with_traces(place, WITH_KEY)
    lines = f"course_id,person_id,person_email\nc1,{ADA.user_id},{ADA.email}\n"
    all_loaded(place.warehouse.url, written(folder, enrolments=lines), WITH_KEY)
    with psycopg.connect(place.warehouse.url, autocommit=True) as connection:
        connection.execute("ANALYZE")
    assert found({ADA.user_id, ADA.name, ADA.email}, in_samples(place)) == {ADA.user_id, ADA.name, ADA.email}


def ordered(place: Place, *words: str, **more: str) -> str:
    """A command of ours, in this process."""
    given = {"DATABASE_URL": place.warehouse.url, "PII_KEY": KEY, "KALTURA_PARTNER_ID": "1", **more}
    done = CliRunner(env=given).invoke(front_door, list(words))
    assert done.exit_code == 0, done.output
    return " ".join(done.output.split())


TAKES_OUT = {
    "erase": (["erase", "--user-id", ADA.user_id, "--yes"], {}),
    "retention": (["retention"], {"RETENTION_DAYS": "1"}),
    "everything": (["retention", "--all"], {"PII_MODE": "pseudonymous"}),
    "forget-account": (["forget-account", "1", "--yes"], {}),
}


@pytest.mark.parametrize("by", TAKES_OUT)
def test_the_planner_keeps_nothing_of_whoever_was_taken_out(by: str, place: Place, tmp_path: Path) -> None:
    sampled(place, tmp_path)
    if by == "retention":
        with psycopg.connect(place.warehouse.url) as connection:
            connection.execute("UPDATE university.enrolments SET to_date = '2020-01-01'")
    words, more = TAKES_OUT[by]
    assert "pg_stats" not in ordered(place, *words, **more)
    assert found({ADA.user_id, ADA.name, ADA.email}, everything(place).encode() + in_samples(place)) == set()


def test_a_login_that_may_not_take_the_planners_samples_anew_says_so_and_what_to_do(
    place: Place, tmp_path: Path
) -> None:
    sampled(place, tmp_path)
    with run_folder.alone("roles"):
        apply_roles(place.warehouse.url)
        with psycopg.connect(place.warehouse.url, autocommit=True) as connection:
            connection.execute("CREATE ROLE test_loader LOGIN IN ROLE kaltura_loader")
            try:
                if connection.info.server_version >= HAS_MAINTAIN:  # before, roles.sql can't give it
                    connection.execute(
                        "REVOKE MAINTAIN ON ALL TABLES IN SCHEMA kaltura, university FROM kaltura_loader"
                    )
                url = place.warehouse.url.replace("postgres@", "test_loader@", 1)
                words, more = TAKES_OUT["erase"]
                said = ordered(place, *words, **more, DATABASE_URL=url)
            finally:
                connection.execute("DROP ROLE test_loader")
    [todo] = re.findall(r"ANALYZE [a-z_., ]+;", said)
    assert "kaltura.attendees, " in todo
    assert found({ADA.user_id}, in_samples(place)) == {ADA.user_id}


NAMES_AGAIN = {
    "retention": ({"RETENTION_DAYS": "1"}, "names taken out again of days before ", set()),
    "no retention": ({}, "RETENTION_DAYS is not set here: names that", TRACES),
    "no account": (
        {"RETENTION_DAYS": "1", "KALTURA_PARTNER_ID": ""},
        "names taken out again of days before ",  # as the warehouse that is replaced tells
        set(),
    ),
    "another mode": ({"PII_MODE": "pseudonymous"}, "`python -m pipelines retention --all`", TRACES),
}


@pytest.mark.parametrize("by", NAMES_AGAIN)
def test_names_of_old_days_that_a_backup_brings_back_are_taken_out_again_or_that_is_said(
    by: str, place: Place, tmp_path: Path
) -> None:
    more, says, left = NAMES_AGAIN[by]
    place.views.append(View("1_room", "1_a", LOUD, place.second(9), place.second(10)))
    pull(place, WITH_KEY)
    file = tmp_path / "older.dump"
    back_up(place.warehouse.url, file, Console(quiet=True), KEY)
    words = ["--all"] if "PII_MODE" in more else []
    ordered(place, "retention", *words, **{"RETENTION_DAYS": "1", **more, "KALTURA_PARTNER_ID": "1"})
    assert found(TRACES, everything(place).encode()) == set()
    said = ordered(place, "restore", str(file), "--replace", "--database-url", place.warehouse.url, **more)
    assert says in said
    assert found({ADA.name, ADA.email}, everything(place).encode()) == left & {ADA.name, ADA.email}


def test_a_name_that_others_have_too_goes_where_it_stands_alone_is_counted_apart_and_stays_in_their_rows(
    place: Place,
) -> None:
    twin = User(8, "ada.the.other", ADA.name, "", "User")
    place.breakouts[0] = replace(place.breakouts[0], initiator=ADA.name)
    place.views.append(View("1_room", "1_a", twin, place.second(9), place.second(10)))
    pull(place, WITH_KEY)
    counts = erased(place, WITH_KEY)
    assert counts["breakout_sessions.session_initiator (a name of others too)"] == 1
    assert rows(place, "SELECT session_initiator FROM kaltura.breakout_sessions") == [(None,)]
    assert rows(place, f"SELECT user_id FROM kaltura.attendees WHERE user_name = '{ADA.name}'") == [(twin.user_id,)]
    pull(place, WITH_KEY)
    assert rows(place, "SELECT session_initiator FROM kaltura.breakout_sessions") == [(None,)]


def test_a_restore_without_the_key_of_the_erased_restores_nothing(place: Place, tmp_path: Path) -> None:
    url = in_every_way(place, WITH_KEY)
    back_up(url, tmp_path / "older.dump", Console(quiet=True))
    erased(place, WITH_KEY)
    there = everything(place)
    kept = ReapplyErasures(Privacy(), TABLES)
    with pytest.raises(BackupError, match="PII_KEY"):
        restore(url, tmp_path / "older.dump", Console(quiet=True), keeper=kept, tables=TABLES, replace=True, trust=True)
    assert everything(place) == there


def test_whom_an_earlier_version_erased_by_one_spelling_stays_erased(place: Place) -> None:
    """It made pseudonyms of ids as they were spelled; nothing else is left of the erased."""
    pull(place, WITH_KEY)
    people = WITH_KEY.of_account(1)
    spelled = ADA.user_id.title()
    before = people.suppression("p_" + WITH_KEY._hmac("1", "person", spelled)[:32])
    with place.warehouse.connection() as connection:
        connection.execute("TRUNCATE kaltura.attendees, kaltura.people, kaltura.rejects, kaltura.loads")
        connection.execute("INSERT INTO kaltura.suppressions (partner_id, person) VALUES (1, %s)", [before])
        assert erased_at(connection, people, spelled)
    named_so = replace(ADA, user_id=spelled)
    hosted = [replace(each, host_user_id=spelled) for each in place.sessions if each.host_user_id == ADA.user_id]
    assert hosted
    place.sessions[:] = [*hosted, *(each for each in place.sessions if each.host_user_id != ADA.user_id)]
    place.views[:] = [replace(view, user=named_so) if view.user == ADA else view for view in place.views]
    pull(place, WITH_KEY)
    assert found({spelled, ADA.name, ADA.email}, "".join(map(str, rows(place, ATTENDEES))).encode()) == set()
    assert rows(place, f"SELECT count(*) FROM kaltura.people WHERE lower(user_id) = '{ADA.user_id}'") == [(0,)]
    place.views[:] = [replace(view, user=ADA) if view.user == named_so else view for view in place.views]
    pull(place, WITH_KEY)  # from now on in any spelling
    assert found({ADA.user_id, ADA.name, ADA.email}, "".join(map(str, rows(place, ATTENDEES))).encode()) == set()


def test_rows_that_an_earlier_version_made_pseudonymous_are_found_by_the_spelling_of_their_id(place: Place) -> None:
    pull(place, PSEUDONYMOUS)
    people, spelled = PSEUDONYMOUS.of_account(1), ADA.user_id.title()
    before = "p_" + PSEUDONYMOUS._hmac("1", "person", spelled)[:32]
    with place.warehouse.connection() as connection:
        connection.execute(
            "UPDATE kaltura.attendees SET user_id = %s WHERE user_id = %s", [before, people.pseudonym(ADA.user_id)]
        )
    assert erased(place, PSEUDONYMOUS, spelled)["attendees.user_id"] > 0
    assert found({before}, everything(place).encode()) == set()


GOOD = {"made_at": "", "server_version": 1, "sha256": "", "rows": {"attendees": 1}, "migrations": [], "signature": ""}


@pytest.mark.parametrize(
    "text",
    [
        "", "null", "[]", "7", "{}", "{" * 100_000, "[" * 100_000, '{"rows": ' * 100_000, "\0", "\ud800",
        json.dumps({**GOOD, "more": 1}),
        *(json.dumps({**GOOD, name: value}) for name, value in [
            ("sha256", "\ud800"), ("signature", "\udfff"), ("signature", None), ("migrations", ["\ud800"]),
            ("migrations", {"a": []}), ("migrations", 7), ("rows", ["attendees"]), ("rows", {"\ud800": 1}),
            ("rows", {"attendees": "1"}), ("rows", {"attendees": True}), ("rows", {"attendees": 1.5}),
            ("server_version", "18"), ("made_at", 7),
        ]),
        json.dumps(GOOD).replace('"server_version": 1', f'"server_version": 1{"0" * 10_000}'),
    ],
    ids=lambda text: text[:40],
)  # fmt: skip
def test_a_manifest_that_is_none_is_called_damaged(text: str, tmp_path: Path) -> None:
    Manifest.beside(tmp_path / "a.dump").write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(BackupError, match="is damaged"):
        Manifest.of(tmp_path / "a.dump").is_signed_with(KEY)


@pytest.mark.parametrize(
    "name",
    ['x"; \\! touch INJECTED', "x\n\\! touch INJECTED\n", "attendees"],
    ids=["a command behind a quote", "a command on a line of its own", "another count"],
)
def test_a_manifest_that_was_tampered_with_is_not_believed_and_runs_nothing(
    name: str, place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    pull(place, WITH_KEY)
    url = place.warehouse.url
    manifest = back_up(url, tmp_path / "a.dump", Console(quiet=True), KEY)
    hostile = Manifest.beside(tmp_path / "a.dump")
    hostile.write_text(json.dumps(asdict(replace(manifest, rows={**manifest.rows, name: 77}))))
    there = everything(place)
    for trust, says in ((False, "not signed"), (True, "are missing")):
        with pytest.raises(BackupError, match=says):
            restore(
                url, tmp_path / "a.dump", Console(quiet=True), keeper=ReapplyErasures(WITH_KEY, TABLES), tables=TABLES,
                replace=True, key=KEY, trust=trust,
            )  # fmt: skip
    assert everything(place) == there
    assert not (tmp_path / "INJECTED").exists()
    assert BOB.user_id in there


@pytest.mark.parametrize("spelled", ["unknown", "UNKNOWN"])
def test_who_is_nobody_is_not_erased_with_a_person_whose_id_reads_like_it(spelled: str, place: Place) -> None:
    for number, user_id in enumerate(("Unknown", "unknown")):
        user = User(30 + number, user_id, "", "", "User")
        place.views.append(View("1_room", "1_a", user, place.second(9), place.second(10)))
    place.pull(0)
    nobody = "SELECT count(*) FROM kaltura.attendees WHERE user_id = 'Unknown'"
    assert rows(place, nobody) == [(1,)]
    assert erased(place, WITH_KEY, spelled)
    assert rows(place, nobody) == [(1,)]
    assert rows(place, "SELECT count(*) FROM kaltura.attendees WHERE user_id = 'unknown'") == [(0,)]
