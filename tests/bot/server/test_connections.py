from __future__ import annotations

import resource
import socket
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from starlette.responses import PlainTextResponse

from bot.domain.ports import WebRoutes
from bot.server import connections
from bot.server.middleware.request_limit import RequestLimit
from bot.testing.notes import NotesRetriever, make_plugin

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bot.testing.engines import ScriptedEngine
    from bot.testing.homes import MakeHome
    from bot.testing.serving import ServedHome, ServeHome

HALF_OPEN = 1_010


@pytest.fixture(autouse=True)
def enough_files() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 8_192)), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture
def home(make_home: MakeHome, scripted_engine: ScriptedEngine, serve_home: ServeHome) -> ServedHome:
    async def echo(scope: Any, receive: Any, send: Any) -> None:
        while (await receive()).get("more_body"):
            pass
        await PlainTextResponse("echo")(scope, receive, send)

    def notes() -> Any:
        return NotesRetriever()

    plugin = make_plugin(register_retriever=notes, register_routes=lambda: [WebRoutes("/echo", echo)])
    return serve_home(make_home(engine=scripted_engine, built_in=(), extra_plugins={"given": plugin}), ready=False)


def opened(home: ServedHome, sent: bytes) -> socket.socket:
    host, port = home.url.removeprefix("http://").split(":")
    connection = socket.create_connection((host, int(port)), timeout=10)
    connection.sendall(sent)
    return connection


def read_response(connection: socket.socket) -> bytes:
    read = b""
    while not read.endswith(b"ok"):
        read += connection.recv(4096)
    return read


HEADERS = b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n"
BODY = b"POST /echo HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\nhalf"


@pytest.mark.parametrize("sent", [b"", b"GET", HEADERS, BODY], ids=["nothing", "word", "headers", "body"])
def test_half_open_requests_keep_nobody_out(home: ServedHome, sent: bytes) -> None:
    with ExitStack() as stack:
        for _ in range(HALF_OPEN):
            stack.enter_context(opened(home, sent))
        while len(home.server.server_state.connections) < connections.MAX_CONNECTIONS:
            time.sleep(0.01)
        httpx2.get(f"{home.url}/livez")  # behind what the flood left to do
        for path in ("/livez", "/echo"):
            started = time.perf_counter()
            assert httpx2.get(home.url + path).status_code == 200
            assert time.perf_counter() - started < 1


@pytest.mark.parametrize("sent", [b"", HEADERS, BODY], ids=["nothing", "headers", "body"])
def test_a_request_that_does_not_arrive_in_time_is_dropped(
    home: ServedHome, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    monkeypatch.setattr(connections, "REQUEST_SECONDS", 0.2)
    with opened(home, sent) as connection, pytest.raises(ConnectionResetError):
        connection.recv(1)
        raise ConnectionResetError  # an orderly end is as good


def test_a_slow_sender_that_is_in_time_and_a_second_request_are_answered(
    home: ServedHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "REQUEST_SECONDS", 0.5)
    with opened(home, HEADERS) as connection:
        for part in (b"\r\n", HEADERS, b"\r\n"):
            time.sleep(0.3)
            connection.sendall(part)
            if part == b"\r\n":
                assert read_response(connection).startswith(b"HTTP/1.1 200")
        connection.sendall(HEADERS)
        assert connection.recv(4096) == b""  # half a third request


async def test_a_full_server_says_so_and_answers_probes() -> None:
    limited = RequestLimit(PlainTextResponse("ok"), limit=0)
    transport = httpx2.ASGITransport(app=limited)
    async with httpx2.AsyncClient(transport=transport, base_url="http://mentee.example") as client:
        refused = await client.get("/api/v1/departments")
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
        assert [(await client.get(path)).status_code for path in ("/livez", "/readyz")] == [200, 200]
