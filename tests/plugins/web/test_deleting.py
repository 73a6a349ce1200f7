"""Conversations are found by the words of their questions, and deleted for good by whoever had them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from bot.storage.tables.access import AuditRow
from bot.storage.tables.answers import AnswerRow, QuestionRow
from bot.storage.tables.delivery import InboxRow
from bot.storage.tables.feedback import CorrectionRow, CuratedAnswerRow, VoteRow
from plugins.web.testing.fixtures import answer, ask, events

if TYPE_CHECKING:
    from bot.testing.engines import ScriptedEngine
    from bot.testing.serving import ServeHome
    from plugins.web.testing.fixtures import MakeWeb, Visit

QUESTION = "Which states exempt hotels from tax?"


def test_a_deleted_conversation_leaves_nothing(
    make_web: MakeWeb, serve_home: ServeHome, visit: Visit, web_engine: ScriptedEngine
) -> None:
    home = serve_home(make_web())
    client = visit(home)
    first = answer(client, QUESTION)
    client.post(f"/api/answers/{first['id']}/correction", json={"text": "Eleven states."})
    answer(client, "How do I book a train?", key="key-0002", conversation="conversation-2")
    web_engine.delay = 0.5
    running = ask(client, "Where do I show the form of hotels at the desk?", key="key-0003").json()
    deadline = time.monotonic() + 10
    while not web_engine.running and time.monotonic() < deadline:
        time.sleep(0.02)

    assert client.delete("/api/conversations/conversation-1").status_code == 204
    name, told = events(client, running["events"])[-1]
    assert (name, told["stopped"]) == ("failed", True)
    while web_engine.running:
        time.sleep(0.02)
    assert [each["id"] for each in client.get("/api/conversations").json()] == ["conversation-2"]
    assert client.get("/api/questions").json() == []
    with home.mentee.store.read() as session:
        assert [row.thread for row in session.query(QuestionRow)] == ["conversation-2"]
        assert session.query(AnswerRow).count() == 1
        for table in (VoteRow, CorrectionRow, CuratedAnswerRow):
            assert session.query(table).count() == 0
        assert not any("hotels" in str(row.payload) for row in session.query(InboxRow))
        erased = session.query(AuditRow).where(AuditRow.action == "question.erase")
        assert [(row.actor, row.subject) for row in erased] == [("web:demo", first["question_id"])]
    assert client.delete("/api/conversations/conversation-1").status_code == 404


def test_conversations_are_found_by_the_words_of_their_questions(
    make_web: MakeWeb, serve_home: ServeHome, visit: Visit
) -> None:
    client = visit(serve_home(make_web()))
    answer(client, QUESTION)
    answer(client, "Wie gro\u00df darf das GEP\u00c4CK sein?", key="key-0002", conversation="conversation-2")

    def found(words: str) -> list[str]:
        listed = client.get("/api/conversations", params={"q": words}).json()
        return [each["id"] for each in listed]

    assert found("HOTELS") == ["conversation-1"]
    assert found("gep\u00e4ck") == ["conversation-2"]
    assert found("%") == []
    assert found("12 states") == []  # only in the answer
    assert found(" ") == ["conversation-2", "conversation-1"]
