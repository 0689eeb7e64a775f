"""A list's file: read as spreadsheets write it, or refused with lines and reasons, and nobody's data in the message."""

import csv
import datetime as dt
import io
import re
from collections.abc import Iterator
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from resources.privacy.identity import identity
from resources.privacy.pseudonyms import pseudonym_of
from resources.privacy.settings import Mode, Privacy
from resources.university import read as read_module
from resources.university.lists import COURSE_ROOMS, COURSES, ENROLMENTS, LISTS, TIMETABLE, UniversityList
from resources.university.read import SHOWN, Faults, ListRefused, read
from resources.university.validate import validated
from simulator import University, lists

BERLIN = ZoneInfo("Europe/Berlin")
KEY = "an invented key of the tests, long enough for them"
FULL = Privacy()
PSEUDONYMOUS, NONE = Privacy(Mode.PSEUDONYMOUS, KEY), Privacy(Mode.NONE, KEY)
SECRET = "ada.inventedson"  # pragma: allowlist secret

BY_NAME = {each.name: each for each in LISTS}


PIECES = {"as they are": (read_module.LINES_AT_ONCE, read_module._BLOCK_BYTES), "tiny": (2, 3)}


@pytest.fixture(scope="module", autouse=True, params=PIECES.values(), ids=PIECES)
def in_pieces(request: pytest.FixtureRequest) -> Iterator[None]:
    """In whatever pieces a file is read, the same is said of it."""
    with pytest.MonkeyPatch.context() as patched:
        for name, value in zip(("LINES_AT_ONCE", "_BLOCK_BYTES"), request.param, strict=True):
            patched.setattr(read_module, name, value)
        yield


def rows(
    folder: Path, wanted: UniversityList, content: str | bytes, privacy: Privacy = FULL, timezone: ZoneInfo = BERLIN
) -> list[dict]:
    path = folder / wanted.file_name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    frames = validated(path, wanted, 101, privacy, timezone).frames()
    return [row for frame in frames for row in frame.to_dict("records")]


ROOMS = "course_id,room_id\nc1,r1\nc2,räume\n"
AS_SPREADSHEETS_WRITE = {
    "as it is": ROOMS.encode(),
    "a mark in front": ROOMS.encode("utf-8-sig"),
    "semicolons": ROOMS.replace(",", ";").encode(),
    "tabs": ROOMS.replace(",", "\t").encode(),
    "CRLF": ROOMS.replace("\n", "\r\n").encode(),
    "CR alone": ROOMS.replace("\n", "\r").encode(),
    "everything at once": ROOMS.replace(",", ";").replace("\n", "\r\n").encode("utf-8-sig"),
    "a line that names the separator": b"sep=;\r\n" + ROOMS.replace(",", ";").replace("\n", "\r\n").encode(),
    "no line end at the end": ROOMS.rstrip("\n").encode(),
    "empty lines": ROOMS.replace("\n", "\n\n").encode() + b",\n\n",
    "quotes": b'"course_id","room_id"\n"c1","r1"\n"c2","r\xc3\xa4ume"\n',
    "blanks around": b" course_id , room_id \n c1 , r1 \n c2 , r\xc3\xa4ume \n",
    "capitals in the header": ROOMS.replace("course_id", "Course_ID").encode(),
    "columns without a name or values": b"course_id,room_id,,\nc1,r1,,\nc2,r\xc3\xa4ume,,\n",
    "another order": b"room_id,course_id\nr1,c1\nr\xc3\xa4ume,c2\n",
    "the account": b"account_id,course_id,room_id\n101,c1,r1\n,c2,r\xc3\xa4ume\n",
}


@pytest.mark.parametrize("content", AS_SPREADSHEETS_WRITE.values(), ids=AS_SPREADSHEETS_WRITE)
def test_what_spreadsheets_write_is_read_alike(content: bytes, tmp_path: Path) -> None:
    assert rows(tmp_path, COURSE_ROOMS, content) == [
        {"course_id": "c1", "room_id": "r1"},
        {"course_id": "c2", "room_id": "räume"},
    ]


