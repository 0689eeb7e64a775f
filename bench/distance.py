"""A database at a distance: a proxy before a server's socket that counts round trips and lets each take its time."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import parse_qs, urlsplit

RowsSeen = Callable[[], None]


class Distance:
    """What went through. `round_trips` are the times that a client sent something after the server had."""

    def __init__(self, socket: str, seconds: float) -> None:
        self.round_trips = 0
        self._socket = socket
        self._seconds = seconds / 2  # each way

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_server, to_server = await asyncio.open_unix_connection(self._socket)
        is_answered = [True]

        def asked() -> None:
            self.round_trips += is_answered[0]
            is_answered[0] = False

        def answered() -> None:
            is_answered[0] = True

        await asyncio.gather(
            self._pumped(reader, to_server, asked), self._pumped(from_server, writer, answered), return_exceptions=True
        )

    async def _pumped(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seen: RowsSeen) -> None:
        """What comes later than it went, and no slower: the next piece does not wait for this one."""
        loop = asyncio.get_running_loop()
        on_its_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

        async def arrive() -> None:
            while True:
                due, piece = await on_its_way.get()
                await asyncio.sleep(due - loop.time())
                if not piece:
                    writer.close()
                    return
                writer.write(piece)
                await writer.drain()

        arriving = asyncio.create_task(arrive())
        piece = b"-"
        while piece:
            piece = await reader.read(1 << 18)
            seen()
            on_its_way.put_nowait((loop.time() + self._seconds, piece))
        await arriving


@contextmanager
def distance(url: str, seconds: float) -> Iterator[tuple[str, Distance]]:
    """The URL of the same database from so far away, and what goes through to it."""
    parts = urlsplit(url)
    host = parse_qs(parts.query)["host"][0]
    proxy = Distance(f"{host}/.s.PGSQL.{parts.port}", seconds)
    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(asyncio.start_server(proxy.connected, "127.0.0.1", 0))
    port = server.sockets[0].getsockname()[1]
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield f"postgresql://{parts.username}@127.0.0.1:{port}{parts.path}", proxy
    finally:
        loop.call_soon_threadsafe(server.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
