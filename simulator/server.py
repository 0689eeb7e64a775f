"""The stand-in Kaltura as a server: its endpoints, and how to run it for the length of a test or of a demonstration."""

import asyncio
import email.utils
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qsl, unquote

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request as HttpRequest
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from simulator.documents import document, instead, result
from simulator.errors import ApiError
from simulator.faults import REPLACES_REPLY, Call
from simulator.replies import ConnectionAtHand
from simulator.report_call import ReportCall
from simulator.running import Running
from simulator.world import World

_REPORT_ACTION = ("report", "getcsvfromstringparams")
_FRONT_PAGE = """<!doctype html><title>Kaltura stand-in</title>
<h1>A stand-in for Kaltura</h1>
<p>It answers the report API (6000, 6001, 6002) from an invented world. No real person, room or account is in it.</p>
"""


def app(running: Running) -> ASGIApp:
    """The ASGI app of one stand-in."""

    async def front_page(request: HttpRequest) -> Response:
        return HTMLResponse(_FRONT_PAGE)

    async def api(request: HttpRequest) -> Response:
        fields = await _fields(request)
        reply = await _reply(running, fields, request.method)
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


async def _fields(request: HttpRequest) -> dict[str, str]:
    """All that the request says, wherever it says it: what stands in the URL overrides the body."""
    body = await request.body()
    # The raw path, as an encoded slash inside a value must not end the value.
    raw_path = request.scope.get("raw_path") or request.url.path.encode()
    segments = [unquote(part) for part in raw_path.decode("ascii").split("/")[2:]]
    if segments[:1] == ["index.php"]:
        del segments[0]
    in_path = dict(zip(segments[::2], segments[1::2], strict=False))
    in_query = dict(parse_qsl(request.url.query, keep_blank_values=True))
    return dict(parse_qsl(body.decode(), keep_blank_values=True)) | in_path | in_query


async def _reply(running: Running, fields: Mapping[str, str], method: str) -> Response:
    try:
        action = (fields.get("service", "").lower(), fields.get("action", "").lower())
        if action == _REPORT_ACTION:
            return await ReportCall(running, fields, method).reply()
        return await _session_reply(running, action, fields)
    except ApiError as error:
        return document(error, fields)


async def _session_reply(running: Running, action: tuple[str, str], fields: Mapping[str, str]) -> Response:
    actions: dict[tuple[str, str], Callable[[Mapping[str, str]], object]] = {
        ("session", "start"): running.tokens.start,
        ("session", "startwidgetsession"): running.tokens.start_widget,
        ("session", "end"): running.tokens.end,
        ("apptoken", "startsession"): running.tokens.start_app_token,
    }
    if action not in actions:
        raise ApiError("SERVICE_DOES_NOT_EXISTS", "This stand-in has no such service or action")
    running.session_calls.append(".".join(action))
    for fault in running.faults.due(Call(on="session")):
        if fault.kind == "slow":
            await asyncio.sleep(fault.seconds)
        elif fault.kind in REPLACES_REPLY:
            return instead(running, fault, fields)
    return result(actions[action](fields), fields)
