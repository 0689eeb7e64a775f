"""What the stand-in answers to requests that are not as they should be: one table of cases, over real HTTP."""

from collections.abc import Iterator

import httpx
import pytest

from simulator import ListedWorld, Running, serving
from tests.integration.test_simulator import ADA, BO, HOUR, LATER, LECTURE, NOON, REPORT, Caller, stay

EMPTY = "an empty report"
INTERNAL = "INTERNAL_SERVERL_ERROR"
CHARACTER = "INVALID_PARAMETER_CHAR"
BOTH = "Ada, Bo"
FROM, TO = f"from_date={NOON}", f"to_date={NOON + HOUR}"
DATES = f"{FROM};{TO}"

# The params of report 6001, and what is answered.
PARAMS = {
    "both dates": (DATES, BOTH),
    "no params at all": ("", INTERNAL),
    "no from_date": (TO, INTERNAL),
    "no to_date": (FROM, INTERNAL),
    "empty from_date": (f"from_date=;{TO}", INTERNAL),
    "empty to_date": (f"{FROM};to_date=", INTERNAL),
    "a day for a date": (f"from_date=2024-08-01;{TO}", INTERNAL),
    "a word for a date": (f"{FROM};to_date=now", INTERNAL),
    "the end before the start": (f"from_date={LATER};to_date={NOON}", EMPTY),
    "the end at the start": (f"{FROM};to_date={NOON}", EMPTY),
    "from the very beginning": (f"from_date=0;{TO}", EMPTY),
    "the other report's spelling of dates": (f"fromDate={NOON};toDate={NOON + HOUR}", INTERNAL),
    "limit=0": (f"{DATES};limit=0", EMPTY),
    "limit=1": (f"{DATES};limit=1", "Ada"),
    "limit=9": (f"{DATES};limit=9", BOTH),
    "an empty limit": (f"{DATES};limit=", INTERNAL),
    "a key without = after a date": (f"{FROM};x;{TO}", INTERNAL),
    "a key without = after the last date": (f"{DATES};x", INTERNAL),
    "a key without = after a filter": (f"{DATES};user_ids=00123;x", BOTH),
    "a key without = at the beginning": (f"x;{DATES}", BOTH),
    "a key that is not known": (f"{DATES};x=1", BOTH),
    "a filter that is misspelt": (f"{DATES};user_id=00123", BOTH),
    "a filter of another report": (f"{DATES};parentEntryIds=1_nobody", BOTH),
    "a filter": (f"{DATES};user_ids=00123", "Bo"),
    "a filter in another case": (f"{DATES};user_ids=ADA.Example", "Ada"),
    "a value with an = in it": (f"{DATES};user_ids=00123=", EMPTY),
    "the last of two equal keys": (f"{DATES};user_ids=nobody;user_ids=00123", "Bo"),
    "blanks around pieces": (f" {FROM} ; {TO} ", BOTH),
    "a NUL": (f"{DATES};user_ids=a\0", CHARACTER),
    "a line feed": (f"{FROM};\n{TO}", CHARACTER),
    "a tab": (f"{DATES};user_ids=a\tb", CHARACTER),
    "an escape": (f"{DATES};user_ids=\x1b[0m", CHARACTER),
}

# The fields beside ks, format and params; None takes one away.
FIELDS: dict[str, tuple[dict[str, str | None], str]] = {
    "no id": ({"id": None}, INTERNAL),
    "no params": ({"params": None}, INTERNAL),
    "an id that is no number": ({"id": "all"}, "header REPORT_NOT_FOUND"),
    "an id of no report": ({"id": "6003"}, "header REPORT_NOT_FOUND"),
    "no ks": ({"ks": None}, "MISSING_KS"),
    "an empty ks": ({"ks": ""}, "MISSING_KS"),
    "a ks of nobody": ({"ks": "no-such-ks"}, "INVALID_KS"),
}
LEFT_OUT = {
    "": set(),
    "user_name": {"user_name"},
    "user_name,user_email": {"user_name", "user_email"},
    "USER_NAME": set(),
    "user_nam": set(),
    "user_name, user_email": {"user_name"},
    "no_such_column": set(),
}


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    views = [stay(ADA, NOON, NOON + HOUR), stay(BO, NOON, NOON + 600)]
    with serving(ListedWorld([LECTURE], (), views), now=LATER) as running:
        yield running


@pytest.fixture(scope="module")
def caller(server: Running) -> Caller:
    return Caller(server)


def said(reply: httpx.Response) -> str:
    """The answer in a word: an error's code, an empty report, or whose rows came."""
    assert reply.status_code == 200
    if reply.headers.get("x-kaltura"):
        assert reply.content == b""
        return reply.headers["x-kaltura"].replace("error- ", "header ")
    if reply.headers["content-type"].startswith("application/json"):
        return str(reply.json()["code"])
    if reply.content == b"\xef\xbb\xbf\n":
        return EMPTY
    return ", ".join(line.split(",")[3].split()[0] for line in reply.text.splitlines()[1:])


@pytest.mark.parametrize("case", PARAMS)
def test_params_are_read_as_kaltura_reads_them(caller: Caller, case: str) -> None:
    params, answer = PARAMS[case]
    assert said(caller.ask(6001, params)) == answer


@pytest.mark.parametrize("case", FIELDS)
def test_a_field_that_is_missing_or_wrong_is_answered_as_by_kaltura(caller: Caller, case: str) -> None:
    changed, answer = FIELDS[case]
    fields = {"ks": caller.ks, "format": "1", "id": "6001", "params": DATES} | changed
    given = {name: value for name, value in fields.items() if value is not None}
    assert said(caller.http.post(REPORT, data=given)) == answer


@pytest.mark.parametrize(
    ("path", "query", "body", "answer"),
    [
        ("00123", None, "nobody", "Bo"),
        (None, "00123", "nobody", "Bo"),
        ("nobody", "00123", "nobody", "Bo"),
        (None, None, "00123", "Bo"),
    ],
    ids=["path over body", "query over body", "query over path", "body alone"],
)
def test_what_stands_in_the_url_overrides_the_body(
    caller: Caller, path: str | None, query: str | None, body: str, answer: str
) -> None:
    def of(user: str) -> str:
        return f"{DATES};user_ids={user}"

    address = REPORT + (f"/params/{of(path)}" if path else "")
    fields = {"ks": caller.ks, "format": "1", "id": "6001", "params": of(body)}
    reply = caller.http.post(address, params={"params": of(query)} if query else None, data=fields)
    assert said(reply) == answer


@pytest.mark.parametrize("excluded", LEFT_OUT)
def test_columns_are_left_out_by_their_exact_names(caller: Caller, excluded: str) -> None:
    header = caller.ask(6001, DATES, excludedFields=excluded).content.decode("utf-8-sig").split("\n")[0].split(",")
    everything = caller.ask(6001, DATES).content.decode("utf-8-sig").split("\n")[0].split(",")
    assert set(everything) - set(header) == LEFT_OUT[excluded]


def test_an_error_without_arguments_has_an_empty_list_of_them(caller: Caller) -> None:
    document = caller.ask(6001, TO).json()
    assert document["args"] == []
    assert document["objectType"] == "KalturaAPIException"


def test_an_error_is_xml_without_the_format(caller: Caller) -> None:
    reply = caller.http.post(REPORT, data={"ks": caller.ks, "id": "6001", "params": TO})
    assert f"<code>{INTERNAL}</code>" in reply.text
