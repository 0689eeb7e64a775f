"""The guard before Dagster's GraphQL: what a browser sends for a page of another site is refused."""

import socket
import threading
from collections.abc import Iterator

import httpx
import pytest
import uvicorn
from pipeline import wait_until
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from pipelines.instance.guarded_webserver import SameSite


async def answered(_: Request) -> PlainTextResponse:
    return PlainTextResponse("done")


async def subscribed(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_text("done")


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    """A client of a real server with the guard, in place of whose UI there is an app that says `done`."""
    routes = [
        Route("/graphql", answered, methods=["GET", "POST"]),
        WebSocketRoute("/graphql", subscribed),
        Route("/runs", answered),
    ]
    guard = Middleware(SameSite, trusted_hosts=("dagster.example.edu",))
    listener = socket.create_server(("127.0.0.1", 0))
    app = Starlette(routes=routes, middleware=[guard])
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="off", ws="websockets-sansio"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    wait_until(lambda: server.started)
    with httpx.Client(base_url=f"http://127.0.0.1:{listener.getsockname()[1]}", trust_env=False) as opened:
        yield opened
    server.should_exit = server.force_exit = True
    thread.join(5)
    listener.close()


def origin(client: httpx.Client) -> str:
    return str(client.base_url).rstrip("/")


def websocket(client: httpx.Client, origin: str) -> str:
    """What a page of `origin` hears over a websocket."""
    with connect(f"ws://{client.base_url.netloc.decode()}/graphql", additional_headers={"origin": origin}) as opened:
        return str(opened.recv())


def test_the_ui_itself_and_programs_are_served(client: httpx.Client) -> None:
    assert client.post("/graphql", json={"query": "{ version }"}).text == "done"
    own = {"origin": origin(client), "sec-fetch-site": "same-origin"}
    assert client.post("/graphql", json={"query": "{ version }"}, headers=own).text == "done"
    assert websocket(client, origin(client)) == "done"


def test_a_link_to_a_page_of_the_ui_may_stand_anywhere(client: httpx.Client) -> None:
    assert client.get("/runs", headers={"sec-fetch-site": "cross-site"}).text == "done"


def test_an_order_in_the_address_of_a_picture_is_refused_whatever_the_browser(client: httpx.Client) -> None:
    refused = client.get("/graphql?query=mutation", headers={"accept": "image/*"})
    assert (refused.status_code, "POST" in refused.text) == (403, True)


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://localhost:8000"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_a_form_or_a_script_of_another_site_is_refused(client: httpx.Client, headers: dict[str, str]) -> None:
    assert client.post("/graphql", json={"query": "mutation"}, headers=headers).status_code == 403


def test_a_websocket_of_another_site_is_refused(client: httpx.Client) -> None:
    with pytest.raises(InvalidStatus, match="403"):
        websocket(client, "https://evil.example")


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:3000", 200),
        ("[::1]:3000", 200),
        ("10.1.2.3", 200),
        ("dagster.example.edu", 200),
        ("rebound.evil.example:3000", 403),
        ("", 403),
    ],
)
def test_a_name_that_somebody_pointed_at_this_machine_is_refused(client: httpx.Client, host: str, status: int) -> None:
    reply = client.post("/graphql", json={"query": "{ version }"}, headers={"host": host})
    assert reply.status_code == status
    assert (status == 200) or "--trusted-host" in reply.text
