"""Other sites can't act or read through a visitor's browser, and malformed headers never cause a server error.

Check 17: cross-site POST, event stream and WebSocket; Bearer with a cookie; malformed Origin → 403, no row, no 5xx.
"""

from __future__ import annotations

import base64
import os
import socket
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.access.tokens import Tokens
from bot.domain.people import Role, Scope
from bot.storage.tables.delivery import InboxRow
from plugins.web.testing.fixtures import answer, ask, events

if TYPE_CHECKING:
    from bot.testing.serving import ServedHome
    from plugins.web.testing.fixtures import Visit

PASSWORD = "correct horse battery"

EVIL = {"origin": "https://evil.example"}
CROSS = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "cors", "sec-fetch-dest": "empty"}
ASKED = {"text": "Hotels?", "department": None, "conversation": "conversation-1", "key": "key-0001"}


def inbox(home: Any) -> int:
    with home.mentee.store.read() as session:
        return int(session.query(InboxRow).count())


@pytest.mark.parametrize(
    "headers",
    [EVIL, CROSS, {**EVIL, **CROSS}, {"sec-fetch-site": "same-site"}, {**EVIL, "authorization": "Bearer x"}],
    ids=["origin", "fetch-site", "both", "sibling-site", "bearer-with-cookie"],
)
@pytest.mark.parametrize(
    "path", ["/api/v1/questions", "/sign-in", "/sign-out", "/console/plugins/web/switch", "/desk/items/co_1/accept"]
)
def test_a_cross_site_post_is_refused_and_leaves_no_row(web: Any, visit: Any, path: str, headers: Any) -> None:
    client = visit(web)
    assert client.post(path, json=ASKED, headers=headers).status_code == 403
    assert inbox(web) == 0
    assert client.get("/api/v1/departments").status_code == 200


@pytest.mark.parametrize("headers", [CROSS, EVIL])
def test_a_cross_site_event_stream_is_refused(web: Any, visit: Any, headers: Any) -> None:
    client = visit(web)
    path = ask(client, "Which states exempt hotels from tax?").json()["events"]
    assert client.get(path, headers={"accept": "text/event-stream", **headers}).status_code == 403
    assert events(client, path)[-1][0] == "done"


@pytest.mark.parametrize("headers", [EVIL, CROSS, {"origin": "null"}])
def test_a_cross_site_websocket_is_refused(web: Any, visit: Any, headers: Any) -> None:
    client = visit(web)
    host, port = web.url.removeprefix("http://").split(":")
    key = base64.b64encode(os.urandom(16)).decode()
    cookies = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
    asked = {
        "Host": f"{host}:{port}", "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": key, "Cookie": cookies, **headers,
    }  # fmt: skip
    lines = ["GET /api/v1/anything HTTP/1.1", *(f"{name}: {value}" for name, value in asked.items()), "", ""]
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        connection.sendall("\r\n".join(lines).encode())
        assert b" 403 " in connection.recv(4096).split(b"\r\n")[0]


@pytest.fixture
def bearer(web: ServedHome) -> dict[str, str]:
    web.mentee.people.add("ada", role=Role.EMPLOYEE, password=PASSWORD, actor="test")
    secret, _ = Tokens(web.mentee.store).create("ada", [Scope.READ, Scope.ASK], actor="test")
    return {"authorization": f"Bearer {secret}"}


def test_a_token_is_exempt_only_without_a_cookie(web: ServedHome, visit: Visit, bearer: dict[str, str]) -> None:
    program, browser = visit(web, first_page=False), visit(web)
    assert program.post("/api/v1/questions", json=ASKED, headers={**bearer, **CROSS}).status_code == 202
    assert (
        browser.post("/api/v1/questions", json={**ASKED, "key": "key-0002"}, headers={**bearer, **CROSS}).status_code
        == 403
    )
    with web.mentee.store.read() as session:
        assert [row.payload["person"] for row in session.query(InboxRow)] == ["web:ada"]


def test_a_token_opens_what_its_scopes_name_and_no_more(web: ServedHome, visit: Visit, bearer: dict[str, str]) -> None:
    program = visit(web, first_page=False)
    program.headers.update(bearer)
    assert program.get("/api/v1/departments").status_code == 200
    given = answer(program, "Which states exempt hotels from tax?")
    for path, body in (("vote", {"value": "up"}), ("correction", {"text": "Eleven."})):
        refused = program.post(f"/api/v1/answers/{given['id']}/{path}", json=body)
        assert refused.status_code == 403
        found = refused.json()
        assert (found["type"], found["scope"]) == ("/api/v1/problems/missing-scope", f"{path}s:write")
        assert found["detail"] == f"This API token doesn't have the scope {path}s:write."
        assert f'error="insufficient_scope", scope="{path}s:write"' in refused.headers["www-authenticate"]
    assert program.get("/console/").status_code == 403
    voting, _ = Tokens(web.mentee.store).create("ada", [Scope.VOTE, Scope.OPERATE], actor="test")
    also = {"authorization": f"bearer {voting}"}
    assert program.post(f"/api/v1/answers/{given['id']}/vote", json={"value": "up"}, headers=also).status_code == 204
    assert program.get("/api/v1/departments", headers=also).status_code == 403
    assert program.get("/console/", headers=also).status_code == 403  # ada is no operator, whatever the token says
    for wrong in ("Bearer x", "Bearer", f"Bearer {voting}x"):
        refused = program.get("/api/v1/departments", headers={"authorization": wrong})
        assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")


def test_the_page_itself_and_programs_are_let_through(web: Any, visit: Any) -> None:
    client = visit(web)
    assert client.post("/api/v1/questions", json=ASKED, headers={"sec-fetch-site": "same-origin"}).status_code == 202
    assert client.post("/api/v1/questions", json=ASKED, headers={"origin": web.url}).status_code == 202
    assert client.post("/api/v1/questions", json=ASKED).status_code == 202
    link = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
    assert client.get("/", headers=link).status_code == 200


def test_a_page_that_points_its_own_name_at_a_demo_is_refused(web: Any, visit: Any) -> None:
    client = visit(web)
    assert client.get("/", headers={"host": "rebound.example:8080"}).status_code == 421


@given(st.binary(max_size=60).filter(lambda raw: not set(raw) & set(b"\r\n\0")))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_malformed_origin_is_refused_and_never_an_error(web: Any, raw: Any) -> None:
    host, port = web.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        start = f"POST /api/v1/questions HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Length: 0\r\nConnection: close\r\n"
        connection.sendall(start.encode() + b"Origin: x" + raw + b"\r\n\r\n")
        status = int(connection.recv(4096).split()[1])
    assert status in (400, 403)
    assert inbox(web) == 0
