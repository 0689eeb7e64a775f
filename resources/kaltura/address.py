"""KALTURA_BASE_URL: where Kaltura is, and whether that is this machine."""

import ipaddress
import re

import httpx

from resources.kaltura.errors import Refused, redacted


def address_of(base_url: str) -> httpx.URL:
    """Raises `Refused` for what is no address, or holds more than one."""
    text = base_url.strip().rstrip("/").removesuffix("/api_v3").rstrip("/")
    try:
        url = httpx.URL(text)
        # As a socket does with every name, which fails with no error of httpx's.
        url.raw_host.decode("ascii").encode("idna")
    except (httpx.InvalidURL, UnicodeError):
        url = httpx.URL("")
    if url.scheme not in ("http", "https") or not re.fullmatch(r"[\w.:-]+", url.host):
        shown = "" if re.search("[@?#]", text) else f"={redacted(text)!r}"  # behind one of them may be a secret
        raise Refused(f"KALTURA_BASE_URL{shown} is no address", advice="Write it as https://www.kaltura.com.")
    if url.userinfo or url.query or url.fragment:
        raise Refused(
            f"KALTURA_BASE_URL holds more than the address of {url.host}",
            advice="Leave out user, password, '?' and '#': they would stand in logs.",
        )
    return url


def is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
