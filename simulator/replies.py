"""Replies below the level of HTTP: connections that are dropped before the reply, or in the middle of it.

A web framework won't send what the protocol forbids, so these take hold of the connection itself, which
`ConnectionAtHand` puts where they find it.
"""

import asyncio
import socket
import struct
from collections.abc import Mapping
from typing import cast

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

_TRANSPORT = "simulator.transport"
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # linger on, for no time: the peer sees a reset, not an end


class ConnectionAtHand:
    """Lets the replies of the app inside reach the server's connection, which it finds behind uvicorn's `send`."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        cycle = getattr(send, "__self__", None)
        scope[_TRANSPORT] = getattr(cycle, "transport", None)
        await self.app(scope, receive, send)


class ConnectionReset(Response):
    """No reply at all: the connection is reset."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        transport = _transport(scope)
        sock = cast(socket.socket, transport.get_extra_info("socket"))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        transport.abort()
        await _closed(receive)


class ShortBody(Response):
    """The first half of the body under the Content-Length of the whole, then the end of the connection."""

    def __init__(self, content: bytes, media_type: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(content, media_type=media_type, headers=headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        half = bytes(self.body)[: len(self.body) // 2]
        await send({"type": "http.response.body", "body": half, "more_body": True})
        _transport(scope).close()
        await _closed(receive)


def _transport(scope: Scope) -> asyncio.Transport:
    transport = scope.get(_TRANSPORT)
    if transport is None:
        raise RuntimeError("this fault needs the server that `serving` starts")
    return cast(asyncio.Transport, transport)


async def _closed(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
