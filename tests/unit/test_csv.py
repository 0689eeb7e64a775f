"""Kaltura's CSV, rule by rule (docs/kaltura-api.md section 3), and a parser that loses no line of anything."""

import dataclasses

import pytest
from depth import examples, in_time
from hypothesis import example, given, settings
from hypothesis import strategies as st

from assets.attendees import ATTENDEES
from assets.breakout_sessions import BREAKOUT_SESSIONS
from assets.report import Report
from assets.room_sessions import ROOM_SESSIONS
from resources.kaltura.csv import BOM, Rows, parse
from resources.kaltura.errors import BadReply, ColumnMissing, KalturaError
from resources.kaltura.query import Filter, Source
from resources.kaltura.quotes import Quotes
from resources.table import Kind

SOURCE = Source(
    report_id=6001,
    columns=("id", "name", "minutes"),
    personal_columns=("name",),
    one_line=frozenset({"id", "minutes"}),
    split_by=Filter("ids", "id"),
    filters=(),
)
HEADER = "id,name,minutes"


def read(text: str | bytes, header: str = HEADER, source: Source = SOURCE) -> Rows:
    lines = text if isinstance(text, bytes) else text.encode()
    return parse(BOM + header.encode() + b"\n" + lines, source, "report 6001")


def names(text: str | bytes) -> list[str]:
    rows = read(text)
    assert not rows.rejects
    return rows.frame["name"].tolist()


@pytest.mark.parametrize("body", [BOM + b"\n", BOM + HEADER.encode() + b"\n", BOM + HEADER.encode()])
def test_an_empty_report_is_a_bom_with_or_without_a_header(body: bytes) -> None:
    rows = parse(body, SOURCE, "report 6001")
    assert (rows.received, rows.line_count, list(rows.frame)) == (0, 0, ["id", "name", "minutes"])


def test_columns_are_read_by_name_in_any_order_and_extra_ones_are_kept() -> None:
    rows = read("5,new,Ann,1_a\n", header="minutes,future,name,id")
    assert rows.frame.to_dict("records") == [{"minutes": "5", "future": "new", "name": "Ann", "id": "1_a"}]


def test_a_missing_column_is_an_error_that_names_it() -> None:
    with pytest.raises(ColumnMissing, match=r"no column name, minutes; it has id"):
        read("", header="id,other")


def test_a_column_that_the_server_was_told_to_leave_out_is_not_missed() -> None:
    rows = parse(BOM + b"id,minutes\n1_a,5\n", SOURCE, "report 6001", left_out=("name",))
    assert rows.frame.to_dict("records") == [{"id": "1_a", "minutes": "5"}]


def test_a_column_that_comes_twice_is_an_error() -> None:
    with pytest.raises(BadReply, match="minutes twice"):
        read("", header="id,name,minutes,minutes")


def test_rows_under_an_empty_header_are_an_error() -> None:
    with pytest.raises(BadReply, match="empty header"):
        parse(BOM + b"\n1_a,Ann,5\n", SOURCE, "report 6001")


@pytest.mark.parametrize(
    "name",
    ["", "NA", "null", "None", "nan", "00123", "1e5", "True", "=cmd()", "+1", "-1", "@x", "#x", " blanks ", "\t"],
)
def test_every_value_is_the_text_that_was_sent(name: str) -> None:
    assert names(f"1_a,{name},5\n") == [name]


@pytest.mark.parametrize("name", ['"Quill', 'Quill"', 'Q"ill', '"', '"""', '"a"b"', "'", '5" disk'])
def test_a_lone_quote_belongs_to_the_name_and_swallows_no_row(name: str) -> None:
    assert names(f"1_a,{name},5\n1_b,Bo,6\n") == [name, "Bo"]


@pytest.mark.parametrize(
    ("sent", "name"), [('"Ann"', "Ann"), ('"Ann ""A"" Lee"', 'Ann "A" Lee'), ('""', ""), ('"two\nlines"', "two\nlines")]
)
def test_a_value_wrapped_in_quotes_is_unwrapped_and_its_doubled_quotes_halved(sent: str, name: str) -> None:
    assert names(f'1_a,{sent},5\n1_b,"Bo",6\n1_c,"Cy",6\n1_d,"Di",6\n') == [name, "Bo", "Cy", "Di"]


