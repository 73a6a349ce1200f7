"""Actions over the API of web chat."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from bot.access.tokens import Tokens
from bot.domain.answers import DirectAnswer
from bot.domain.people import Role, Scope
from bot.domain.plugins.actions import Action, ActionResult
from bot.testing.notes import make_plugin
from plugins.web.testing.fixtures import MakeWeb, Visit, answer

if TYPE_CHECKING:
    from bot.domain.questions import Question
    from bot.testing.serving import ServedHome, ServeHome

PASSWORD = "correct horse battery"
QUESTION = "Please open a ticket"


def offer(question: Question) -> DirectAnswer | None:
    if "ticket" not in question.text:
        return None
    actions = (
        Action("open", "Open a ticket", {"secret": "words"}, "primary"),
        Action("all", "Delete all", style="danger"),
    )
    return DirectAnswer("Shall I?", actions=actions)


@pytest.fixture
def confirmed() -> list[str]:
    """The idempotency keys with which the plugin was called."""
    return []


@pytest.fixture
def home(make_web: MakeWeb, serve_home: ServeHome, confirmed: list[str]) -> ServedHome:
    def on_action(action: Action, idempotency_key: str) -> ActionResult:
        confirmed.append(idempotency_key)
        return ActionResult(f"Did {action.name}.", actions=(Action("undo", "Undo it"),))

    tickets = make_plugin(answer_directly=offer, on_action=on_action)
    return serve_home(make_web({"web": {"sign_in": "password"}}, plugins={"tickets": tickets}))


@pytest.fixture
def ada(home: ServedHome, visit: Visit) -> httpx2.Client:
    return signed_in(home, visit, "ada")


def signed_in(home: ServedHome, visit: Visit, name: str) -> httpx2.Client:
    home.mentee.people.add(name, role=Role.EMPLOYEE, password=PASSWORD, actor="test")
    client = visit(home, first_page=False)
    client.post("/sign-in", data={"name": name, "password": PASSWORD})
    return client


def states(actions: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(each["label"], each["state"]) for each in actions]


def test_an_action_is_offered_confirmed_once_and_shown_after_a_reload(ada: httpx2.Client, confirmed: list[str]) -> None:
    given = answer(ada, QUESTION, department="travel")
    assert states(given["actions"]) == [("Open a ticket", "offered"), ("Delete all", "offered")]
    assert [each["confirm"] for each in given["actions"]] == ["", "Are you sure?"]
    assert "words" not in str(given)
    path = f"/api/v1/actions/{given['actions'][0]['id']}"
    first, second = ada.post(path), ada.post(path)
    assert first.status_code == 200, first.text
    assert first.json() == second.json()
    assert states(first.json()) == [("Open a ticket", "done"), ("Delete all", "cancelled"), ("Undo it", "offered")]
    assert first.json()[0]["result"] == "Did open."
    assert confirmed == [given["actions"][0]["id"]]
    (turn,) = ada.get("/api/v1/conversations/conversation-1").json()
    assert turn["answer"]["actions"] == first.json()
    assert ada.get(f"/api/v1/answers/{given['id']}/actions").json() == first.json()


def test_somebody_else_is_refused_and_sees_nothing(
    home: ServedHome, ada: httpx2.Client, visit: Visit, confirmed: list[str]
) -> None:
    given = answer(ada, QUESTION, department="travel")
    bob = signed_in(home, visit, "bob")
    refused = bob.post(f"/api/v1/actions/{given['actions'][0]['id']}")
    assert refused.status_code == 403
    assert "Only the person who asked" in refused.json()["detail"]
    assert bob.get(f"/api/v1/answers/{given['id']}/actions").status_code == 404
    assert bob.post("/api/v1/actions/act_unknown").status_code == 404
    assert visit(home, first_page=False).post(f"/api/v1/actions/{given['actions'][0]['id']}").status_code == 401
    assert confirmed == []


def test_a_token_needs_the_scope_to_act(home: ServedHome, ada: httpx2.Client, confirmed: list[str]) -> None:
    given = answer(ada, QUESTION, department="travel")
    tokens = Tokens(home.mentee.store)
    for scope, status in ((Scope.ASK, 403), (Scope.ACT, 200)):
        secret, _ = tokens.create("ada", [scope], days=1, actor="test")
        with httpx2.Client(base_url=home.url, headers={"Authorization": f"Bearer {secret}"}) as program:
            assert program.post(f"/api/v1/actions/{given['actions'][0]['id']}").status_code == status
    assert len(confirmed) == 1


def test_a_department_that_closes_after_the_offer_is_closed_to_its_actions_too(
    home: ServedHome, ada: httpx2.Client, confirmed: list[str]
) -> None:
    given = answer(ada, QUESTION, department="travel")
    home.mentee.departments.configure("travel", {"open": "false"}, actor="test")
    assert ada.post(f"/api/v1/actions/{given['actions'][0]['id']}").status_code == 403
    assert ada.get(f"/api/v1/answers/{given['id']}/actions").json() == []
    (turn,) = ada.get("/api/v1/conversations/conversation-1").json()
    assert turn["answer"]["actions"] == []
    assert confirmed == []


def test_actions_that_hang_do_not_keep_the_page_from_answering(
    make_web: MakeWeb, serve_home: ServeHome, visit: Visit
) -> None:
    go = threading.Event()

    def on_action() -> ActionResult:
        go.wait(30)
        return ActionResult("Done at last.")

    tickets = make_plugin(answer_directly=offer, on_action=on_action)
    home = serve_home(make_web({"limits": {"action_seconds": 1.5}}, plugins={"tickets": tickets}))
    client = visit(home)
    offers = [answer(client, QUESTION, key=f"key-{n:04}", department="travel")["actions"][0] for n in range(12)]
    found: list[httpx2.Response] = []

    def confirm(action_id: str) -> None:
        with httpx2.Client(base_url=home.url, cookies=client.cookies, timeout=30) as own:
            found.append(own.post(f"/api/v1/actions/{action_id}"))

    threads = [threading.Thread(target=confirm, args=(each["id"],)) for each in offers]
    for each in threads:
        each.start()
    assert "12 states" in answer(client, "Which states exempt hotels from tax?", key="key-last")["text"]
    for each in threads:
        each.join()
    go.set()
    assert {each.status_code for each in found} <= {200, 429}
    assert any("It may have happened" in str(each.json()) for each in found if each.status_code == 200)
