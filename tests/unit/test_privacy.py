"""Pseudonyms: what they are made of, what stays as it is, and what an error or a setting tells of people."""

import hashlib
import hmac
import re

import pandas as pd
import pytest

from assets.attendees import ATTENDEES
from assets.pull.normalize import normalize
from assets.room_sessions import ROOM_SESSIONS
from resources.kaltura import csv
from resources.kaltura.errors import ColumnMissing, Refused
from resources.kaltura.query import Query
from resources.kaltura.windows import Window
from resources.privacy.identity import identity
from resources.privacy.pseudonyms import (
    FULL,
    NOBODY,
    PSEUDONYM_PATTERN,
    PSEUDONYM_PREFIX,
    Mode,
    Privacy,
    is_pseudonym,
    one_spelling,
    withheld,
)
from resources.settings import CHECKOUT, SettingError, privacy_settings
from resources.table import UNKNOWN

KEY = "an invented key of the tests, long enough for them"
PSEUDONYMOUS, NONE = (Privacy(mode, KEY).of_account(4711) for mode in (Mode.PSEUDONYMOUS, Mode.NONE))
HEADER = ",".join([*ATTENDEES.table.required_columns, "nickname"])
REPLY = f"""{HEADER}
1_room,1_a,ada,Ada Example,ada@example.edu,User,10,0.5,lovely
1_room,1_b,ada,Ada Example,ada@example.edu,User,10,0.5,lovely
1_room,1_a,bob,Bob Example,bob@example.edu,User,10,0.5,lovely
1_room,1_a,,,,,10,0.5,
1_room,1_a,0,,,,10,0.5,
1_room,1_a,Unknown,,,,10,0.5,
1_room,1_a,Error,,,,10,0.5,
"""


def typed(people: object) -> pd.DataFrame:
    rows = csv.parse(csv.BOM + REPLY.encode(), ATTENDEES.source, "a reply")
    return normalize(rows, ATTENDEES, people)  # type: ignore[arg-type]


def test_a_pseudonym_is_an_hmac_of_account_and_id() -> None:
    said = b"4711\0person\0ada"
    assert PSEUDONYMOUS.pseudonym("ada") == "p_" + hmac.new(KEY.encode(), said, hashlib.sha256).hexdigest()[:32]
    assert is_pseudonym(PSEUDONYMOUS.pseudonym("ada"))


def test_another_account_or_key_gives_another_pseudonym() -> None:
    others = {Privacy(Mode.PSEUDONYMOUS, KEY).of_account(4712), Privacy(Mode.PSEUDONYMOUS, KEY + "!").of_account(4711)}
    assert len({each.pseudonym("ada") for each in (PSEUDONYMOUS, *others)}) == 3


def test_without_a_key_pseudonyms_are_drawn_and_never_twice_the_same() -> None:
    drawn = FULL.of_account(1).pseudonyms([f"ada.{number}" for number in range(100)])
    assert len(set(drawn)) == 100
    assert all(map(is_pseudonym, drawn))


@pytest.mark.parametrize("people", [PSEUDONYMOUS, NONE], ids=["pseudonymous", "none"])
def test_names_and_unknown_columns_that_were_sent_all_the_same_are_dropped(people: object) -> None:
    assert typed(people)[["user_name", "user_email", "extra"]].isna().all().all()


@pytest.mark.parametrize("people", [PSEUDONYMOUS, NONE], ids=["pseudonymous", "none"])
def test_people_whom_kaltura_does_not_know_stay_as_they_are(people: object) -> None:
    assert typed(people)["user_id"].tolist()[3:] == list(UNKNOWN)


def test_a_person_is_the_same_in_every_session_in_mode_pseudonymous() -> None:
    first, second, other = typed(PSEUDONYMOUS)["user_id"].tolist()[:3]
    assert first == second != other
    assert all(map(is_pseudonym, (first, other)))


def test_a_person_is_another_in_every_session_in_mode_none_and_the_same_in_all_reports_of_it() -> None:
    first, second, other = typed(NONE)["user_id"].tolist()[:3]
    assert len({first, second, other}) == 3
    line = "1_room,Room,,1_a,1777885200,1777888800,ada,3,0.5"
    body = csv.BOM + f"{','.join(ROOM_SESSIONS.table.required_columns)}\n{line}\n".encode()
    sessions = normalize(csv.parse(body, ROOM_SESSIONS.source, "a reply"), ROOM_SESSIONS, NONE)
    assert sessions["session_host_user_id"].tolist() == [first]


def test_in_mode_full_everything_stays() -> None:
    frame = typed(FULL.of_account(1))
    assert frame["user_id"].tolist()[:3] == ["ada", "ada", "bob"]
    assert frame["user_email"].notna().sum() == 3