@pytest.mark.parametrize(
    ("sent", "found"),
    [
        (['"Quill"', "Bo", "Cy"], ['"Quill"', "Bo", "Cy"]),
        (['"Quill"', '"', '"Cy"'], ['"Quill"', '"', '"Cy"']),
        (['"Quill"', '"Bo" and "Al"', '"Cy"'], ['"Quill"', '"Bo" and "Al"', '"Cy"']),
        (['""', "Bo", "Cy"], ['""', "Bo", "Cy"]),
        (['"""Quill"""', '"Bo"'], ['"Quill"', "Bo"]),
        (['"Quill"', "", '"Bo"', '"Cy"'], ["Quill", "", "Bo", "Cy"]),
        (['"Quill"', '""', '"Bo"'], ["Quill", "", "Bo"]),
        (["", ""], ["", ""]),
    ],
)
def test_quotes_are_the_servers_where_each_value_of_the_column_is_wrapped_and_else_a_persons(
    sent: list[str], found: list[str]
) -> None:
    assert names("".join(f"1_{nth},{name},5\n" for nth, name in enumerate(sent))) == found


@pytest.mark.parametrize("sent", [['"Lab"'], ['"Lab"', '"Lab"', '"Lab"'], ['"Lab"', '"Hall"'], ['"Lab"', ""]])
def test_of_few_names_quotes_are_what_people_typed(sent: list[str]) -> None:
    """Of so few, all may have typed some."""
    assert names("".join(f"1_{nth},{name},5\n" for nth, name in enumerate(sent))) == sent


@pytest.mark.parametrize(
    ("sent", "emails"),
    [
        (['"ada@x.edu"'], ["ada@x.edu"]),
        (['"ada@x.edu"', ""], ["ada@x.edu", ""]),
        (['"ada@x.edu"', '"Bob+1@Y.edu"'], ["ada@x.edu", "Bob+1@Y.edu"]),
        (['"ada@x.edu"', '"guest.7"'], ["ada@x.edu", "guest.7"]),
        (['"ada@x.edu"', "guest.7"], ['"ada@x.edu"', "guest.7"]),
        (['"Ada"'], ['"Ada"']),
        (['"Ada @ home"'], ['"Ada @ home"']),
        (['"@ada"'], ['"@ada"']),
        (['"ada l"@x.edu'], ['"ada l"@x.edu']),
    ],
)
def test_an_address_loses_the_servers_quotes_however_few_there_are(sent: list[str], emails: list[str]) -> None:
    """Erasures and the university's lists know it without them."""
    source, names = ATTENDEES.source, ATTENDEES.table.column_names
    lines = [
        ",".join({"user_id": str(n), "user_email": each}.get(name, "1") for name in names)
        for n, each in enumerate(sent)
    ]
    rows = parse(BOM + "\n".join([",".join(names), *lines, ""]).encode(), source, "report 6001")
    assert rows.frame["user_email"].tolist() == emails


def test_ids_and_figures_lose_their_quotes_however_few_they_are() -> None:
    assert read('"1_a",Ann,"5"\n').frame.to_dict("records") == [{"id": "1_a", "name": "Ann", "minutes": "5"}]


WRAPPED, TYPED = [f'"{name}"' for name in "abcd"], ['"a"', "b", "c", "d"]


@pytest.mark.parametrize(
    ("replies", "last"),
    [
        ([WRAPPED, ['"Lab"']], ["Lab"]),
        ([TYPED, ['"Lab"']], ['"Lab"']),
        ([TYPED, ['"x"', '"y"', '"z"']], ['"x"', '"y"', '"z"']),
        ([['"x"', '"y"', '"z"'], TYPED, ['"Lab"']], ['"Lab"']),
        ([WRAPPED, ['"Lab"', "Hall"]], ['"Lab"', "Hall"]),
    ],
)
def test_the_reply_with_the_most_names_tells_whose_quotes_those_of_smaller_ones_are(
    replies: list[list[str]], last: list[str]
) -> None:
    quotes = Quotes()
    for sent in replies:
        body = "".join(f"1_{nth},{name},5\n" for nth, name in enumerate(sent))
        rows = parse(BOM + f"{HEADER}\n{body}".encode(), SOURCE, "report 6001", quotes=quotes)
    assert rows.frame["name"].tolist() == last
    other = dataclasses.replace(SOURCE, report_id=6000)
    rows = parse(BOM + f'{HEADER}\n1_a,"Lab",5\n'.encode(), other, "report 6000", quotes=quotes)
    assert rows.frame["name"].tolist() == ['"Lab"']


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c", "\x1e", "\r"])
def test_only_lf_ends_a_row(separator: str) -> None:
    assert names(f"1_a,one{separator}two,5\n1_b,Bo,6\n") == [f"one{separator}two", "Bo"]


def test_crlf_ends_rows_where_it_ends_the_header() -> None:
    rows = parse(BOM + b"id,name,minutes\r\n1_a,Ann,5\r\n", SOURCE, "report 6001")
    assert rows.frame.to_dict("records") == [{"id": "1_a", "name": "Ann", "minutes": "5"}]


