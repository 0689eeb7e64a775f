"""When a request ends, its headers and its body: at one deadline, as httpx's own timeouts are of a single read, so that
drops outlast them; or at once, where nobody waits for the answer any more.
"""

import math
import socket
import ssl
import threading
import time
import weakref
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
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
    """The client, with every read and write of its connections bounded by `until`, and ended by `cut_off`."""
    for pool in _pools(client):
        pool._network_backend = _Network(pool._network_backend)
    return client


def cut_off(client: httpx.Client) -> None:
    """Ends what the client waits for, in whichever thread, with an error of httpx. It connects to nothing any more."""
    for pool in _pools(client):
        if isinstance(pool._network_backend, _Network):
            pool._network_backend.cut_off()


def _pools(client: httpx.Client) -> Iterator[httpcore.ConnectionPool]:
    for transport in (client._transport, *client._mounts.values()):
        if isinstance(transport, httpx.HTTPTransport):  # httpx has no public way to name the network that it uses
            yield transport._pool


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

    def cut_off(self) -> None:
        """Whoever reads gets the end of the stream. TLS says no farewell: it would wait for whoever reads."""
        with suppress(OSError):  # closed already
            socket.socket.shutdown(self._inner.get_extra_info("socket"), socket.SHUT_RDWR)

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        self._inner = self._inner.start_tls(ssl_context, server_hostname, _left(timeout, httpcore.ConnectTimeout))
        return self

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class _Network(httpcore.NetworkBackend):
    def __init__(self, inner: httpcore.NetworkBackend) -> None:
        self._inner = inner
        self._streams: weakref.WeakSet[_Stream] = weakref.WeakSet()
        self._streams_change = threading.Lock()
        self._is_cut_off = False

    def cut_off(self) -> None:
        with self._streams_change:
            self._is_cut_off = True
            for stream in self._streams:
                stream.cut_off()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        timeout = _left(timeout, httpcore.ConnectTimeout)
        stream = _Stream(self._inner.connect_tcp(host, port, timeout, local_address, socket_options))
        with self._streams_change:
            self._streams.add(stream)
            if self._is_cut_off:
                stream.cut_off()
        return stream

    def sleep(self, seconds: float) -> None:
        self._inner.sleep(seconds)
