"""A database URL as people write it: read the same by everybody, or refused without a word of what stands in it."""

import re
import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg.conninfo import conninfo_to_dict

from resources.postgres import url as url_module
from resources.postgres.session import DatabaseError, DatabaseUnreachable, connect
from resources.postgres.url import DatabaseUrlError, libpq_url

PASSWORD = "Zq9-Xv7-Kw3"  # pragma: allowlist secret


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("postgresql://u:hidden@h:5433/d", {"user": "u", "password": "hidden", "host": "h", "port": "5433", "dbname": "d"}),
        ("postgres://u:hidden@h/d", {"user": "u", "password": "hidden", "host": "h", "dbname": "d"}),
        (" postgresql+psycopg://h/d\n", {"host": "h", "dbname": "d"}),
        # pragma: allowlist nextline secret
        ("postgresql://u:hidden%25%2F%40@h/d", {"user": "u", "password": "hidden%/@", "host": "h", "dbname": "d"}),
        # pragma: allowlist nextline secret
        ("postgresql://u:hidden?b#c@h/d", {"user": "u", "password": "hidden?b#c", "host": "h", "dbname": "d"}),
        ("postgresql://u:ä@h/d", {"user": "u", "password": "ä", "host": "h", "dbname": "d"}),
        ("postgresql:///d?host=/tmp/s", {"host": "/tmp/s", "dbname": "d"}),
        ("postgresql://u@%2Ftmp%2Fs:5433/d", {"user": "u", "host": "/tmp/s", "port": "5433", "dbname": "d"}),
        ("postgresql://a:1,b:2/d?sslmode=require", {"host": "a,b", "port": "1,2", "dbname": "d", "sslmode": "require"}),
        ("postgresql://[::1]:5432/d", {"host": "::1", "port": "5432", "dbname": "d"}),
        ("postgresql://h?dbname=d", {"host": "h", "dbname": "d"}),
        ("postgresql://", {}),
    ],
)  # fmt: skip
def test_a_url_is_read_in_each_way_that_it_may_be_written(url: str, parts: dict[str, str]) -> None:
    assert conninfo_to_dict(libpq_url(url)) == parts


@pytest.mark.parametrize(
    ("spoiled", "advice"),
    [
        ("{}%", "%25"),
        ("%{}", "%25"),
        ("{} x", "%20"),
        ("{}@x", "%40"),
        ("{}/x", "%2F"),
        ("1/{}", "%2F"),
        ("x:{}", "%3A"),
        ("{}\n", "%20"),
        ("{}%00", "escape"),
        ("{}%ff", "escape"),
    ],
)
def test_a_password_with_a_character_that_a_url_can_not_hold_is_refused_by_the_escape_and_not_shown(
    spoiled: str, advice: str
) -> None:
    with pytest.raises(DatabaseUrlError, match=advice) as refused:
        connect(f"postgresql://u:{spoiled.format(PASSWORD)}@localhost:1/d")
    assert not _told(str(refused.value), PASSWORD)
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__ or refused.value.__context__ is None


@pytest.mark.parametrize(
    "url",
    [
        f"u:{PASSWORD}@h/d",
        f"mysql://u:{PASSWORD}@h/d",
        f"'postgresql://u:{PASSWORD}@h/d'",
        f"host=h password={PASSWORD}",
        f"postgresql://h/d?password={PASSWORD}&{PASSWORD}={PASSWORD}",
        f"postgresql://h/d?{PASSWORD}",
        f"postgresql://h:{PASSWORD}/d",
        f"postgresql://[{PASSWORD}/d",
        f"{PASSWORD}",
        "",
    ],
)
def test_what_is_no_database_url_is_refused_without_any_part_of_it(url: str) -> None:
    with pytest.raises(DatabaseUrlError) as refused:
        connect(url)
    assert not _told(str(refused.value), PASSWORD)


@given(st.text(alphabet=string.printable + "äß€\x00\udc80", min_size=8, max_size=40))
def test_whatever_is_written_is_read_as_postgres_reads_it_or_refused_in_our_own_words(password: str) -> None:
    secret = f"Zq9{password}Kw3"
    read, said = _outcome(f"postgresql://u:{secret}@h:5432/d")
    if read is None:
        assert re.fullmatch(r"DATABASE_URL [a-zA-Z', @:/%0-9]+\. [\x20-\x7e]+", said)
        assert not _told(said, secret)
    else:
        parts = conninfo_to_dict(read)
        assert (parts["user"], parts["host"], parts["dbname"]) == ("u", "h", "d")


def _outcome(url: str) -> tuple[str | None, str]:
    try:
        return libpq_url(url), ""
    except DatabaseUrlError as refused:
        return None, str(refused)


OUR_WORDS = Path(url_module.__file__).read_text("utf-8")


def _told(message: str, secret: str) -> bool:
    """Whether four characters in a row of the secret stand in the message, and not only as words of our own."""
    pieces = {secret[n : n + 4] for n in range(len(secret) - 3)}
    return any(piece in message for piece in pieces if piece not in OUR_WORDS)


@pytest.mark.parametrize(
    "name",
    [
        "port", "sslmode", "target_session_attrs", "keepalives", "gssencmode", "channel_binding", "service", "hostaddr",
        "load_balance_hosts", "ssl_min_protocol_version", "require_auth",
    ],
)  # fmt: skip
def test_a_parameter_that_can_not_be_used_is_named_and_its_value_not_shown(name: str) -> None:
    with pytest.raises(DatabaseError, match=name) as refused:
        connect(f"postgresql://u@127.0.0.1:1/d?{name}={PASSWORD}")
    assert PASSWORD not in str(refused.value)


def test_an_address_that_nobody_answers_at_is_an_outage_and_stays_told() -> None:
    with pytest.raises(DatabaseUnreachable, match="127.0.0.1"):
        connect("postgresql://u@/d?hostaddr=127.0.0.1&port=1")
