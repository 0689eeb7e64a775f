"""What the doctor takes for an answer of Kaltura's API."""

import pytest

from resources.kaltura.doctor.account import _is_document


@pytest.mark.parametrize("body", [b"true", b"\xef\xbb\xbf[]", b'{"objectType": "KalturaAPIException"}'])
def test_json_is_an_answer(body: bytes) -> None:
    assert _is_document(body)


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"\xff", b"[" * 100_000, b'{"a":' * 100_000], ids=lambda body: body[:8]
)
def test_a_page_noise_and_what_is_nested_without_end_are_none(body: bytes) -> None:
    assert not _is_document(body)