def test_attendance_has_a_part_for_each_way_in_which_nobody_is_written() -> None:
    text = (CHECKOUT / "sql" / "views" / "11_attendance.sql").read_text("utf-8")
    parts = re.findall(r"'(\w*)' AS person_id\s+FROM visits\s+WHERE visits\.user_id = '(\w*)'", text)
    assert parts == [(each, each) for each in NOBODY]


def test_sql_knows_a_pseudonym_by_the_pattern_of_what_is_made() -> None:
    """It is written out in views and checks, as a plan can use it there; here it stands once."""
    files = sorted(path for path in (CHECKOUT / "sql").rglob("*.sql"))
    told = {
        (path.name, each)
        for path in files
        for each in re.findall(r"'(\^?p_[^'\n]*[\[{][^'\n]*)'", path.read_text("utf-8"))
    }
    assert len(told) > 5
    by_length = f"^{PSEUDONYM_PREFIX}[0-9a-f]+$"  # where it is asked of each row that is loaded
    assert {pattern for _, pattern in told} == {PSEUDONYM_PATTERN, by_length}
    lengths = [
        re.findall(r"length\([^\n]+\) = (\d+)\s+AND [^\n]+ ~ '" + re.escape(by_length), path.read_text("utf-8"))
        for path in files
    ]
    assert {each for found in lengths for each in found} == {str(len(PSEUDONYMOUS.pseudonym("ada")))}
    assert sum(map(len, lengths)) == sum(path.read_text("utf-8").count(by_length) for path in files)
    assert re.search(PSEUDONYM_PATTERN, PSEUDONYMOUS.pseudonym("ada"))
    assert re.search(PSEUDONYM_PATTERN, FULL.of_account(1).pseudonym("ada"))


def test_a_withheld_line_tells_its_length_alone() -> None:
    assert withheld("1_room,1_a,ada") == "withheld (14 characters)"


def test_the_key_is_in_no_representation() -> None:
    assert KEY not in repr(NONE)


# --- settings -----------------------------------------------------------------------------------------------------


def test_everything_is_kept_where_nothing_is_set() -> None:
    assert privacy_settings({}) == FULL


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"PII_MODE": "anonymous"}, "PII_MODE='anonymous' is none of full, pseudonymous, none"),
        ({"PII_MODE": "pseudonymous"}, "needs PII_KEY.*secrets.token_hex"),
        ({"PII_MODE": "none"}, "needs PII_KEY.*secrets.token_hex"),
        ({"RETENTION_DAYS": "30"}, "needs PII_KEY.*secrets.token_hex"),
        ({"PII_KEY": "too short"}, "shorter than 32 characters.*secrets.token_hex"),
        ({"PII_KEY": KEY, "RETENTION_DAYS": "a year"}, "RETENTION_DAYS"),
    ],
)
def test_settings_that_can_not_be_used_are_named_with_what_would_do(settings: dict[str, str], says: str) -> None:
    with pytest.raises(SettingError, match=says) as raised:
        privacy_settings(settings)
    assert settings.get("PII_KEY", KEY) not in str(raised.value)


# --- what an error tells ------------------------------------------------------------------------------------------


def test_an_id_of_a_person_that_can_not_be_sent_stands_in_no_message() -> None:
    people = next(filter_ for filter_ in ATTENDEES.source.filters if filter_.names_people)
    with pytest.raises(Refused, match="user_ids can't hold one of its ids") as raised:
        Query(ATTENDEES.source, Window.around(0, 0), {people: ["ada, of somewhere"]}).params()
    assert "ada" not in str(raised.value)


def test_a_row_in_the_place_of_the_header_stands_in_no_message() -> None:
    body = csv.BOM + b"1_room,1_a,ada,Ada Example,ada@example.edu,User,10,0.5\n"
    with pytest.raises(ColumnMissing, match="its first line is no header") as raised:
        csv.parse(body, ATTENDEES.source, "a reply")
    assert "ada@" not in str(raised.value)


@pytest.mark.parametrize("nobody", [each for each in NOBODY if identity(each) != each])
def test_minutes_of_nobody_are_not_those_of_a_person_whose_id_reads_like_it(nobody: str) -> None:
    ids = [nobody, nobody.lower(), nobody.upper(), nobody]
    sent = pd.DataFrame({"entry_id": "1_r", "cue_point_id": "a", "user_id": ids})
    person = nobody.lower()
    assert one_spelling(sent, ATTENDEES.table)["user_id"].tolist() == [nobody, person, person, nobody]