_VALUES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)


@settings(deadline=None)
@given(
    written=st.lists(st.tuples(_VALUES, _VALUES), max_size=8),
    separator=st.sampled_from(",;\t"),
    line_end=st.sampled_from(["\n", "\r\n"]),
    mark=st.booleans(),
)
def test_whatever_a_csv_writer_quotes_comes_back(
    written: list[tuple[str, str]], separator: str, line_end: str, mark: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=separator, lineterminator=line_end, quoting=csv.QUOTE_ALL)
    writer.writerows([("course_id", "room_id"), *written])
    path = tmp_path_factory.mktemp("lists") / "course_rooms.csv"
    path.write_bytes(out.getvalue().encode("utf-8-sig" if mark else "utf-8"))
    pieces = list(read(path, COURSE_ROOMS.column_names, COURSE_ROOMS.required_columns, Faults()))
    got = [pair for lines in pieces for pair in zip(*lines.columns.values(), strict=True)]
    assert got == [(a.strip(), b.strip()) for a, b in written if a.strip() or b.strip()]
    ends = [sum(value.count("\n") + value.count("\r") - value.count("\r\n") for value in row) + 1 for row in written]
    starts = [2 + sum(ends[:number]) for number in range(len(written))]
    if not any("\r" in value for row in written for value in row):
        assert [number for lines in pieces for number in lines.numbers] == [
            start for start, (a, b) in zip(starts, written, strict=True) if a.strip() or b.strip()
        ]


