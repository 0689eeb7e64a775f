"""Dagster's webserver with a guard before its GraphQL: a page of another site can't use the UI of whoever reads it.

Dagster's UI knows no passwords and takes orders by GET as well, so that a picture's address on any web page would be
enough to launch a run with credentials sent elsewhere. Browsers say where a request comes from; that is heeded here.
"""

import ipaddress
import sys
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from dagster_webserver import app as dagster_app
from dagster_webserver import cli
from dagster_webserver.webserver import DagsterWebserver
from starlette.datastructures import Headers, QueryParams
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocketClose

OURS = ("same-origin", "none")  # what browsers say of requests of the UI's own, and of addresses typed in


class SameSite:
    """Lets through what comes from the UI's own pages or from no browser at all."""

    def __init__(self, app: ASGIApp, trusted_hosts: tuple[str, ...] = ()) -> None:
        self.app = app
        self.trusted_hosts = trusted_hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        reason = self._refusal(scope) if scope["type"] in ("http", "websocket") else ""
        if not reason:
            await self.app(scope, receive, send)
        elif scope["type"] == "websocket":
            await WebSocketClose(reason=reason)(scope, receive, send)
        else:
            await PlainTextResponse(f"{reason}\n", status_code=403)(scope, receive, send)

    def _refusal(self, scope: Scope) -> str:
        """Why the request is refused; empty where it is not."""
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if not self._is_known(urlsplit(f"//{host}").hostname or ""):
            return "This host is not known here. If a proxy of yours sent it, start with --trusted-host and its name."
        origin = headers.get("origin", "")
        if origin and urlsplit(origin).netloc != host:
            return "Requests of other sites are not taken."
        if not scope["path"].endswith("/graphql"):
            return ""
        if headers.get("sec-fetch-site", "none") not in OURS:
            return "Requests of other sites are not taken."
        if "query" in QueryParams(scope["query_string"]):
            return "GraphQL is taken in the body of a POST, as JSON, and not from an address."
        return ""

    def _is_known(self, name: str) -> bool:
        """A name that somebody else could have pointed at this machine is not."""
        if name == "localhost" or name in self.trusted_hosts:
            return True
        try:
            return bool(ipaddress.ip_address(name))
        except ValueError:
            return False


def guarded(trusted_hosts: tuple[str, ...]) -> type[Any]:
    """Dagster's webserver behind the guard."""

    class Guarded(DagsterWebserver):  # type: ignore[type-arg]
        def build_middleware(self) -> list[Middleware]:
            return [Middleware(SameSite, trusted_hosts=trusted_hosts), *super().build_middleware()]

    return Guarded


def serve(trusted_hosts: tuple[str, ...], words: Sequence[str]) -> None:
    """Dagster's webserver behind the guard, with `words` as its command line, until it ends."""
    setattr(dagster_app, "DagsterWebserver", guarded(trusted_hosts))  # noqa: B010 - it is no export of that module
    sys.argv[1:] = words
    cli.main()  # type: ignore[no-untyped-call]
