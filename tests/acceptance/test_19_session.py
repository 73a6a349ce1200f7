"""Each sign-in starts a new session; the server ends it at sign-out or expiry; its cookie is bound to this host.

Check 19: fixation, use after sign-out, expiry, cookie flags, password reset; and that a stolen table, a guess or a
flood opens nothing.
"""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from bot.access.people import People
from bot.access.tokens import Tokens
from bot.domain.answers import Answer
from bot.domain.errors import ForbiddenError, SignInRequiredError
from bot.domain.identifiers import now
from bot.domain.people import Role, Scope
from bot.domain.questions import Question
from bot.storage.tables.access import AuditRow, SessionRow
from plugins.web.intake import Asked, Intake
from plugins.web.testing.fixtures import ask

if TYPE_CHECKING:
    import httpx2

    from bot.testing.engines import ScriptedEngine
    from bot.testing.serving import ServedHome, ServeHome
    from plugins.web.testing.fixtures import MakeWeb, Visit

PASSWORD = "correct horse battery"


@pytest.fixture
def home(make_web: Any, serve_home: Any) -> Any:
    served = serve_home(make_web({"web": {"sign_in": "password"}}))
    People(served.mentee.store).add("ada", role=Role.EMPLOYEE, password=PASSWORD, actor="test")
    return served


def sign_in(client: Any, password: Any = PASSWORD, name: str = "ada") -> Any:
    return client.post("/sign-in", data={"name": name, "password": password})


def set_cookie(response: Any) -> Any:
    first, *attributes = response.headers["set-cookie"].split("; ")
    name, _, value = first.partition("=")
    return name, value, {attribute.lower() for attribute in attributes}


def test_nobody_gets_in_without_signing_in(home: Any, visit: Any) -> None:
    client = visit(home, first_page=False)
    for path in ("/api/v1/departments", "/api/v1/conversations", "/console/", "/api/v1/questions/q_x/events"):
        assert client.get(path).status_code == 401
    assert client.get("/").headers["location"] == "/sign-in"
    assert client.get("/console/", headers={"accept": "text/html"}).headers["location"] == "/sign-in?next=/console/"


def test_sign_in_gives_a_new_session_and_ends_the_one_before(home: Any, visit: Any) -> None:
    client = visit(home, first_page=False)
    _, first, _ = set_cookie(sign_in(client))
    _, second, _ = set_cookie(sign_in(client))
    assert first != second
    assert client.get("/api/v1/departments", headers={"cookie": f"mentee={second}"}).status_code == 200
    client.cookies.clear()
    assert client.get("/api/v1/departments", headers={"cookie": f"mentee={first}"}).status_code == 401


def test_a_token_that_somebody_planted_is_not_taken_over(home: Any, visit: Any) -> None:
    client = visit(home, first_page=False)
    planted = "planted-by-an-attacker-0123456789abcdef"
    client.cookies.set("mentee", planted)
    _, given, _ = set_cookie(sign_in(client))
    assert given != planted
    client.cookies.clear()
    assert client.get("/api/v1/departments", headers={"cookie": f"mentee={planted}"}).status_code == 401


def test_after_sign_out_the_token_opens_nothing(home: Any, visit: Any) -> None:
    client = visit(home, first_page=False)
    _, token, _ = set_cookie(sign_in(client))
    assert client.get("/api/v1/departments").status_code == 200
    client.post("/sign-out")
    client.cookies.clear()
    assert client.get("/api/v1/departments", headers={"cookie": f"mentee={token}"}).status_code == 401
    with home.mentee.store.read() as session:
        assert session.query(SessionRow).count() == 0


def test_the_server_ends_a_session_by_time_whatever_the_browser_keeps(home: Any, visit: Any) -> None:
    client = visit(home, first_page=False)
    sign_in(client)
    with home.mentee.store.write() as session:
        (row,) = session.query(SessionRow).all()
        assert timedelta(hours=11, minutes=59) < row.expires_at - now() <= timedelta(hours=12)
        row.expires_at = now() - timedelta(seconds=1)
    assert client.get("/api/v1/departments").status_code == 401


def test_removing_a_person_ends_their_sessions(home: Any, visit: Any) -> None:
    client = visit(home, first_page=False)
    sign_in(client)
    People(home.mentee.store).remove("ada", actor="test")
    assert client.get("/api/v1/departments").status_code == 401


def test_a_new_password_ends_all_sessions_and_leaves_tokens(home: ServedHome, visit: Visit) -> None:
    browsers = [visit(home, first_page=False) for _ in range(2)]
    for browser in browsers:
        sign_in(browser)
    secret, _ = Tokens(home.mentee.store).create("ada", [Scope.READ], actor="test")
    home.mentee.people.set_password("ada", PASSWORD + "2", actor="test")
    assert [browser.get("/api/v1/departments").status_code for browser in browsers] == [401, 401]
    assert sign_in(browsers[0]).status_code == 401
    assert sign_in(browsers[0], PASSWORD + "2").status_code == 303
    assert browsers[1].get("/api/v1/departments", headers={"authorization": f"Bearer {secret}"}).status_code == 200


@pytest.mark.parametrize("end", ["password", "token", "erasure"])
def test_a_stream_that_is_open_ends_with_its_session(
    home: ServedHome, visit: Visit, web_engine: ScriptedEngine, end: str
) -> None:
    client, mentee = visit(home, first_page=False), home.mentee
    sign_in(client)
    secret, token = Tokens(mentee.store).create("ada", [Scope.READ, Scope.ASK], actor="test")
    if end == "token":
        client.headers["authorization"] = f"Bearer {secret}"
    web_engine.gate.clear()
    path = ask(client, "Which states exempt hotels from tax?").json()["events"]
    with client.stream("GET", path, headers={"Accept": "text/event-stream"}) as stream:
        lines = stream.iter_lines()
        next(line for line in lines if line == "event: status")
        if end == "password":
            mentee.people.set_password("ada", PASSWORD + "2", actor="test")
        elif end == "token":
            Tokens(mentee.store).revoke(token.id, actor="test")
        else:
            mentee.erasing.person("ada", actor="test")
        rest = list(lines)
    web_engine.gate.set()
    assert "event: failed" in rest
    assert "session has ended" in "".join(rest)
    assert "12 states" not in "".join(rest)


