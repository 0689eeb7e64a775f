"""The stand-in Kaltura as a server: its endpoints, and how to run it for the length of a test or of a demonstration."""

import email.utils
import random
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request as HttpRequest
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from simulator import bodies, services
from simulator.replies import ConnectionAtHand
from simulator.running import Running
from simulator.world import World

_FRONT_PAGE = """<!doctype html><title>Kaltura stand-in</title>
<h1>A stand-in for Kaltura</h1>
<p>It answers the report API (6000, 6001, 6002) from an invented world. No real person, room or account is in it.</p>
"""


def app(running: Running) -> ASGIApp:
    """The ASGI app of one stand-in."""

    async def front_page(request: HttpRequest) -> Response:
        return HTMLResponse(_FRONT_PAGE)

    async def api(request: HttpRequest) -> Response:
        fields = await bodies.fields_of(request)
        reply = await services.reply(running, fields, request.method)
        reply.headers["X-Kaltura-Session"] = str(random.randrange(10**9, 10**10))
        reply.headers["X-Me"] = "simulated-front-1"
        reply.headers["Date"] = email.utils.formatdate(time.time() + running.clock_ahead_seconds, usegmt=True)
        return reply

    routes = [Route("/", front_page), Route("/api_v3/{rest:path}", api, methods=["GET", "POST"])]
    return ConnectionAtHand(Starlette(routes=routes))


@contextmanager
def serving(world: World, *, host: str = "127.0.0.1", port: int = 0, **settings: Any) -> Iterator[Running]:
    """A stand-in for `world` in a thread of its own. `settings` are the fields of `Running`."""
    running = Running(world, **settings)
    listener = socket.create_server((host, port), backlog=128)
    # asyncio does this only for sockets that name their protocol; without it each reply waits 40 ms for an ACK.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    running.base_url = f"http://{host}:{listener.getsockname()[1]}"
    config = uvicorn.Config(
        app(running), log_level="critical", access_log=False, lifespan="off", loop="asyncio", http="h11",
        proxy_headers=False, date_header=False, timeout_keep_alive=75,
    )  # fmt: skip
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="simulator", daemon=True)
    thread.start()
    try:
        while not server.started and thread.is_alive():
            time.sleep(0.002)
        yield running
    finally:
        server.should_exit = server.force_exit = True
        thread.join(timeout=5)
        listener.close()
