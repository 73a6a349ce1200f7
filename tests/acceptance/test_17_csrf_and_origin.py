"""Another site cannot act or read through a visitor's browser, and malformed headers are refused, never an error.

Check 17: cross-site POST, event stream and WebSocket; Bearer with a cookie; malformed Origin → 403, no row, no 5xx.
"""

from __future__ import annotations

import base64
import os
import socket

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.store.models import InboxRow
from bot.testing.web import ask, events

EVIL = {"origin": "https://evil.example"}
CROSS = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "cors", "sec-fetch-dest": "empty"}
ASKED = {"text": "Hotels?", "department": None, "conversation": "conversation-1", "key": "key-0001"}


def inbox(home):
    with home.mentee.store.read() as session:
        return session.query(InboxRow).count()


@pytest.mark.parametrize(
    "headers",
    [EVIL, CROSS, {**EVIL, **CROSS}, {"sec-fetch-site": "same-site"}, {**EVIL, "authorization": "Bearer x"}],
    ids=["origin", "fetch-site", "both", "sibling-site", "bearer-with-cookie"],
)
@pytest.mark.parametrize("path", ["/api/questions", "/sign-in", "/sign-out", "/console/plugins/web/switch"])
def test_a_cross_site_post_is_refused_and_leaves_no_row(web, visit, path, headers):
    client = visit(web)
    assert client.post(path, json=ASKED, headers=headers).status_code == 403
    assert inbox(web) == 0
    assert client.get("/api/departments").status_code == 200


@pytest.mark.parametrize("headers", [CROSS, EVIL])
def test_a_cross_site_event_stream_is_refused(web, visit, headers):
    client = visit(web)
    path = ask(client, "Which states exempt hotels from tax?").json()["events"]
    assert client.get(path, headers={"accept": "text/event-stream", **headers}).status_code == 403
    assert events(client, path)[-1][0] == "done"


@pytest.mark.parametrize("headers", [EVIL, CROSS, {"origin": "null"}])
def test_a_cross_site_websocket_is_refused(web, visit, headers):
    client = visit(web)
    host, port = web.url.removeprefix("http://").split(":")
    key = base64.b64encode(os.urandom(16)).decode()
    cookies = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
    asked = {
        "Host": f"{host}:{port}", "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": key, "Cookie": cookies, **headers,
    }  # fmt: skip
    lines = ["GET /api/anything HTTP/1.1", *(f"{name}: {value}" for name, value in asked.items()), "", ""]
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        connection.sendall("\r\n".join(lines).encode())
        assert b" 403 " in connection.recv(4096).split(b"\r\n")[0]


def test_the_page_itself_and_programs_are_let_through(web, visit):
    client = visit(web)
    assert client.post("/api/questions", json=ASKED, headers={"sec-fetch-site": "same-origin"}).status_code == 202
    assert client.post("/api/questions", json=ASKED, headers={"origin": web.url}).status_code == 202
    assert client.post("/api/questions", json=ASKED).status_code == 202
    link = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
    assert client.get("/", headers=link).status_code == 200


def test_a_page_that_points_its_own_name_at_a_demo_is_refused(web, visit):
    client = visit(web)
    assert client.get("/", headers={"host": "rebound.example:8080"}).status_code == 421


@given(st.binary(max_size=60).filter(lambda raw: not set(raw) & set(b"\r\n\0")))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_malformed_origin_is_refused_and_never_an_error(web, raw):
    host, port = web.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        start = f"POST /api/questions HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Length: 0\r\nConnection: close\r\n"
        connection.sendall(start.encode() + b"Origin: x" + raw + b"\r\n\r\n")
        status = int(connection.recv(4096).split()[1])
    assert status in (400, 403)
    assert inbox(web) == 0
