"""A room's name or a server's message is text in every channel: no link, picture, mention, markup, or line of its own."""

import re

import pytest

from pipelines.sensors.channels import _card as card_of
from pipelines.sensors.channels import as_chat_text, channels
from resources.settings import SettingError

HOSTILE = {
    "a link": "[sign in](https://evil.example/login)",
    "a bare link": "see https://evil.example or www.evil.example",
    "a picture": "![](https://evil.example/pixel.png)",
    "Slack's link": "<https://evil.example|the warehouse>",
    "Slack's mention": "<!channel> <@U123>",
    "a mention": "@channel @all @here",
    "markup": "<b>bold</b> & <script>alert(1)</script>",
    "emphasis": "*bold* _it_ ~gone~ `code`",
    "a terminal's command": "\x1b]0;owned\x07\x9b2J",
    "a line of its own": "all is well\nALERT: none\r",
    "right to left": "\u202egnp.exe",
}


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