REFUSED = {
    "UTF-16": (COURSE_ROOMS, ROOMS.encode("utf-16"), "UTF-16"),
    "UTF-16 without a mark": (COURSE_ROOMS, ROOMS.encode("utf-16-le"), "UTF-16"),
    "Latin-1": (COURSE_ROOMS, ROOMS.encode("latin-1"), "line 3 is not UTF-8: the file may be Latin-1"),
    "a NUL": (COURSE_ROOMS, b"course_id,room_id\nc1,r\0\n", "line 2 holds a NUL"),
    "nothing": (COURSE_ROOMS, b"", "lacks course_id, room_id"),
    "no header": (COURSE_ROOMS, f"{SECRET},r1\n".encode(), "lacks course_id, room_id"),
    "a column that is not known": (COURSE_ROOMS, b"course_id,room_id,nickname\nc1,r1,x\n", "line 1 has nickname"),
    "a column twice": (COURSE_ROOMS, b"course_id,room_id,room_id\nc1,r1,r1\n", "names a column twice"),
    "too few fields": (COURSE_ROOMS, b"course_id,room_id\nc1,r1\nc2\n", "line 3: has 1 fields"),
    "too many fields": (COURSE_ROOMS, b"course_id,room_id\nc1,r1,x\n", "line 2: has 3 fields"),
    "a quote without an end": (COURSE_ROOMS, b'course_id,room_id\nc1,"r1\n', "line 2: a quote"),
    "an id that is empty": (COURSE_ROOMS, b"course_id,room_id\nc1,\n", "line 2: room_id is empty"),
    "an id that is too long": (COURSE_ROOMS, b"course_id,room_id\nc1," + b"x" * 513, "line 2: room_id has more than 512"),
    "a row twice": (COURSE_ROOMS, b"course_id,room_id\nc1,r1\nc2,r1\nc1,r1\n", "line 4: has the same course_id, room_id"),
    "another account": (COURSE_ROOMS, b"account_id,course_id,room_id\n202,c1,r1\n", "line 2: account_id is not 101"),
    "a day as spreadsheets show it": (COURSES, b"course_id,starts_on\nc1,14.10.2026\n", "line 2: starts_on is not a day"),
    "a day that is none": (COURSES, b"course_id,starts_on\nc1,2026-02-30\n", "line 2: starts_on is not a day"),
    "an end before the start": (
        COURSES, b"course_id,starts_on,ends_on\nc1,2026-10-02,2026-10-01\n", "line 2: ends_on is before starts_on",
    ),
    "a share in percent": (COURSES, b"course_id,attendance_threshold\nc1,50\n", "is not a share from 0 to 1"),
    "a share that is no number": (COURSES, b"course_id,attendance_threshold\nc1,nan\n", "is not a share from 0 to 1"),
    "an end that is the start": (
        TIMETABLE,
        b"course_id,room_id,planned_start_at,planned_end_at\nc1,r1,2026-10-14 08:15,2026-10-14 08:15\n",
        "line 2: planned_end_at is not after planned_start_at",
    ),
    "a time that clocks leave out": (
        TIMETABLE,
        b"course_id,room_id,planned_start_at,planned_end_at\nc1,r1,2026-03-29 02:30,2026-03-29 04:00\n",
        "line 2: planned_start_at is not a time: write it as 2026-10-14 08:15, in Europe/Berlin",
    ),
    "a time before all years": (
        TIMETABLE,
        b"course_id,room_id,planned_start_at,planned_end_at\nc1,r1,0001-01-01 00:00,2026-10-14 08:15\n",
        "line 2: planned_start_at is not a time",
    ),
    "a time after all years": (
        TIMETABLE,
        b"course_id,room_id,planned_start_at,planned_end_at\nc1,r1,2026-10-14 08:15,9999-12-31T23:59:59-05:00\n",
        "line 2: planned_end_at is not a time",
    ),
    "a role that there is not": (ENROLMENTS, f"course_id,person_id,role\nc1,{SECRET},boss\n".encode(), "role is none of"),
    "nobody": (ENROLMENTS, b"course_id,person_id\nc1,\n", "line 2: names nobody"),
    "Kaltura's word for nobody": (ENROLMENTS, b"course_id,person_id\nc1,Unknown\n", "is what Kaltura writes for nobody"),
    "an e-mail that is none": (ENROLMENTS, f"course_id,person_email\nc1,{SECRET}\n".encode(), "is no e-mail address"),
    "somebody twice": (
        ENROLMENTS, f"course_id,person_id\nc1,{SECRET}\nc1,{SECRET}\n".encode(), "line 3: has the same course_id",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("wanted", "content", "says"), REFUSED.values(), ids=REFUSED)
def test_a_file_that_cannot_be_used_is_refused_by_line_and_reason_and_without_anybodys_data(
    wanted: UniversityList, content: bytes, says: str, tmp_path: Path
) -> None:
    with pytest.raises(ListRefused) as refused:
        rows(tmp_path, wanted, content)
    assert says in str(refused.value)
    assert str(refused.value).startswith(wanted.file_name)
    assert len(str(refused.value).splitlines()) == 1
    assert SECRET not in str(refused.value)


SPELLINGS = ["ann", "Ann", "ANN", "bo\u0308b", "b\u00f6b", "B\u00d6B", "a\u200bnn", "\u202aann\u202c", "cy"]


@settings(max_examples=20, deadline=None)
@given(
    lines=st.lists(
        st.tuples(
            st.sampled_from(["c1", "c2"]),
            st.sampled_from([*SPELLINGS, PSEUDONYMOUS.of_account(101).pseudonym("ann")]),
            st.sampled_from(["student", "teacher"]),
            st.sampled_from(["", "2026-10-01"]),
        ),
        min_size=1,
        max_size=6,
    ),
    privacy=st.sampled_from([FULL, PSEUDONYMOUS]),
)
def test_somebody_who_is_on_a_list_twice_under_two_spellings_of_the_id_is_refused_with_the_line(
    lines: list[tuple[str, str, str, str]], privacy: Privacy, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Stored under one pseudonym they would be one row, and whatever the other line says lost."""
    content = "course_id,person_id,role,from_date\n" + "".join(",".join(line) + "\n" for line in lines)
    people = privacy.of_account(101)
    known_as = identity if privacy.is_full else lambda each: pseudonym_of(people, each)
    keys = [(course, known_as(person), first) for course, person, _, first in lines]
    again = [number for number, key in enumerate(keys, 2) if key in keys[: number - 2]]
    try:
        stored = rows(tmp_path_factory.mktemp("lists"), ENROLMENTS, content, privacy)
    except ListRefused as refused:
        told = [int(number) for number in re.findall(r"line (\d+): has the same course_id, person_id", str(refused))]
        assert told == again[:SHOWN] != []
    else:
        assert again == []
        assert len(stored) == len(lines)


def test_of_many_faults_the_first_are_told_and_the_rest_counted(tmp_path: Path) -> None:
    with pytest.raises(ListRefused, match=r"line 2: .*line 6: room_id is empty; and 15 more\.$"):
        rows(tmp_path, COURSE_ROOMS, "course_id,room_id\n" + "c1,\n" * 20)


_CELLS = st.one_of(
    _VALUES,
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=600),
    st.dates().map(str),
    st.datetimes().map(lambda moment: moment.isoformat(" ", "seconds")),
    st.tuples(st.datetimes(), st.sampled_from(["Z", "+14:00", "-12", " +0530", "+23:59", "-99:99"])).map(
        lambda said: said[0].isoformat("T", "minutes") + said[1]
    ),
    st.sampled_from(
        [
            *("0001-01-01", "0001-01-01 00:00", "9999-12-31", "9999-12-31 23:59:59", "0000-00-00"),
            *("0,5", "1", "-1", "nan", "9" * 400, "\u0662"),
            *("student", "c1", "a@b.edu", "101", "Unknown", "\u0130@\u0130", "p_" + "0" * 32),
        ]
    ),
)


@settings(deadline=None)
@given(
    wanted=st.sampled_from(LISTS),
    data=st.data(),
    zone=st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Pacific/Kiritimati"]),
    privacy=st.sampled_from([FULL, PSEUDONYMOUS]),
)
def test_whatever_stands_in_a_column_a_list_is_read_or_refused_with_a_line(
    wanted: UniversityList, data: st.DataObject, zone: str, privacy: Privacy, tmp_path_factory: pytest.TempPathFactory
) -> None:
    names = ["account_id", *wanted.column_names]
    lines = data.draw(st.lists(st.tuples(*[_CELLS] * len(names)), min_size=1, max_size=4))
    out = io.StringIO(newline="")
    csv.writer(out, quoting=csv.QUOTE_ALL).writerows([names, *lines])
    folder = tmp_path_factory.mktemp("lists")
    try:
        read_as = rows(folder, wanted, out.getvalue(), privacy, ZoneInfo(zone))
    except ListRefused as refused:
        assert re.search(r": line \d+: ", str(refused))  # noqa: PT017 (whether it is refused, any text decides)
    else:
        assert len(read_as) <= len(lines)


@settings(deadline=None)
@given(
    where=st.sampled_from([(each, name) for each in LISTS for name in each.column_names]),
    cell=_CELLS,
    zone=st.sampled_from(["Europe/Berlin", "America/New_York"]),
)
@example(where=(TIMETABLE, "planned_start_at"), cell="0001-01-01 00:00", zone="Europe/Berlin")
@example(where=(TIMETABLE, "planned_end_at"), cell="9999-12-31 23:59:59", zone="America/New_York")
def test_whatever_stands_in_one_column_of_a_good_line_it_is_read_or_refused_with_its_line(
    where: tuple[UniversityList, str], cell: str, zone: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Beside cells that nobody refuses, so that this one alone decides."""
    good = {"course_id": "c1", "room_id": "r1", "person_id": "ann"}
    good |= {"planned_start_at": "2026-10-14 08:15", "planned_end_at": "2026-10-14 09:45"}
    wanted, name = where
    cells = {column: good.get(column, "") for column in wanted.column_names} | {name: cell}
    out = io.StringIO(newline="")
    csv.writer(out, quoting=csv.QUOTE_ALL).writerows([cells.keys(), cells.values()])
    try:
        read_as = rows(tmp_path_factory.mktemp("lists"), wanted, out.getvalue(), timezone=ZoneInfo(zone))
    except ListRefused as refused:
        assert ": line 2: " in str(refused)  # noqa: PT017
    else:
        assert all(set(row) == set(wanted.column_names) for row in read_as)
        assert len(read_as) == any(value.strip() for value in cells.values())  # a line of nothing is none


def test_what_is_left_out_takes_its_default(tmp_path: Path) -> None:
    [course] = rows(tmp_path, COURSES, "course_id\nc1\n")
    assert course["attendance_threshold"] == 0.5
    assert {course[name] for name in ("course_name", "department", "term", "starts_on", "ends_on")} == {None}
    [ada, bob] = rows(tmp_path, ENROLMENTS, f"course_id,person_id,role\nc1,{SECRET},\nc1,bob,Teacher\n")
    assert (ada["role"], bob["role"]) == ("student", "teacher")


@pytest.mark.parametrize(
    ("written", "utc"),
    [
        ("2026-10-14 08:15", "2026-10-14T06:15"),
        ("2026-12-14T08:15:30", "2026-12-14T07:15:30"),
        ("2026-10-14T08:15Z", "2026-10-14T08:15"),
        ("2026-10-14 08:15 -05:30", "2026-10-14T13:45"),
        ("2026-10-25 02:30", "2026-10-25T00:30"),  # comes twice: the first
    ],
)
def test_a_time_without_an_offset_is_local(written: str, utc: str, tmp_path: Path) -> None:
    header = "course_id,room_id,planned_start_at,planned_end_at\n"
    [row] = rows(tmp_path, TIMETABLE, f"{header}c1,r1,{written},2027-01-01 00:00\n")
    assert row["planned_start_at"] == dt.datetime.fromisoformat(utc).replace(tzinfo=dt.UTC)


def test_decimal_commas_are_read(tmp_path: Path) -> None:
    shares = rows(tmp_path, COURSES, "course_id;attendance_threshold\nc1;0,75\nc2;1\nc3;0\n")
    assert [row["attendance_threshold"] for row in shares] == [0.75, 1, 0]


def test_emails_are_for_mode_full_alone_and_mode_none_takes_no_enrolments(tmp_path: Path) -> None:
    emails = "course_id,person_id,person_email\nc1,bob,\nc1,,Ada@example.edu\n"
    assert [row["person_email"] for row in rows(tmp_path, ENROLMENTS, emails)] == [None, "ada@example.edu"]
    with pytest.raises(ListRefused, match="line 3: person_email is kept in PII_MODE=full alone"):
        rows(tmp_path, ENROLMENTS, emails, PSEUDONYMOUS)
    with pytest.raises(ListRefused, match="with PII_MODE=none people have another pseudonym in each session"):
        rows(tmp_path, ENROLMENTS, "course_id,person_id\nc1,bob\n", NONE)
    assert rows(tmp_path, COURSE_ROOMS, ROOMS, NONE) != []


@given(first=st.dates(dt.date(2015, 1, 1), dt.date(2040, 1, 1)), days=st.integers(0, 3))
@settings(max_examples=5, deadline=None)
def test_the_invented_university_keeps_lists_that_can_be_loaded_and_agree_with_each_other(
    first: dt.date, days: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("lists")
    written = lists(University(seed=11, timezone="UTC", rooms=6), first, first + dt.timedelta(days=days))
    got = {name: rows(folder, BY_NAME[name], text) for name, text in written.items()}
    assert all(got.values())
    courses = {row["course_id"] for row in got["courses"]}
    assert all(
        {row["course_id"] for row in got[name]} <= courses for name in ("course_rooms", "enrolments", "timetable")
    )
