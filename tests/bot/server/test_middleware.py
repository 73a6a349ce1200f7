from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from bot.server.middleware.body_limit import BodyLimit
from bot.server.middleware.cross_site import CrossSiteRefusal
from bot.server.middleware.demo import DemoOnly
from bot.server.middleware.headers import SecurityHeaders
from bot.server.middleware.hosts import HostRefusal
from bot.server.middleware.request_limit import RequestLimit
from bot.server.middleware.texts import TextRefusal

if TYPE_CHECKING:
    from starlette.requests import Request


HOST = "mentee.example:8080"


def client(app: Any) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url=f"http://{HOST}")


async def echo(request: Request) -> Any:
    return PlainTextResponse(f"{len(await request.body())} bytes")


def an_app() -> Any:
    return Starlette(routes=[Route("/", echo, methods=["GET", "POST"])])


SAME = {"sec-fetch-site": "same-origin"}
NAVIGATION = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
ALLOWED = [
    ("POST", {}),
    ("POST", SAME),
    ("POST", {"sec-fetch-site": "none"}),
    ("POST", {"origin": f"http://{HOST}"}),
    ("POST", {"origin": "https://public.example"}),
    ("POST", {"authorization": "Bearer abc", "origin": "https://evil.example"}),
    ("GET", NAVIGATION),
]
REFUSED = [
    ("POST", {"sec-fetch-site": "cross-site"}),
    ("POST", {"sec-fetch-site": "same-site"}),
    ("POST", NAVIGATION),
    ("POST", {"sec-fetch-site": "cross-site", "origin": f"http://{HOST}"}),
    ("POST", {"origin": "https://evil.example"}),
    ("POST", {"origin": "http://mentee.example"}),
    ("POST", {"origin": "null"}),
    ("POST", {"origin": "http://[::1"}),
    ("POST", {"origin": "http://mentee.example:99999"}),
    ("POST", {"origin": "\u00e9".encode().decode("latin-1")}),
    ("POST", {"origin": ""}),
    ("POST", {"sec-fetch-site": "nonsense"}),
    ("POST", {"authorization": "Bearer abc", "cookie": "mentee=x", "origin": "https://evil.example"}),
    ("GET", {"sec-fetch-site": "cross-site", "sec-fetch-mode": "cors", "accept": "text/event-stream"}),
    ("GET", {**NAVIGATION, "sec-fetch-dest": "iframe"}),
]


@pytest.mark.parametrize(("method", "headers"), ALLOWED)
async def test_requests_of_this_site_and_of_programs_pass(method: str, headers: dict[str, str]) -> None:
    async with client(CrossSiteRefusal(an_app(), trusted=["https://public.example/"])) as browser:
        assert (await browser.request(method, "/", headers=headers)).status_code == 200


@pytest.mark.parametrize(("method", "headers"), REFUSED)
async def test_requests_of_other_sites_are_refused_and_malformed_ones_never_fail(
    method: str, headers: dict[str, str]
) -> None:
    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    async with client(CrossSiteRefusal(an_app(), trusted=["https://public.example/"])) as browser:
        assert (await browser.request(method, "/", headers=raw)).status_code == 403


@pytest.mark.parametrize(("size", "status"), [(100, 200), (101, 413)])
async def test_a_declared_length_over_the_limit_is_refused(size: int, status: int) -> None:
    async with client(BodyLimit(an_app(), limit=100)) as browser:
        assert (await browser.post("/", content=b"x" * size)).status_code == status


async def test_a_chunked_body_is_read_no_further_than_the_limit() -> None:
    read = 0

    async def chunks() -> Any:
        nonlocal read
        for _ in range(1_000):
            read += 50
            yield b"x" * 50

    async with client(BodyLimit(an_app(), limit=100)) as browser:
        response = await browser.post("/", content=chunks())
    assert response.status_code == 413
    assert response.json()["detail"] == "The request is over 100 bytes."


async def test_a_length_that_is_no_number_is_refused() -> None:
    sent = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.disconnect"}

    scope = {"type": "http", "method": "POST", "path": "/", "headers": [(b"content-length", b"1e9")]}
    await BodyLimit(an_app(), limit=100)(scope, receive, send)
    assert sent[0]["status"] == 413


