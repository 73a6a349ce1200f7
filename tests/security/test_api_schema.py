"""Whatever a request looks like that the API's own schema allows or forbids: no 5xx, and nothing that is another's.

Pages and forms, which have no schema, get made-up paths, queries and bodies.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.core.result import Ok

from bot.access.tokens import Tokens
from bot.domain.departments import DepartmentSpec
from bot.domain.people import Role, Scope
from plugins.web.testing.fixtures import TRAVEL, MakeWeb, answer

if TYPE_CHECKING:
    import httpx2
    from schemathesis import APIOperation

    from bot.testing.serving import ServedHome, ServeHome

EXAMPLES = 40
PASSWORD = "correct horse battery"
HERS = "HERONBLUE"
CLOSED = DepartmentSpec("hr", "Human Relations", open=False)
ROLES = {"nobody": None, "employee": Role.EMPLOYEE, "agent": Role.AGENT, "operator": Role.OPERATOR}
OPERATIONS = 16


@pytest.fixture
def home(make_web: MakeWeb, serve_home: ServeHome) -> ServedHome:
    """A served instance with a person of each role, and with ada, who alone may ask the closed department."""
    mentee = make_web({"web": {"sign_in": "password"}}, departments=(TRAVEL, CLOSED))
    mentee.people.add("ada", role=Role.EMPLOYEE, password=PASSWORD, actor="test")
    mentee.departments.set_member("hr", "user:ada", member=True, actor="test")
    for name, role in ROLES.items():
        if role:
            mentee.people.add(name, role=role, password=PASSWORD, actor="test")
    return serve_home(mentee)


def hers(home: ServedHome, client: httpx2.Client) -> list[str]:
    """Have ada ask and vote; return every id by which others could try to reach that."""
    client.headers |= bearer(home, "ada")
    said = answer(client, f"How long is the leave of {HERS}?", department="hr", conversation="conversation-of-ada")
    vote = {"value": "down", "reason": "", "comment": HERS}
    assert client.post(f"/api/v1/answers/{said['id']}/vote", json=vote).status_code == 204
    (conversation,) = client.get("/api/v1/conversations").json()
    assert HERS in client.get(f"/api/v1/conversations/{conversation['id']}").text
    return [said["id"], said["question_id"], "conversation-of-ada", "hr"]


def bearer(home: ServedHome, name: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {Tokens(home.mentee.store).create(name, list(Scope), actor='test')[0]}"}


@pytest.mark.full
@pytest.mark.timeout(300)
@pytest.mark.parametrize("role", ROLES)
def test_no_role_gets_a_server_error_or_reads_what_is_anothers(home: ServedHome, visit: Any, role: str) -> None:
    ids = hers(home, visit(home, first_page=False))
    headers = bearer(home, role) if ROLES[role] else {}
    schema = schemathesis.openapi.from_dict(visit(home, first_page=False).get("/api/v1/openapi.json").json())
    operations = [result.ok() for result in schema.get_all_operations() if isinstance(result, Ok)]
    assert len(operations) == OPERATIONS
    for operation in operations:
        for mode in GenerationMode:
            probe(operation, mode, home.url, headers, ids)


def probe(operation: APIOperation, mode: GenerationMode, url: str, headers: dict[str, str], ids: list[str]) -> None:  # type: ignore[type-arg]
    """Send what the schema allows, or what it forbids; often with an id of ada's."""

    @settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy(generation_mode=mode), known=st.none() | st.sampled_from(ids))
    def send(case: Any, known: str | None) -> None:
        if known and case.path_parameters:
            case.path_parameters = dict.fromkeys(case.path_parameters, known)
        response = case.call(base_url=url, headers=headers, timeout=20)
        shown = f"{case.method} {response.request.url}: {response.status_code} {response.text[:200]}"
        assert response.status_code < 500, shown
        assert HERS not in response.text, shown
        if not headers:
            assert response.status_code >= 400, shown

    with suppress(Unsatisfiable):  # nothing of a request without parameters can be invalid
        send()


OUTCOMES = "/console/analytics"
PAGES = (
    *("/", "/sign-in", "/sign-out", "/console/", "/desk/", "/metrics", "/livez", "/readyz"),
    *(OUTCOMES, f"{OUTCOMES}.csv", f"{OUTCOMES}/questions", f"{OUTCOMES}/questions.csv"),
)
FORMS = (
    "/sign-in",
    "/sign-out",
    "/console/plugins/{}/switch",
    "/console/plugins/{}/settings",
    "/desk/items/{}/accept",
    "/desk/items/{}/reject",
    "/desk/items/{}/reply",
    "/desk/items/{}/rate",
    "/desk/items/{}/skip",
    "/desk/items/{}/hold",
    "/desk/items/{}/leave",
)
FIELDS = (
    *("since", "until", "by", "channel", "adapter", "figure", "settled", "start"),
    "enabled",
    "seen",
    "text",
    "reason",
    "anyway",
    "department",
    "name",
    "password",
    "answer_chars",
    "next",
    "token",
    "correct",
    "cause",
)
PLUGINS = ("plugins.web", "plugins.metrics", "nobody's")


@pytest.mark.full
@pytest.mark.timeout(300)
@pytest.mark.parametrize("role", ROLES)
def test_no_page_or_form_is_a_server_error_or_shows_what_is_anothers(home: ServedHome, visit: Any, role: str) -> None:
    hers(home, visit(home, first_page=False))
    headers = bearer(home, role) if ROLES[role] else {}
    client = visit(home, first_page=False)
    words = st.text(max_size=40) | st.sampled_from(("on", "hr", "travel", "nowhere", "ada", "[1]", "{", "-1", "\0"))
    fields = st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=8), words, max_size=4)
    junk = st.binary(max_size=60)
    plugin = st.sampled_from(PLUGINS) | st.text(min_size=1, max_size=20)

    @settings(max_examples=EXAMPLES * 4, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(page=st.sampled_from(PAGES), form=st.sampled_from(FORMS), plugin=plugin, fields=fields, junk=junk)
    def send(page: str, form: str, plugin: str, fields: dict[str, str], junk: bytes) -> None:
        target = form.format(quote(plugin, safe=""))
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        for response in (
            client.get(page, params=fields, headers=headers),
            client.post(target, data=fields, headers=headers),
            client.post(target, content=junk, headers={**headers, **kind}),
        ):
            shown = f"{response.request.method} {response.request.url}: {response.status_code} {response.text[:200]}"
            ready = response.request.url.path == "/readyz"
            assert response.status_code < 500 or ready, shown
            read = response.request.url.path.startswith(("/desk", f"{OUTCOMES}/questions"))
            judged = read and ROLES[role] is Role.OPERATOR
            assert judged or HERS not in response.text, shown
            if response.request.url.path.startswith("/console") and ROLES[role] is not Role.OPERATOR:
                assert response.status_code in (303, 307, 400, 401, 403, 404, 405, 429), shown

    send()
