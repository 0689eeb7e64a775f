"""A room's name or a server's message is text in every channel: no link, picture, mention, markup, or line of its own."""

import datetime as dt
import io
import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from io import StringIO
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
from rich.console import Console
from rich.progress import Progress, SpinnerColumn
from rich.table import Table

from assets.checks.checks import _metadata as metadata_of
from assets.checks.query import CheckResult
from assets.room_report.figures import Band, Day, Figures, Room, Week
from assets.room_report.page import page
from pipelines.command_line import Stopped
from pipelines.commands.doctor import show
from pipelines.first_look import _courses_table, _rooms_table
from pipelines.sensors.channels import Mailbox, as_chat_text, channels
from pipelines.sensors.channels import _card as card_of
from pipelines.terminal import as_text, spinner
from resources.kaltura.doctor.probe import Finding
from resources.kaltura.errors import BadReply
from resources.runtime.printable import METADATA_CHARACTERS, escape_what_encodings_lack
from resources.settings import SettingError

# The one table: a name is added here, and every channel below has to show it as text.
HOSTILE = {
    "a link": "[sign in](https://evil.example/login)",
    "a bare link": "see https://evil.example or www.evil.example",
    "a picture": "![](https://evil.example/pixel.png)",
    "Slack's link": "<https://evil.example|the warehouse>",
    "Slack's mention": "<!channel> <@U123>",
    "a mention": "@channel @all @here",
    "markup": "<b>bold</b> & <script>alert(1)</script>",
    "the end of a tag": "</th></table></main><iframe src=https://evil.example>",
    "the end of an attribute": '" onmouseover="alert(1)" x=\'',
    "a picture of a page": "<img src=x onerror=alert(1)>",
    "an entity": "&lt;b&gt; &#60;script&#62;",
    "a template": "{{ 7 * 7 }}{% raw %}",
    "rich's markup": "[bold red]all is well[/] [link=https://evil.example]here[/link]",
    "an end of rich's markup": "[/bold] \\[",
    "emphasis": "*bold* _it_ ~gone~ `code`",
    "a block of markdown": "```\n# A heading\n- [x] done",
    "a terminal's command": "\x1b]0;owned\x07\x9b2J",
    "a terminal's link": "\x1b]8;;https://evil.example\x1b\\here\x1b]8;;\x1b\\",
    "a line of its own": "all is well\nALERT: none\r",
    "a line by another name": "all is well\u2028ALERT: none\x85\x0b",
    "the end of a head": "all is well\r\nBcc: somebody@evil.example\r\n\r\n",
    "right to left": "\u202egnp.exe",
    "an isolate": "\u2067\u2066x",
    "a formula": '=HYPERLINK("https://evil.example")',
    "very long": "room " * 5000,
}
CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


@pytest.mark.parametrize("name", HOSTILE)
def test_a_chat_shows_text(name: str) -> None:
    shown = as_chat_text(f"few_rejects of attendees: {HOSTILE[name]}")
    assert shown.replace("\u2060", "").isprintable()
    assert not re.search(r"://|www\.|\]\(|!\[|(?<!\w)@\w|<|(?<!\w)[*_~`][^\s\u2060]", shown)
    assert not set(shown) & set("\n\r\x1b\x07\x9b\u202e")
    assert shown.startswith("few_rejects of attendees: ")


@pytest.mark.parametrize("name", HOSTILE)
def test_teams_gets_runs_of_text_alone(name: str) -> None:
    card = card_of("headline", [HOSTILE[name]])
    body = card["attachments"][0]["content"]["body"]
    assert {inline["type"] for block in body for inline in block["inlines"]} == {"TextRun"}
    assert all(inline["text"].isprintable() for block in body for inline in block["inlines"])
    assert {block["type"] for block in body} == {"RichTextBlock"}


@pytest.mark.parametrize("which", ["from", "to"])
@pytest.mark.parametrize("end", ["%0a", "%0d%0a", "%00"])
def test_a_line_end_in_an_address_is_an_error_of_the_setting_that_does_not_show_it(which: str, end: str) -> None:
    given = {"from": "a@x.example", "to": "b@x.example"}
    given[which] += f"{end}Bcc: c@x.example"
    url = "smtps://user:password@host/?" + "&".join(f"{name}={value}" for name, value in given.items())
    with pytest.raises(SettingError, match="control character") as raised:
        channels({"ALERT_SMTP_URL": url})
    assert "password" not in str(raised.value)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_mail_has_one_subject_and_no_line_of_a_strangers(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = []

    class Server:
        def __enter__(self) -> "Server":
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def send_message(self, message: object) -> None:
            sent.append(message)

    monkeypatch.setattr(Mailbox, "_connection", lambda self: Server())
    Mailbox("host", 25, False, False, "", "", "a@x.example", ("b@x.example",)).send(HOSTILE[name], [HOSTILE[name]])
    [message] = sent
    assert message.keys() == ["Subject", "From", "To", "Content-Type", "Content-Transfer-Encoding", "MIME-Version"]
    assert message.get_content_type() == "text/plain"
    assert len(message.get_content().strip().split("\n")) == 1
    assert not CONTROLS.search(message["Subject"] + message.get_content().strip())


def printed(something: object) -> str:
    """What a terminal is sent, colours and links included."""
    console = Console(file=StringIO(), force_terminal=True, width=40_000, legacy_windows=False)
    console.print(something, soft_wrap=True, highlight=False)
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


def commands_in(text: str) -> set[str]:
    """The escape sequences, and every other character that shows nothing."""
    return set(re.findall(r"\x1b\[[0-9;]*m|\x1b.|[^\x1b\n\x20-\x7e\u00a0-\u2027\u202f-\u2065\u2070-\uffff]", text))


FIGURES = {"sessions": 1, "people": 1, "hours": 1.0, "engagement": 0.5, "students": 1, "attendance": 0.5, "guests": 0}


@pytest.mark.parametrize("table", [_rooms_table, _courses_table])
@pytest.mark.parametrize("name", HOSTILE)
def test_a_terminal_shows_a_rooms_or_a_courses_name_as_text(name: str, table: Callable[..., Table]) -> None:
    shown, plain = (printed(table([{"room": each, "course": each, **FIGURES}])) for each in (HOSTILE[name], "plain"))
    assert commands_in(shown) == commands_in(plain)
    assert shown.count("\n") == plain.count("\n")
    assert CONTROLS.sub("\ufffd", HOSTILE[name])[:1000] in shown.replace("\x1b", "")


@pytest.mark.parametrize("name", HOSTILE)
def test_a_terminal_shows_what_the_doctor_found_as_text(name: str) -> None:
    def shown(said: str) -> str:
        console = Console(file=StringIO(), force_terminal=True, width=120, legacy_windows=False)
        show(Finding("columns", "differs", said, said), console)
        return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]

    assert commands_in(shown(HOSTILE[name])) == commands_in(shown("plain"))


