"""The first look at a terminal: rooms are named by strangers."""

import io

import pytest
from rich.console import Console

from pipelines.first_look import _courses_table, _rooms_table, _summary


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
    console.print(
        _courses_table(
            [{"course": name, "course_id": "1_room", "sessions": 1, "students": 2, "guests": 0, "attendance": None}]
        )
    )
    printed = console.file.getvalue()
    assert printed.count(shown) == 2
    assert "evil.example\x1b" not in printed
    assert "\x07" not in printed


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ({"unchanged": 5}, "the warehouse already held every row"),
        ({"rows_rejected": 440}, "Nothing written.[/]\n440 rows could not be used"),
        ({"unchanged": 5, "rows_rejected": 1}, "Nothing written.[/]\n1 row could not be used"),
        ({"rows_superseded": 5}, "Nothing written.[/]\n"),
        ({"unchanged": 5, "people_kept": 1}, "Nothing written.[/]\n1 attendee came as nobody and stays as known"),
        ({}, "Kaltura lists no rows of these days"),
        ({"inserted": 1, "rows_repaired": 1}, "1 row came in without a figure"),
    ],
)
def test_nothing_changed_is_said_only_where_rows_came_and_all_of_them_were_there(
    counts: dict[str, int], said: str
) -> None:
    names = (
        "inserted",
        "updated",
        "removed",
        "people_kept",
        "unchanged",
        "rows_superseded",
        "rows_rejected",
        "rows_repaired",
    )
    summary = _summary([dict.fromkeys(names, 0) | counts])
    assert said in summary
    assert ("already held" in summary) is (counts == {"unchanged": 5})
