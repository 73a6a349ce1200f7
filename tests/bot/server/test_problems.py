"""Errors of the API as problem details: everything it can answer, and the page at each type's address."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from bot.domain.people import Role
from bot.server.problems.kinds import KINDS, MEDIA_TYPE, PROBLEMS_PATH
from plugins.web.testing.fixtures import answer, ask, bearer

if TYPE_CHECKING:
    import httpx2

    from bot.testing.serving import ServedHome, ServeHome
    from plugins.web.testing.fixtures import MakeWeb, Visit

PAGE = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
QUESTION = "Which states exempt hotels from tax?"
JSON = {"content-type": "application/json"}


@pytest.fixture
def home(make_web: MakeWeb, serve_home: ServeHome) -> ServedHome:
    mentee = make_web({"web": {"sign_in": "password"}, "limits": {"questions_per_minute": 2}})
    mentee.people.add("ada", role=Role.EMPLOYEE, password="correct horse battery", actor="test")
    return serve_home(mentee)


@pytest.fixture
def ada(home: ServedHome, visit: Visit) -> httpx2.Client:
    client = visit(home, first_page=False)
    client.headers |= bearer(home, "ada")
    return client


def told(response: httpx2.Response) -> dict[str, Any]:
    """Return the problem that a response has, after checking what all problems have."""
    assert response.headers["content-type"] == MEDIA_TYPE
    found: dict[str, Any] = response.json()
    assert found["status"] == response.status_code
    assert found["detail"]
    kind = KINDS[found["type"].removeprefix(f"{PROBLEMS_PATH}/")]
    assert (kind.type, kind.title) == (found["type"], found["title"])
    return found


@pytest.mark.parametrize(
    ("request_line", "request_headers", "body", "expected"),
    [
        ("POST /api/v1/answers/a_x/correction", JSON, rb'{"text": "\u0000"}', (400, "bad-request")),
        ("GET /api/v1/departments", {"authorization": "Bearer wrong"}, b"", (401, "sign-in-required")),
        ("POST /api/v1/actions/a_x", {"cookie": "a=b", "origin": "https://evil.example"}, b"", (403, "cross-site")),
        ("POST /api/v1/answers/a_x/escalation", {}, b"", (404, "not-found")),
        ("GET /api/v1/anything", {}, b"", (404, "not-found")),
        ("GET /api/departments", {}, b"", (404, "not-found")),
        ("GET /api", {}, b"", (404, "not-found")),
        (f"GET {PROBLEMS_PATH}/nothing", {}, b"", (404, "not-found")),
        ("PUT /api/v1/departments", {}, b"", (405, "method-not-allowed")),
        ("POST /api/v1/questions", JSON, b"x" * 1_000_001, (413, "too-large")),
        ("POST /api/v1/questions", JSON, b"{", (422, "invalid-request")),
        ("POST /api/v1/questions", {}, b"", (422, "invalid-request")),
    ],
)
def test_every_refusal_of_the_api_is_a_problem_and_its_type_is_an_address(
    ada: httpx2.Client,
    request_line: str,
    request_headers: dict[str, str],
    body: bytes,
    expected: tuple[int, str],
) -> None:
    method, path = request_line.split()
    found = told(ada.request(method, path, headers=request_headers, content=body))
    assert (found["status"], found["type"]) == (expected[0], f"{PROBLEMS_PATH}/{expected[1]}")
    assert ada.get(found["type"]).status_code == 200
    page = ada.request(method, path, headers={**request_headers, **PAGE}, content=body, follow_redirects=True)
    assert page.headers["content-type"].startswith("text/html")
    assert "application/problem" not in page.text


def test_a_refused_method_says_which_are_allowed(ada: httpx2.Client) -> None:
    refused = ada.put("/api/v1/departments")
    assert refused.headers["allow"] == "GET"
    assert (told(refused)["detail"], refused.json()["hint"]) == (
        "/api/v1/departments doesn't take the method PUT.",
        "Use GET.",
    )


def test_what_has_the_wrong_form_is_listed_by_its_place_and_its_field(ada: httpx2.Client) -> None:
    sent = {"text": "x", "conversation": "c", "key": 1, "other": 1}
    found = told(ada.post("/api/v1/questions", json=sent))
    assert [(each["in"], each["field"]) for each in found["errors"]] == [
        ("body", "conversation"),
        ("body", "key"),
        ("body", "other"),
    ]
    assert all(each["detail"] for each in found["errors"])
    vote = f"/api/v1/answers/{answer(ada, QUESTION)['id']}/vote"
    reason = told(ada.post(vote, json={"value": "down", "reason": "none"}))["errors"][0]
    assert reason["detail"].startswith("must be one of ")
    no_json = told(ada.post("/api/v1/questions", content=b'{"a": }', headers=JSON))["errors"]
    assert (len(no_json), no_json[0]["in"], no_json[0]["field"]) == (1, "body", "")
    assert "isn't JSON" in no_json[0]["detail"]


def test_a_hostile_body_is_not_repeated_at_length(ada: httpx2.Client) -> None:
    refused = ada.post("/api/v1/questions", json={f"{number}{'x' * 1_000}": 1 for number in range(500)})
    assert len(told(refused)["errors"]) <= 20
    assert len(refused.content) < 10_000


def test_a_limit_says_when_to_come_back(ada: httpx2.Client) -> None:
    for number in range(2):
        answer(ada, QUESTION, key=f"key-000{number}")
    refused = ask(ada, QUESTION, key="key-0009")
    assert told(refused)["type"] == f"{PROBLEMS_PATH}/busy"
    assert int(refused.headers["retry-after"]) >= 1


def test_without_a_token_a_program_is_told_how_to_sign_in(home: ServedHome, visit: Visit) -> None:
    refused = visit(home, first_page=False).get("/api/v1/departments")
    assert told(refused)["type"] == f"{PROBLEMS_PATH}/sign-in-required"
    assert refused.headers["www-authenticate"] == "Bearer"


def test_every_type_has_a_page_that_the_list_leads_to(home: ServedHome, visit: Visit) -> None:
    client = visit(home, first_page=False)
    listed = re.findall(rf'href="({PROBLEMS_PATH}/[a-z-]+)"', client.get(PROBLEMS_PATH).text)
    assert listed == [kind.type for kind in KINDS.values()]
    for kind in KINDS.values():
        page = client.get(kind.type)
        assert (page.status_code, f"<h1>{kind.title}</h1>" in page.text) == (200, True)
        assert page.headers["content-type"] == "text/html; charset=utf-8"