@pytest.mark.parametrize("name", HOSTILE)
def test_an_error_at_the_front_door_says_nothing_that_a_terminal_obeys(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Stopped(f"pull: the column {HOSTILE[name]!s}").show()
    assert not CONTROLS.search(capsys.readouterr().err.replace("\n", ""))


@pytest.mark.parametrize("name", HOSTILE)
def test_a_log_has_a_servers_message_in_one_line(name: str) -> None:
    said = str(BadReply(HOSTILE[name], about="report 6001"))
    assert not CONTROLS.search(said)


@pytest.mark.parametrize("name", HOSTILE)
def test_dagsters_ui_gets_a_strangers_text_in_a_cell_of_a_table_alone(name: str) -> None:
    found = CheckResult(1, [dt.date(2026, 3, 2)], False, [{"entry_name": HOSTILE[name], "rows": 7, "ratio": None}])
    metadata = metadata_of(found)
    for value in metadata.values():
        if not isinstance(value, dg.TableMetadataValue):
            assert HOSTILE[name] not in json.dumps(value.value)
            continue
        [record] = value.records
        assert record.data == {**record.data, "rows": 7, "ratio": None}
        assert len(str(record.data["entry_name"])) <= METADATA_CHARACTERS
        assert not CONTROLS.search(str(record.data["entry_name"]))


class _Tags(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, list[str]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, [name for name, _ in attrs]))

    def handle_data(self, data: str) -> None:
        self.text += data


def report_of(rooms: list[str]) -> str:
    monday = dt.date(2026, 3, 2)
    weeks = [
        Week(monday - dt.timedelta(weeks=12 - number), 9, 9, 9, 9, 0, 90.0, 0.0, 0.5, False) for number in range(13)
    ]
    days = [
        Day(weeks[0].week_date + dt.timedelta(days=number), True, True, True, False) for number in range(7 * len(weeks))
    ]
    bands = [Band(number, 1, 1) for number in range(1, 11)]
    listed = [Room(name, 1, 1, 60.0, 0.5) for name in rooms]
    figures = Figures(1, monday, ZoneInfo("UTC"), weeks, days, [], bands, listed, [], [], [], [])
    return page(figures, dt.datetime(2026, 3, 10, tzinfo=dt.UTC))


def test_the_room_report_shows_every_rooms_name_as_text() -> None:
    hostile, plain = (_Tags(report_of(names)) for names in ([*HOSTILE.values()], ["plain"] * len(HOSTILE)))
    assert hostile.tags == plain.tags
    assert not CONTROLS.search(hostile.text.replace("\n", ""))
    for name in HOSTILE.values():
        assert CONTROLS.sub("\ufffd", name) in hostile.text


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "koi8-r", "utf-8"])
@pytest.mark.parametrize("is_terminal", [False, True])
def test_whatever_the_encoding_of_a_terminal_or_a_log_each_name_is_written_to_it(
    encoding: str, is_terminal: bool
) -> None:
    written = io.BytesIO()
    stream = io.TextIOWrapper(written, encoding)
    escape_what_encodings_lack(stream, None, io.StringIO())
    console = Console(file=stream, force_terminal=is_terminal, width=400)
    table = Table("name")
    names = ["Łódź", "Größe", "\u4f1a\u8bae", *HOSTILE.values()]
    for name in names:
        table.add_row(as_text(name))
    with console.status("Reading ...", spinner=spinner(console)):
        console.print(table)
    with Progress(SpinnerColumn(spinner(console)), console=console) as shown:
        shown.add_task("x")
    stream.write("\n".join(names).encode("utf-8", "replace").decode())
    stream.flush()
    text = written.getvalue().decode(encoding)
    assert "Łódź".encode(encoding, "backslashreplace").decode(encoding) in text
    assert "\\u28" not in text, "a spinner's dots"