@pytest.mark.parametrize("name", ["a\nb", "\na", "a\n", "\n", "a\n\nb", "x\n\\.\ny", "a\nb\nc"])
def test_a_row_broken_by_newlines_in_a_name_is_made_whole_and_so_are_its_neighbours(name: str) -> None:
    assert names(f"1_a,Al,4\n1_b,{name},5\n1_c,{name},6\n1_d,Di,7\n") == ["Al", name, name, "Di"]


def test_an_old_phones_private_use_emoji_stays_what_it_is_beside_a_name_with_a_newline() -> None:
    assert names("1_a,\ue000\ue00a,5\n1_b,two\nlines,6\n") == ["\ue000\ue00a", "two\nlines"]


def test_a_newline_in_a_last_column_that_people_type_belongs_to_the_row_before() -> None:
    rows = read("1_a,5,one\ntwo\n1_b,6,Bo\n", header="id,minutes,name")
    assert rows.frame["name"].tolist() == ["one\ntwo", "Bo"]


def test_a_newline_in_a_first_column_that_people_type_belongs_to_the_row_after() -> None:
    rows = read("one\ntwo,1_a,5\nBo,1_b,6\n", header="name,id,minutes")
    assert rows.frame["name"].tolist() == ["one\ntwo", "Bo"]


@pytest.mark.parametrize("report", [ROOM_SESSIONS, ATTENDEES, BREAKOUT_SESSIONS], ids=lambda report: report.table.name)
def test_a_newline_in_a_last_column_that_nobody_declared_belongs_to_the_row_before(report: Report) -> None:
    header = [*report.source.columns, "title"]
    rows = read(
        "\n".join([",".join([*map(str, range(len(header) - 1)), title]) for title in ("ti\ntle", "good")]) + "\n",
        header=",".join(header),
        source=report.source,
    )
    assert rows.frame["title"].tolist() == ["ti\ntle", "good"]
    assert rows.frame[header[0]].tolist() == ["0", "0"]


def test_a_line_that_makes_no_row_is_set_aside_and_its_neighbours_are_kept() -> None:
    rows = read("1_a,Ann,5\n1_x,Xi\n1_b,Bo,6\n1_y,a,b,c\njunk\n1_c,Cy,7\n")
    assert rows.frame["name"].tolist() == ["Ann", "Bo", "Cy"]
    assert [(reject.raw, reject.reason) for reject in rows.rejects] == [
        ("1_x,Xi", "the line has 2 of 3 fields"),
        ("1_y,a,b,c", "the line has 4 of 3 fields"),
        ("junk", "the line has 1 of 3 fields"),
    ]


def test_bytes_that_postgres_can_not_hold_become_replacement_characters() -> None:
    assert names(b"1_a,N\0ul,5\n1_b,\xff\xc3,6\n") == ["N\ufffdul", "\ufffd\ufffd"]
    assert list(read("", header="id,name,minutes,n\0ul").frame)[-1] == "n\ufffdul"


def test_the_cap_is_compared_with_lines_so_that_a_cut_reply_never_passes_for_a_whole_one() -> None:
    rows = read("1_a,one\ntwo,5\n1_b,Bo,6\n")
    assert (rows.line_count, rows.received) == (3, 2)


_pieces = st.sampled_from(
    [b"\n", b"\n", b",", b",", b",", b'"', b'""', b"\r", b"\r\n", b"\0", b"\xff", b"\xe2\x80\xa8", b"\xee\x80\x80",
     b"a", b"1_a,Ann,5\n", b"1_b,two\nlines,6\n", b'1_c,"Qu\n""il""l",7\n', b" ", b"\\.", "\ufeff".encode()]
)  # fmt: skip
_bodies = st.lists(_pieces, max_size=30).map(b"".join) | st.binary(max_size=80)
_headers = st.sampled_from(["id,name,minutes", "name,id,minutes", "minutes,id,name", "id,minutes,name,future"])


def lines_of(rows: Rows) -> int:
    """How many lines the rows and rejects are made of: a row is one, and one more for each newline in its values."""
    in_rows = sum(1 + sum(value.count("\n") for value in row) for row in rows.frame.itertuples(index=False))
    return in_rows + len(rows.rejects)


@pytest.mark.larger
@settings(max_examples=examples(150), deadline=None)
@given(_bodies, _headers)
@example(b"1_a,\xee\x80\x8a,5\n1_b,two\nlines,6\n", HEADER)
@example(b"\n\n,,\n", HEADER)
@example(b'"\n",,5\n', HEADER)
@in_time
def test_every_line_of_anything_is_in_exactly_one_row_or_reject(body: bytes, header: str) -> None:
    rows = read(body, header=header)
    ended = body if not body or body.endswith(b"\n") else body + b"\n"
    assert rows.line_count == ended.count(b"\n")
    assert lines_of(rows) == rows.line_count
    assert all("\0" not in value for row in rows.frame.itertuples(index=False) for value in row)


