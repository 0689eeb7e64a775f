"""A KS that the client signs itself with the admin secret: made here by hand, and encrypted by another program, openssl."""

import base64
import hashlib
import subprocess
import time
from collections.abc import Callable, Iterator
from urllib.parse import urlencode

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resources.kaltura.client import Client, RequestStats
from resources.kaltura.errors import KalturaError
from resources.kaltura.query import Query
from resources.kaltura.session import Credentials
from simulator import DEMO, ListedWorld, Running, serving, signed_ks
from tests.integration.test_client import DAY, ROOMS

HOUR = 3600
GET = "/api_v3/service/session/action/get"


@pytest.fixture(scope="module")
def kaltura() -> Iterator[Running]:
    with serving(ListedWorld()) as running:
        yield running


def signed(
    *,
    secret: str = DEMO.admin_secret,
    partner_id: int = DEMO.partner_id,
    kind: int = 2,
    ends_in: float = HOUR,
    user: str = "ada.example",
    privileges: dict[str, str] | None = None,
    tampered: bool = False,
) -> str:
    fields = urlencode({**(privileges or {}), "_e": int(time.time() + ends_in), "_t": kind, "_u": user})
    told = bytes(range(16)) + fields.encode()
    plain = hashlib.sha1(told).digest() + (told.replace(b"_t=0", b"_t=2") if tampered else told)
    plain += bytes(-len(plain) % 16)
    key = hashlib.sha1(secret.encode()).hexdigest()[:32]
    openssl = ["openssl", "enc", "-aes-128-cbc", "-K", key, "-iv", "0" * 32, "-nopad"]
    encrypted = subprocess.run(openssl, input=plain, capture_output=True, check=True).stdout
    return base64.b64encode(f"v2|{partner_id}|".encode() + encrypted, b"-_").decode()


def asked(kaltura: Running, ks: str) -> dict[str, object]:
    return dict(httpx.post(f"{kaltura.base_url}{GET}", data={"ks": ks, "format": "1"}).json())


def test_an_admin_ks_may_ask_for_reports_and_says_whose_it_is(kaltura: Running) -> None:
    ks = signed(privileges={"edit": "*", "disableentitlement": ""})
    client = Client(kaltura.base_url, Credentials(str(DEMO.partner_id), ks=ks))
    assert client.ask(Query(ROOMS, DAY), RequestStats()).rows.frame.empty
    client.close()
    told = asked(kaltura, ks)
    assert (told["userId"], told["sessionType"], told["privileges"]) == ("ada.example", 2, "edit:*,disableentitlement")
    assert told["partnerId"] == DEMO.partner_id


def test_a_user_ks_may_not_ask_for_reports(kaltura: Running) -> None:
    client = Client(kaltura.base_url, Credentials(str(DEMO.partner_id), ks=signed(kind=0)))
    with pytest.raises(KalturaError, match="SERVICE_FORBIDDEN"):
        client.ask(Query(ROOMS, DAY), RequestStats())
    client.close()


REFUSED: dict[str, Callable[[], str]] = {
    "another secret": lambda: signed(secret="another"),  # pragma: allowlist secret
    "another account": lambda: signed(partner_id=DEMO.partner_id + 1),
    "changed after it was signed": lambda: signed(kind=0, tampered=True),
    "cut off": lambda: signed()[:-8],
    "version 1": lambda: base64.b64encode(b"v1|9999|" + bytes(32), b"-_").decode(),
    "without anything": lambda: base64.b64encode(b"v2|9999|", b"-_").decode(),
}


@pytest.mark.parametrize("made", REFUSED.values(), ids=REFUSED)
def test_one_that_the_account_has_not_signed_counts_for_nothing(kaltura: Running, made: Callable[[], str]) -> None:
    ks = made()
    told = asked(kaltura, ks)
    assert (told["code"], dict(told["args"])["KSID"]) == ("INVALID_KS", ks)  # type: ignore[call-overload]


def test_one_that_has_ended_is_told_from_one_that_can_not_be_read(kaltura: Running) -> None:
    told = asked(kaltura, signed(ends_in=-1))
    assert dict(told["args"])["KSID"] == "EXPIRED"  # type: ignore[call-overload]


def test_a_signed_ks_can_be_ended_before_its_time(kaltura: Running) -> None:
    ks = signed()
    assert asked(kaltura, ks)["userId"] == "ada.example"
    httpx.post(f"{kaltura.base_url}/api_v3/service/session/action/end", data={"ks": ks, "format": "1"})
    assert dict(asked(kaltura, ks)["args"])["KSID"] == "LOGOUT"  # type: ignore[call-overload]


@given(st.text() | st.binary().map(lambda told: base64.b64encode(b"v2|9999|" + told, b"-_").decode()))
@settings(max_examples=100, deadline=None)
def test_whatever_comes_in_its_place_is_none(text: str) -> None:
    assert signed_ks.read(text, DEMO.partner_id, DEMO.admin_secret) is None
