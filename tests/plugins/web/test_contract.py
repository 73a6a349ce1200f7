"""The OpenAPI document says what is true, and a page shows it without anything from elsewhere."""

from __future__ import annotations

import gzip
import re
from typing import TYPE_CHECKING, Any

import pytest

from bot.access.tokens import Tokens
from bot.domain.people import Role, Scope
from plugins.web.contract.document import OPERATIONS
from tests.bot.server.test_problems import told

if TYPE_CHECKING:
    import httpx2

    from bot.testing.serving import ServedHome, ServeHome
    from plugins.web.testing.fixtures import MakeWeb, Visit


@pytest.fixture
def home(make_web: MakeWeb, serve_home: ServeHome) -> ServedHome:
    mentee = make_web({"web": {"sign_in": "password"}})
    mentee.people.add("ada", role=Role.EMPLOYEE, password="correct horse battery", actor="test")
    return serve_home(mentee)


@pytest.fixture
def client(home: ServedHome, visit: Visit) -> httpx2.Client:
    return visit(home, first_page=False)


def operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        f"{method.upper()} {path.removeprefix('/api/v1')}": found
        for path, methods in document["paths"].items()
        for method, found in methods.items()
    }


def test_the_document_names_each_operation_its_scope_and_its_errors(client: httpx2.Client) -> None:
    document = client.get("/api/v1/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    assert document["components"]["securitySchemes"].keys() == {"token", "session"}
    found = operations(document)
    assert found.keys() == OPERATIONS.keys()
    assert len({each["operationId"] for each in found.values()}) == len(found)
    for each in found.values():
        assert {"401", "403", "422", "429", "500", "503"} <= each["responses"].keys()
        assert all(
            list(response["content"]) == ["application/problem+json"]
            for status, response in each["responses"].items()
            if status >= "400"
        )
    assert "HTTPValidationError" not in str(document)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_token_without_the_scope_that_the_document_names_is_refused(
    home: ServedHome, client: httpx2.Client, operation: str
) -> None:
    needed = OPERATIONS[operation].scope
    secret, _ = Tokens(home.mentee.store).create("ada", set(Scope) - {needed}, actor="test")
    method, path = operation.split()
    bodies = {"/questions": {"text": "x", "conversation": "c" * 8, "key": "k" * 8}, "/vote": {"value": "up"}}
    bodies |= {"/correction": {"text": "x"}, "/conversations/{conversation}": {"title": "x"}}
    body = next((each for end, each in bodies.items() if path.endswith(end) and method in ("POST", "PATCH")), None)
    filled = re.sub(r"{\w+}", "x", path)
    authorization = {"authorization": f"Bearer {secret}"}
    refused = told(client.request(method, f"/api/v1{filled}", json=body, headers=authorization))
    assert (refused["status"], refused["scope"]) == (403, needed.value)


def test_the_page_shows_every_operation_and_fetches_nothing_from_elsewhere(client: httpx2.Client) -> None:
    page = client.get("/api/v1/docs")
    assert page.headers["content-type"].startswith("text/html")
    for key in OPERATIONS:
        method, path = key.split()
        assert f"<code>{method} /api/v1{path}</code>" in page.text
    assert not re.search(r'(src|href)="(https?:)?//', page.text)
    assert len(gzip.compress(page.content)) < 150_000