@pytest.mark.larger
@settings(max_examples=examples(80), deadline=None)
@given(st.binary(max_size=120), st.sampled_from([ROOM_SESSIONS, ATTENDEES, BREAKOUT_SESSIONS]))
@example(b"", ATTENDEES)
@example(b"\n", ATTENDEES)
@example(b"\xff,\n", ATTENDEES)
@in_time
def test_any_bytes_at_all_are_an_empty_report_or_a_typed_error(body: bytes, report: Report) -> None:
    try:
        rows = parse(BOM + body, report.source, "a report")
    except KalturaError:
        return
    assert rows.received == 0


_texts = st.text(st.characters(exclude_characters=",\0", exclude_categories=["Cs"]), max_size=12)


@pytest.mark.larger
@settings(max_examples=examples(80), deadline=None)
@given(st.lists(st.tuples(_texts.map(lambda text: text.replace("\n", "")), _texts), max_size=8))
@in_time
def test_whatever_people_call_themselves_each_row_comes_back_as_it_was_sent(people: list[tuple[str, str]]) -> None:
    people = [(user, name) for user, name in people if not (len(name) > 1 and name[0] == name[-1] == '"')]
    people = [(user, name) for user, name in people if not (len(user) > 1 and user[0] == user[-1] == '"')]
    rows = read("".join(f"{user},{name},5\n" for user, name in people))
    assert not rows.rejects
    assert list(rows.frame[["id", "name"]].itertuples(index=False, name=None)) == people


_broken_texts = st.text(st.sampled_from("ab\n\r"), max_size=5)


@st.composite
def _moved(draw: st.DrawFn) -> tuple[Report, list[str], list[dict[str, str]]]:
    """A report with columns in any order, some of them unknown, and rows that line ends break wherever they may."""
    report = draw(st.sampled_from([ROOM_SESSIONS, ATTENDEES, BREAKOUT_SESSIONS]))
    known = [column for column in report.table.columns if column.name not in report.table.key]
    typed = {column.name for column in known if column.kind is Kind.TEXT and not column.name.endswith("_id")}
    unknown = ["title", "mood"][: draw(st.integers(0, 2))]
    header = draw(st.permutations([*report.source.columns, *unknown]))
    broken = {*typed, *unknown}
    if header[-1] in broken:  # a piece without a comma belongs to the row before it then
        broken -= {header[0]}
    values = {name: _broken_texts if name in broken else st.just("1_a") for name in header}
    return report, list(header), draw(st.lists(st.fixed_dictionaries(values), min_size=1, max_size=6))


@pytest.mark.larger
@settings(max_examples=examples(150), deadline=None)
@given(_moved())
@in_time
def test_rows_that_line_ends_break_come_back_as_they_were_sent_in_whatever_order_and_company_of_columns(
    moved: tuple[Report, list[str], list[dict[str, str]]],
) -> None:
    report, header, sent = moved
    lines = "".join(",".join(row[name] for name in header) + "\n" for row in sent)
    rows = read(lines, header=",".join(header), source=report.source)
    assert not rows.rejects
    assert rows.frame.to_dict("records") == sent


@pytest.mark.parametrize("report", [ROOM_SESSIONS, ATTENDEES, BREAKOUT_SESSIONS], ids=lambda report: report.table.name)
def test_a_stray_line_is_no_part_of_an_id(report: Report) -> None:
    ids = [column.name for column in report.table.columns if column.name.endswith("_id")]
    figure = next(name for name in report.source.columns[::-1] if name in report.source.one_line)
    for first in ids:
        rest = [name for name in report.source.columns if name not in (first, figure)]
        row = ",".join(map(str, range(len(rest) + 2)))
        rows = read(f"{row}\nstray\n{row}\n", header=",".join([first, *rest, figure]), source=report.source)
        assert rows.frame[first].tolist() == ["0", "0"]
        assert [reject.raw for reject in rows.rejects] == ["stray"]


AS_CAME = ["\ufeff1_r,1_c,u,n,e,t,1,0", '"1_r",1_c,u,"n ""x""",e,t,10,0', "", "1_r,1_c,u,two\nlines,e,t,1,0", "a,b"]


def test_every_line_can_be_had_as_it_came_whatever_became_of_its_values() -> None:
    header = ",".join(ATTENDEES.source.columns)
    for lines in (AS_CAME[:2], AS_CAME[:3], AS_CAME):
        rows = parse(BOM + "\n".join([header, *lines, ""]).encode(), ATTENDEES.source, "a report")
        assert sorted(rows.as_came(place) for place in range(rows.received)) == sorted(lines)
        assert rows.frame["entry_id"][0] == "\ufeff1_r"