def test_a_request_whose_person_is_erased_meanwhile_leaves_nothing(home: ServedHome) -> None:
    mentee = home.mentee
    ada = mentee.people.get("web:ada")
    mentee.erasing.person("ada", actor="test")
    with pytest.raises(SignInRequiredError, match="removed"):
        Intake(mentee.inbox, mentee.departments, mentee.settings.limits).accept(
            ada, Asked("May I?", None, "conversation-1", "key-0001")
        )
    question = Question("May I?", ada)
    with pytest.raises(ForbiddenError, match="removed"):
        mentee.recorder.record(question, Answer(question.id, "Yes.", known=True, department="travel"))
    assert list(mentee.erasing.orphans()) == []


def test_signing_in_and_failing_to_are_audited_without_what_was_typed(home: ServedHome, visit: Visit) -> None:
    client = visit(home, first_page=False)
    sign_in(client)
    sign_in(client, "wrong password")
    sign_in(client, name=PASSWORD)
    with home.mentee.store.read() as session:
        rows = session.query(AuditRow).where(AuditRow.action.startswith("person.sign_in")).order_by(AuditRow.at).all()
    assert [(row.actor, row.action, row.subject, row.detail) for row in rows] == [
        ("web:ada", "person.sign_in", "web:ada", {"address": "127.0.0.1"}),
        ("nobody", "person.sign_in_failed", "web:ada", {"address": "127.0.0.1"}),
        ("nobody", "person.sign_in_failed", "unknown", {"address": "127.0.0.1"}),
    ]
    assert all(entry.action == "person.add" for entry in home.mentee.audit.newest(50) if entry.subject == "web:ada")


def test_a_made_up_address_does_not_help_to_guess(home: ServedHome, visit: Visit) -> None:
    client = visit(home, first_page=False)
    statuses = [guess(client, f"203.0.113.{number}") for number in range(60)]
    assert statuses == [401] * 5 + [429] * 55


@pytest.fixture
def behind_a_proxy(make_web: MakeWeb, serve_home: ServeHome) -> ServedHome:
    served = serve_home(make_web({"web": {"sign_in": "password", "trusted_proxies": ["127.0.0.1"]}}))
    served.mentee.people.add("ada", role=Role.EMPLOYEE, password=PASSWORD, actor="test")
    return served


def test_guesses_from_many_addresses_are_slowed_down_by_name(behind_a_proxy: ServedHome, visit: Visit) -> None:
    client = visit(behind_a_proxy, first_page=False)
    statuses = [guess(client, f"203.0.113.{number}") for number in range(30)]
    assert statuses == [401] * 20 + [429] * 10


def test_failures_from_one_address_lock_nobody_else_out(behind_a_proxy: ServedHome, visit: Visit) -> None:
    client = visit(behind_a_proxy, first_page=False)
    for number in range(25):
        guess(client, "203.0.113.9", name=f"somebody-{number}")
    assert guess(client, "203.0.113.9", name="one-more") == 429
    signed_in = client.post(
        "/sign-in", data={"name": "ada", "password": PASSWORD}, headers={"x-forwarded-for": "203.0.113.10"}
    )
    assert signed_in.status_code == 303


def guess(client: httpx2.Client, address: str, name: str = "ada") -> int:
    headers = {"x-forwarded-for": address}
    return client.post("/sign-in", data={"name": name, "password": "wrong password"}, headers=headers).status_code


def test_over_https_the_cookie_is_bound_to_this_host(make_web: Any, serve_home: Any, visit: Any) -> None:
    https = {"web": {"sign_in": "password", "public_url": "https://mentee.example"}}
    served = serve_home(make_web(https))
    People(served.mentee.store).add("ada", role=Role.EMPLOYEE, password=PASSWORD, actor="test")
    name, _, attributes = set_cookie(sign_in(visit(served, first_page=False)))
    assert name == "__Host-mentee"
    assert {"secure", "httponly", "samesite=lax", "path=/"} <= attributes
    assert not any(attribute.startswith("domain") for attribute in attributes)


def test_on_loopback_the_cookie_is_closed_to_scripts(home: Any, visit: Any) -> None:
    name, _, attributes = set_cookie(sign_in(visit(home, first_page=False)))
    assert name == "mentee"
    assert {"httponly", "samesite=lax", "path=/"} <= attributes


def test_the_table_holds_no_token(home: Any, visit: Any) -> None:
    _, token, _ = set_cookie(sign_in(visit(home, first_page=False)))
    with home.mentee.store.read() as session:
        (row,) = session.query(SessionRow).all()
    assert row.id == hashlib.sha256(token.encode()).hexdigest()
    assert token not in str(vars(row))


def test_guessing_a_password_is_slowed_down(home: Any, visit: Any) -> None:
    client = visit(home, first_page=False)
    statuses = [sign_in(client, "wrong password").status_code for _ in range(6)]
    assert statuses == [401] * 5 + [429]
    refused = sign_in(client)
    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) >= 1


def test_a_demo_signs_its_visitor_in_by_itself(make_web: Any, serve_home: Any, visit: Any) -> None:
    client = visit(serve_home(make_web()))
    assert client.get("/api/v1/departments").status_code == 200
    assert client.get("/sign-in").headers["location"] == "/"
