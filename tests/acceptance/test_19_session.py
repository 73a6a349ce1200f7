"""A session is new at each sign-in, ends at sign-out and by time on the server, and its cookie is bound to this host.

Check 19: fixation, use after sign-out, expiry, cookie flags; and that a stolen table, a guess or a flood opens nothing.
"""

from __future__ import annotations

import hashlib
from datetime import timedelta

import pytest

from bot.messages import Role, now
from bot.people import People
from bot.store.models import SessionRow

PASSWORD = "correct horse battery"


@pytest.fixture
def home(make_web, serve_home):
    served = serve_home(make_web({"web": {"sign_in": "password"}}))
    People(served.mentee.store).add("ada", role=Role.EMPLOYEE, password=PASSWORD, actor="test")
    return served


def sign_in(client, password=PASSWORD, name="ada"):
    return client.post("/sign-in", data={"name": name, "password": password})


def set_cookie(response):
    first, *attributes = response.headers["set-cookie"].split("; ")
    name, _, value = first.partition("=")
    return name, value, {attribute.lower() for attribute in attributes}


def test_nobody_gets_in_without_signing_in(home, visit):
    client = visit(home, first_page=False)
    for path in ("/api/departments", "/api/conversations", "/console/", "/api/questions/q_x/events"):
        assert client.get(path).status_code == 401
    assert client.get("/").headers["location"] == "/sign-in"
    assert client.get("/console/", headers={"accept": "text/html"}).headers["location"] == "/sign-in"


def test_sign_in_gives_a_new_session_and_ends_the_one_before(home, visit):
    client = visit(home, first_page=False)
    _, first, _ = set_cookie(sign_in(client))
    _, second, _ = set_cookie(sign_in(client))
    assert first != second
    assert client.get("/api/departments", headers={"cookie": f"mentee={second}"}).status_code == 200
    client.cookies.clear()
    assert client.get("/api/departments", headers={"cookie": f"mentee={first}"}).status_code == 401


def test_a_token_that_somebody_planted_is_not_taken_over(home, visit):
    client = visit(home, first_page=False)
    planted = "planted-by-an-attacker-0123456789abcdef"
    client.cookies.set("mentee", planted)
    _, given, _ = set_cookie(sign_in(client))
    assert given != planted
    client.cookies.clear()
    assert client.get("/api/departments", headers={"cookie": f"mentee={planted}"}).status_code == 401


def test_after_sign_out_the_token_opens_nothing(home, visit):
    client = visit(home, first_page=False)
    _, token, _ = set_cookie(sign_in(client))
    assert client.get("/api/departments").status_code == 200
    client.post("/sign-out")
    client.cookies.clear()
    assert client.get("/api/departments", headers={"cookie": f"mentee={token}"}).status_code == 401
    with home.mentee.store.read() as session:
        assert session.query(SessionRow).count() == 0


def test_the_server_ends_a_session_by_time_whatever_the_browser_keeps(home, visit):
    client = visit(home, first_page=False)
    sign_in(client)
    with home.mentee.store.write() as session:
        (row,) = session.query(SessionRow).all()
        assert timedelta(hours=11, minutes=59) < row.expires_at - now() <= timedelta(hours=12)
        row.expires_at = now() - timedelta(seconds=1)
    assert client.get("/api/departments").status_code == 401


def test_removing_a_person_ends_their_sessions(home, visit):
    client = visit(home, first_page=False)
    sign_in(client)
    People(home.mentee.store).remove("ada", actor="test")
    assert client.get("/api/departments").status_code == 401


def test_over_https_the_cookie_is_bound_to_this_host(make_web, serve_home, visit):
    https = {"web": {"sign_in": "password", "public_url": "https://mentee.example"}}
    served = serve_home(make_web(https))
    People(served.mentee.store).add("ada", role=Role.EMPLOYEE, password=PASSWORD, actor="test")
    name, _, attributes = set_cookie(sign_in(visit(served, first_page=False)))
    assert name == "__Host-mentee"
    assert {"secure", "httponly", "samesite=lax", "path=/"} <= attributes
    assert not any(attribute.startswith("domain") for attribute in attributes)


def test_on_loopback_the_cookie_is_closed_to_scripts(home, visit):
    name, _, attributes = set_cookie(sign_in(visit(home, first_page=False)))
    assert name == "mentee"
    assert {"httponly", "samesite=lax", "path=/"} <= attributes


def test_the_table_holds_no_token(home, visit):
    _, token, _ = set_cookie(sign_in(visit(home, first_page=False)))
    with home.mentee.store.read() as session:
        (row,) = session.query(SessionRow).all()
    assert row.id == hashlib.sha256(token.encode()).hexdigest()
    assert token not in str(vars(row))


def test_guessing_a_password_is_slowed_down(home, visit):
    client = visit(home, first_page=False)
    statuses = [sign_in(client, "wrong password").status_code for _ in range(6)]
    assert statuses == [401] * 5 + [429]
    refused = sign_in(client)
    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) >= 1


def test_a_demo_signs_its_visitor_in_by_itself(make_web, serve_home, visit):
    client = visit(serve_home(make_web()))
    assert client.get("/api/departments").status_code == 200
    assert client.get("/sign-in").headers["location"] == "/"