@pytest.mark.parametrize(
    ("host", "status"),
    [("127.0.0.1:8080", 200), ("localhost", 200), ("[::1]:8080", 200), ("evil.example", 421), ("[::1", 421), ("", 421)],
)
async def test_a_demo_answers_to_its_own_names_only(host: str, status: int) -> None:
    async with client(HostRefusal(an_app())) as browser:
        assert (await browser.get("/", headers={"host": host})).status_code == status


BROWSER = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.mark.parametrize(
    ("wall", "request_headers", "status", "told"),
    [
        (HostRefusal, {"host": "evil.example"}, 421, "under its own host names"),
        (lambda app: RequestLimit(app, limit=0), {}, 503, "Try again in 5 s."),
        (lambda app: BodyLimit(app, limit=100), {"content-length": "101"}, 413, "over 100 bytes"),
        (CrossSiteRefusal, {"sec-fetch-site": "cross-site"}, 403, "from another site"),
        (TextRefusal, {"content-type": "application/json"}, 400, "no text"),
    ],
)
async def test_a_refusal_is_a_page_in_a_browser_and_json_for_programs(
    wall: Any, request_headers: dict[str, str], status: int, told: str
) -> None:
    body = b'"\\u0000"' if status == 400 else b""
    async with client(wall(an_app())) as browser:
        page = await browser.post("/", headers={**BROWSER, **request_headers}, content=body)
        data = await browser.post("/", headers=request_headers, content=body)
    assert (page.status_code, data.status_code) == (status, status)
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert told in page.text
    assert "/static/style.css" in page.text
    assert "{" not in page.text
    assert told in f"{data.json()['detail']} {data.json()['hint']}"
    assert (data.headers["content-type"], data.json()["status"]) == ("application/problem+json", status)


async def test_a_wrong_host_gets_the_style_of_its_page_and_the_way_to_the_right_one() -> None:
    async with client(HostRefusal(an_app())) as browser:
        page = await browser.get("/", headers={**BROWSER, "host": "evil.example:8080"})
        assert (await browser.get("/static/style.css", headers={"host": "evil.example"})).status_code == 404
    assert 'href="http://127.0.0.1:8080/"' in page.text


async def test_every_response_carries_the_policy() -> None:
    async with client(SecurityHeaders(BodyLimit(an_app(), limit=10), https=True)) as browser:
        for response in (await browser.get("/"), await browser.post("/", content=b"x" * 11)):
            assert response.headers["content-security-policy"].startswith("default-src 'self';")
            assert "frame-ancestors 'none'" in response.headers["content-security-policy"]
            assert "unsafe" not in response.headers["content-security-policy"]
            assert response.headers["x-content-type-options"] == "nosniff"
            assert response.headers["cache-control"] == "no-store"
            assert "max-age" in response.headers["strict-transport-security"]


@pytest.mark.parametrize(
    "headers",
    [
        {"x-forwarded-for": "203.0.113.9"},
        {"x-forwarded-host": "mentee.example"},
        {"x-forwarded-anything": ""},
        {"forwarded": "for=203.0.113.9"},
        {"via": "1.1 proxy"},
        {"x-real-ip": "203.0.113.9"},
        {"origin": "https://mentee.example"},
        {"origin": "http://[::1"},
    ],
    ids=lambda headers: next(iter(headers)),
)
async def test_a_demo_refuses_what_came_through_a_proxy(headers: dict[str, str]) -> None:
    async with client(DemoOnly(an_app())) as browser:
        assert (await browser.get("/")).status_code == 200
        refused = await browser.get("/", headers=headers)
    assert refused.status_code == 403
    assert "mentee-demo" in refused.headers


async def test_a_demo_refuses_the_http_of_proxies_and_closes_their_websockets() -> None:
    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    for kind in ("http", "websocket"):
        sent: list[Any] = []
        await DemoOnly(an_app())({"type": kind, "http_version": "1.0", "headers": []}, receive, send)
        assert sent[0].get("status", sent[0].get("code")) in (403, 1008)
