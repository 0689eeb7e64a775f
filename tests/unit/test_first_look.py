"""The first look at a terminal: rooms are named by strangers."""

import io

import pytest
from rich.console import Console

from pipelines.first_look import _rooms_table


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Numbers [/] and [bold]words", "Numbers [/] and [bold]words"),
        ("[link=https://evil.example]here[/link]", "[link=https://evil.example]here[/link]"),
        ("\x1b[2J\x1b]0;owned\x07Algebra", "\ufffd[2J\ufffd]0;owned\ufffdAlgebra"),
        ("\x9b31mred \u202egpj.exe", "\ufffd31mred \ufffdgpj.exe"),
        ("", "1_room"),
        ("\u00dcbung \u6570\u5b66", "\u00dcbung \u6570\u5b66"),
    ],
)
def test_a_rooms_name_is_shown_as_it_is_and_commands_nothing(name: str, shown: str) -> None:
    room = {"room": name, "room_id": "1_room", "sessions": 1, "people": 2, "hours": 3.0, "engagement": None}
    console = Console(file=io.StringIO(), force_terminal=True, width=160)
    console.print(_rooms_table([room]))
    printed = console.file.getvalue()
    assert shown in printed
    assert "evil.example\x1b" not in printed
    assert "\x07" not in printed
