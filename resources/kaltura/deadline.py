"""One deadline for a request, its headers and its body: httpx's own timeouts are of a single read, so drops outlast them."""

import math
import ssl
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import httpcore
import httpx

_gives_up_at: ContextVar[float] = ContextVar("gives_up_at", default=math.inf)


@contextmanager
def until(gives_up_at: float) -> Iterator[None]:
    """Requests of this thread end by then (by `time.monotonic`), with `httpx.ReadTimeout` or its like."""
    token = _gives_up_at.set(gives_up_at)
    try:
        yield
    finally:
        _gives_up_at.reset(token)


def respected_by(client: httpx.Client) -> httpx.Client:
    """The client, with every read and write of its connections bounded by `until`."""
    for transport in (client._transport, *client._mounts.values()):
        if isinstance(transport, httpx.HTTPTransport):  # httpx has no public way to name the network that it uses
            pool = transport._pool
            pool._network_backend = _Network(pool._network_backend)
    return client


def _left(timeout: float | None, error: type[Exception]) -> float | None:
    left = _gives_up_at.get() - time.monotonic()
    if left <= 0:
        raise error("the deadline of the whole request has passed")
    return timeout if math.isinf(left) else min(left, math.inf if timeout is None else timeout)


class _Stream(httpcore.NetworkStream):
    def __init__(self, inner: httpcore.NetworkStream) -> None:
        self._inner = inner

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, _left(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, _left(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, _left(timeout, httpcore.ConnectTimeout)))

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class _Network(httpcore.NetworkBackend):
    def __init__(self, inner: httpcore.NetworkBackend) -> None:
        self._inner = inner

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        timeout = _left(timeout, httpcore.ConnectTimeout)
        return _Stream(self._inner.connect_tcp(host, port, timeout, local_address, socket_options))

    def sleep(self, seconds: float) -> None:
        self._inner.sleep(seconds)
