"""Conversations are found by their words, renamed, and deleted for good, by whoever had them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from bot.domain.people import Role
from bot.storage.tables.access import AuditRow
from bot.storage.tables.answers import AnswerRow, QuestionRow, ThreadTitleRow
from bot.storage.tables.delivery import InboxRow
from bot.storage.tables.feedback import CorrectionRow, CuratedAnswerRow, VoteRow
from plugins.web.testing.fixtures import answer, ask, events

if TYPE_CHECKING:
    import httpx2

    from bot.testing.engines import ScriptedEngine
    from bot.testing.serving import ServeHome
    from plugins.web.testing.fixtures import MakeWeb, Visit

PASSWORD = "correct horse battery"
QUESTION = "Which states exempt hotels from tax?"


def test_a_deleted_conversation_leaves_nothing(
    make_web: MakeWeb, serve_home: ServeHome, visit: Visit, web_engine: ScriptedEngine
) -> None:
    home = serve_home(make_web())
    client = visit(home)
    first = answer(client, QUESTION)
    client.post(f"/api/v1/answers/{first['id']}/correction", json={"text": "Eleven states."})
    answer(client, "How do I book a train?", key="key-0002", conversation="conversation-2")
    web_engine.delay = 0.5
    running = ask(client, "Where do I show the form of hotels at the desk?", key="key-0003").json()
    deadline = time.monotonic() + 10
    while not web_engine.running and time.monotonic() < deadline:
        time.sleep(0.02)

    assert client.delete("/api/v1/conversations/conversation-1").status_code == 204
    name, told = events(client, running["events"])[-1]
    assert (name, told["stopped"]) == ("failed", True)
    while web_engine.running:
        time.sleep(0.02)
    assert [each["id"] for each in client.get("/api/v1/conversations").json()] == ["conversation-2"]
    assert client.get("/api/v1/questions").json() == []
    with home.mentee.store.read() as session:
        assert [row.thread for row in session.query(QuestionRow)] == ["conversation-2"]
        assert session.query(AnswerRow).count() == 1
        for table in (VoteRow, CorrectionRow, CuratedAnswerRow):
            assert session.query(table).count() == 0
        assert not any("hotels" in str(row.payload) for row in session.query(InboxRow))
        erased = session.query(AuditRow).where(AuditRow.action == "question.erase")
        assert [(row.actor, row.subject) for row in erased] == [("web:demo", first["question_id"])]
    assert client.delete("/api/v1/conversations/conversation-1").status_code == 404


def test_conversations_are_found_by_the_words_of_their_questions(
    make_web: MakeWeb, serve_home: ServeHome, visit: Visit
) -> None:
    client = visit(serve_home(make_web()))
    answer(client, QUESTION)
    answer(client, "Wie gro\u00df darf das GEP\u00c4CK sein?", key="key-0002", conversation="conversation-2")

    def found(words: str) -> list[str]:
        listed = client.get("/api/v1/conversations", params={"q": words}).json()
        return [each["id"] for each in listed]

    assert found("HOTELS") == ["conversation-1"]
    assert found("gep\u00e4ck") == ["conversation-2"]
    assert found("%") == []
    assert found("12 states") == []  # only in the answer
    assert found(" ") == ["conversation-2", "conversation-1"]


def test_a_conversation_keeps_the_title_that_its_owner_gives_it(
    make_web: MakeWeb, serve_home: ServeHome, visit: Visit
) -> None:
    home = serve_home(make_web({"web": {"sign_in": "password"}}))
    for name in ("ada", "bob"):
        home.mentee.people.add(name, role=Role.EMPLOYEE, password=PASSWORD, actor="test")
    ada, bob = (visit(home, first_page=False) for _ in range(2))
    for client, name in ((ada, "ada"), (bob, "bob")):
        client.post("/sign-in", data={"name": name, "password": PASSWORD})
        answer(client, QUESTION)
        answer(client, QUESTION, key="key-0002", conversation=f"conversation-of-{name}")

    def titles(client: httpx2.Client, words: str = "") -> list[str]:
        return [each["title"] for each in client.get("/api/v1/conversations", params={"q": words}).json()]

    def rename(client: httpx2.Client, title: str, conversation: str = "conversation-1") -> httpx2.Response:
        return client.patch(f"/api/v1/conversations/{conversation}", json={"title": title})

    assert rename(ada, "  Trip to\n MÜNCHEN ").status_code == 204
    assert rename(ada, "Trip to MÜNCHEN").status_code == 204
    assert titles(ada) == [QUESTION, "Trip to MÜNCHEN"]
    assert titles(ada, "münchen") == ["Trip to MÜNCHEN"]
    assert titles(ada, "hotels") == [QUESTION, "Trip to MÜNCHEN"]  # still found by its question
    assert titles(bob) == [QUESTION, QUESTION]
    assert titles(bob, "münchen") == []
    for conversation in ("conversation-of-ada", "conversation-9"):
        assert rename(bob, "Mine", conversation).status_code == 404
    refused = rename(ada, "x" * 81)
    assert refused.status_code == 400
    assert "at most 80 characters; this one has 81" in refused.json()["detail"]
    assert rename(ada, " ").status_code == 204
    assert titles(ada) == [QUESTION, QUESTION]


def test_a_title_goes_with_its_conversation_and_with_its_owner(
    make_web: MakeWeb, serve_home: ServeHome, visit: Visit
) -> None:
    home = serve_home(make_web())
    client = visit(home)

    def kept() -> list[tuple[str, str]]:
        with home.mentee.store.read() as session:
            return [(row.thread, row.title) for row in session.query(ThreadTitleRow)]

    for number in (1, 2):
        answer(
            client,
            "Where do I show the form at the hotel?",
            key=f"key-000{number}",
            conversation=f"conversation-{number}",
        )
        client.patch(f"/api/v1/conversations/conversation-{number}", json={"title": f"HERONBLUE {number}"})
    assert client.delete("/api/v1/conversations/conversation-1").status_code == 204
    assert kept() == [("conversation-2", "HERONBLUE 2")]
    erased = home.mentee.erasing.person("web:demo", actor="test")
    assert kept() == []
    assert erased.left == ()
    assert list(home.mentee.erasing.orphans(lambda text: "HERONBLUE" in text)) == []
