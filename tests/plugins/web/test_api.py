from __future__ import annotations

import json
import threading
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import pytest

from bot.access.people import People
from bot.cli.main import run
from bot.domain.answers import DirectAnswer, Verdict
from bot.domain.departments import DepartmentSpec
from bot.domain.errors import BusyError
from bot.domain.people import Person, Role
from bot.storage.tables.answers import AnswerRow
from bot.storage.tables.delivery import InboxRow
from bot.storage.tables.feedback import CorrectionRow, CuratedAnswerRow, VoteEventRow, VoteRow
from bot.testing.notes import make_plugin
from plugins.web.conversations import REFUSED
from plugins.web.testing.fixtures import TRAVEL, MakeWeb, Visit, answer, ask, events

if TYPE_CHECKING:
    from bot.hooks.context.plugin_context import PluginContext
    from bot.testing.engines import ScriptedEngine
    from bot.testing.serving import ServedHome, ServeHome

QUESTION = "Which states exempt hotels from tax?"
PASSWORD = "correct horse battery"
JSON, FORM = "application/json", "application/x-www-form-urlencoded"


def rows(home: ServedHome, table: type[Any]) -> list[Any]:
    with home.mentee.store.read() as session:
        return session.query(table).all()


def test_a_question_is_committed_before_it_is_accepted_and_streamed_to_its_answer(
    web: ServedHome, visit: Visit, web_engine: ScriptedEngine
) -> None:
    web_engine.delay = 0.2  # so that the answer is still being written when we begin to watch
    client = visit(web)
    accepted = ask(client, QUESTION)
    assert accepted.status_code == 202
    assert len(rows(web, InboxRow)) == 1
    found = events(client, accepted.json()["events"])
    names = [name for name, _ in found]
    assert names[-1] == "done"
    assert {"status", "text"} <= set(names[:-1])
    given = found[-1][1]
    assert (given["known"], given["department"], given["department_title"]) == (True, "travel", "Travel")
    assert "<strong>12 states</strong>" in given["html"]
    (citation,) = given["citations"]
    assert citation["document"] == "travel/lodging.md"
    assert set(citation) == {"n", "document", "heading", "text", "html"}
    assert "provenance" not in given
    assert given["completions"] == {}, "no plugin asked the model"


def test_an_answer_says_which_plugin_had_the_model_write(
    make_web: MakeWeb, serve_home: ServeHome, visit: Visit, web_engine: ScriptedEngine
) -> None:
    def answer_directly(context: PluginContext) -> DirectAnswer:
        return DirectAnswer(context.model.complete("Sum up the tickets"))

    client = visit(serve_home(make_web(plugins={"tickets": make_plugin(answer_directly=answer_directly)})))
    web_engine.say("Two are open.")
    given = answer(client, QUESTION)
    assert (given["text"], given["completions"]) == ("Two are open.", {"tickets": 1})


def test_the_same_key_is_the_same_question(web: ServedHome, visit: Visit) -> None:
    client = visit(web)
    first, second = ask(client, QUESTION), ask(client, QUESTION)
    assert first.json() == second.json()
    assert len(rows(web, InboxRow)) == 1
    events(client, first.json()["events"])
    assert ask(client, QUESTION).json() == first.json()
    assert len(rows(web, AnswerRow)) == 1


def test_a_question_of_another_process_is_found_in_the_database(web: ServedHome, visit: Visit) -> None:
    client = visit(web)
    path = ask(client, QUESTION).json()["events"]
    given = events(client, path)[-1]
    web.mentee.answer_events._ended.clear()
    assert events(client, path) == [given]


def test_an_error_of_the_engine_is_told_to_the_asker(web: ServedHome, visit: Visit, web_engine: ScriptedEngine) -> None:
    web_engine.say(BusyError("The engine is full.", retry_after=0.1))
    assert answer(visit(web), QUESTION)["known"] is True


def test_a_refused_question_ends_with_the_reason(web: ServedHome, visit: Visit) -> None:
    client = visit(web)
    path = ask(client, QUESTION, department="it").json()["events"]
    web.mentee.departments.configure("it", {"open": "false"}, actor="test")
    name, data = events(client, path)[-1]
    assert name in ("failed", "done")
    assert data["text"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"text": "x" * 4_001}, 413),
        ({"text": "  "}, 400),
        ({"department": "nowhere"}, 404),
        ({"key": "x"}, 422),
        ({"conversation": "../../etc"}, 422),
        ({"more": 1}, 422),
    ],
)
def test_unusable_questions_are_refused_and_nothing_is_written(
    web: ServedHome, visit: Visit, body: dict[str, Any], status: int
) -> None:
    asked = {"text": QUESTION, **body}
    assert ask(visit(web), asked.pop("text"), **asked).status_code == status
    assert rows(web, InboxRow) == []


@pytest.mark.parametrize(
    ("method", "path", "body", "kind"),
    [
        ("POST", "/api/v1/questions", rb'{"text": "a\ud800b", "conversation": "c-000001", "key": "k-000001"}', JSON),
        ("POST", "/api/v1/questions", rb'{"text": "a\u0000b", "conversation": "c-000001", "key": "k-000001"}', JSON),
        ("POST", "/api/v1/questions", b'{"text": "\xed\xa0\x80", "conversation": "c-000001", "key": "k-000001"}', JSON),
        ("POST", "/api/v1/questions", '{"text": "a\\u0000b"}'.encode("utf-16-le"), JSON),
        ("POST", "/api/v1/answers/a_x/vote", rb'{"value": "up", "comment": "\udc80"}', JSON),
        ("POST", "/api/v1/answers/a_x/correction", rb'{"text": "\udc80"}', JSON),
        ("POST", "/api/v1/answers/a_x/correction", rb'{"\u0000": [{"\ud800": 1}]}', JSON),
        ("POST", "/api/v1/answers/a_x/correction", b'{"text": ' + b"[" * 200_000, JSON),
        ("POST", "/sign-in", b"name=%00&password=x", FORM),
        ("POST", "/sign-in", b"name=ada&password=%ED%A0%80", FORM),
        ("POST", "/console/plugins/web/settings", b"department=\xff", FORM),
        ("GET", "/api/v1/conversations/%00", b"", JSON),
        ("GET", "/api/v1/conversations/%ED%A0%80", b"", JSON),
        ("GET", "/console/?department=%00", b"", JSON),
        ("GET", "/static/%00.css", b"", JSON),
    ],
)
def test_text_that_nothing_can_hold_is_refused_on_receipt(  # noqa: PLR0917 - a request and its home
    web: ServedHome, visit: Visit, method: str, path: str, body: bytes, kind: str
) -> None:
    refused = visit(web).request(method, path, content=body, headers={"content-type": kind})
    assert refused.status_code == 400, refused.text
    assert rows(web, InboxRow) == []


def test_whole_surrogate_pairs_and_escapes_are_text(web: ServedHome, visit: Visit) -> None:
    body = rb'{"text": "\ud83d\ude00 na\u00efve?", "conversation": "c-000001", "key": "k-000001"}'
    accepted = visit(web).post("/api/v1/questions", content=body, headers={"content-type": JSON})
    assert accepted.status_code == 202, accepted.text
    assert rows(web, InboxRow)[0].payload["text"] == "\U0001f600 naïve?"


def test_a_closed_department_is_refused_and_not_listed(make_web: MakeWeb, serve_home: ServeHome, visit: Visit) -> None:
    closed = DepartmentSpec("board", "Board", open=False, examples=("Who is paid what?",))
    home = serve_home(make_web({"web": {"sign_in": "password"}}, departments=(TRAVEL, closed)))
    People(home.mentee.store).add("ada", role=Role.EMPLOYEE, password=PASSWORD, actor="test")
    client = visit(home, first_page=False)
    client.post("/sign-in", data={"name": "ada", "password": PASSWORD})
    assert [found["name"] for found in client.get("/api/v1/departments").json()] == ["travel"]
    assert ask(client, QUESTION, department="board").status_code == 403
    unknown = ask(client, QUESTION, department="nowhere")
    assert (unknown.status_code, "travel" in unknown.text, "board" in unknown.text) == (404, True, False)
    home.mentee.departments.set_member("board", "user:web:ada", member=True, actor="test")
    assert len(client.get("/api/v1/departments").json()) == 2
    assert ask(client, QUESTION, department="board").status_code == 202


def test_too_many_questions_a_minute_are_told_when_to_come_back(
    make_web: MakeWeb, serve_home: ServeHome, visit: Visit
) -> None:
    client = visit(serve_home(make_web({"limits": {"questions_per_minute": 2}})))
    statuses = [ask(client, QUESTION, key=f"key-000{number}").status_code for number in range(3)]
    assert statuses == [202, 202, 429]
    refused = ask(client, QUESTION, key="key-0009")
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert ask(client, QUESTION, key="key-0001").status_code == 202


def test_a_full_inbox_says_busy(
    make_web: MakeWeb, serve_home: ServeHome, visit: Visit, web_engine: ScriptedEngine
) -> None:
    web_engine.gate.clear()
    home = serve_home(make_web({"limits": {"queue": 2, "drain_seconds": 0.1}}))
    client = visit(home)
    statuses = [ask(client, QUESTION, key=f"key-000{number}").status_code for number in range(3)]
    assert statuses == [202, 202, 429]


def test_only_the_asker_may_watch_vote_or_correct(make_web: MakeWeb, serve_home: ServeHome, visit: Visit) -> None:
    home = serve_home(make_web({"web": {"sign_in": "password"}}))
    people = People(home.mentee.store)
    clients = {}
    for name in ("ada", "eve"):
        people.add(name, role=Role.OPERATOR, password=PASSWORD, actor="test")
        clients[name] = visit(home, first_page=False)
        clients[name].post("/sign-in", data={"name": name, "password": PASSWORD})
    path = ask(clients["ada"], QUESTION).json()["events"]
    given = events(clients["ada"], path)[-1][1]
    assert clients["eve"].get(path).status_code == 404
    assert clients["eve"].post(f"/api/v1/answers/{given['id']}/vote", json={"value": "up"}).status_code == 404
    assert clients["eve"].post(f"/api/v1/answers/{given['id']}/correction", json={"text": "x"}).status_code == 404
    assert clients["eve"].get("/api/v1/conversations").json() == []
    assert clients["eve"].get("/api/v1/conversations/conversation-1").json() == []
    assert rows(home, VoteEventRow) == []


def test_votes_are_changed_explained_and_taken_back(web: ServedHome, visit: Visit) -> None:
    client = visit(web)
    path = f"/api/v1/answers/{answer(client, QUESTION)['id']}/vote"
    for body in ({"value": "up"}, {"value": "down"}, {"value": "down", "reason": "outdated", "comment": "since May"}):
        assert client.post(path, json=body).status_code == 204
    (vote,) = rows(web, VoteRow)
    assert (vote.value, vote.reason, vote.comment, vote.person_id) == ("down", "outdated", "since May", "web:demo")
    assert client.post(path, json={"value": None}).status_code == 204
    assert rows(web, VoteRow) == []
    assert len(rows(web, VoteEventRow)) == 4


@pytest.mark.parametrize("body", [{"value": "sideways"}, {"value": "up", "reason": "because"}, {}])
def test_unusable_votes_are_refused(web: ServedHome, visit: Visit, body: dict[str, Any]) -> None:
    client = visit(web)
    assert client.post(f"/api/v1/answers/{answer(client, QUESTION)['id']}/vote", json=body).status_code == 422


def test_a_forged_answer_id_is_refused(web: ServedHome, visit: Visit) -> None:
    client = visit(web)
    assert client.post("/api/v1/answers/a_forged/vote", json={"value": "up"}).status_code == 404
    assert client.post("/api/v1/answers/a_forged/correction", json={"text": "x"}).status_code == 404


def test_a_correction_is_live_at_once_and_shown_as_a_colleagues(web: ServedHome, visit: Visit) -> None:
    client = visit(web)
    given = answer(client, QUESTION)
    corrected = client.post(f"/api/v1/answers/{given['id']}/correction", json={"text": "Eleven states."})
    assert corrected.json() == {"live": True}
    assert (len(rows(web, CorrectionRow)), len(rows(web, CuratedAnswerRow))) == (1, 1)
    again = answer(client, QUESTION, key="key-0002")
    assert (again["source"], again["text"]) == ("curated", "Eleven states.")


ALIKE = {
    "which states exempt hotels from tax": True,
    "What states exempt hotels from taxes?": True,
    "Which states don't exempt hotels from tax?": False,
    "Which states exempt flights from tax?": False,
    "Which states exempt hotels from tax in March?": False,
}


def test_the_page_and_the_command_line_give_the_same_curated_answers(
    web: ServedHome,
    visit: Visit,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    client = visit(web)
    given = answer(client, QUESTION)
    client.post(f"/api/v1/answers/{given['id']}/correction", json={"text": "Eleven states."})
    monkeypatch.setattr("bot.cli.commands.ask.opened", lambda: nullcontext(web.mentee))
    for number, (asked, same) in enumerate(ALIKE.items()):
        over_http = answer(client, asked, key=f"key-100{number}", conversation=f"conversation-1{number}")
        capsys.readouterr()
        assert run(["ask", asked, "--department", over_http["department"], "--json"]) == 0
        on_terminal = json.loads(capsys.readouterr().out)
        found = [text == "Eleven states." for text in (over_http["text"], on_terminal["answer"])]
        assert found == [same, same], asked


def test_a_conversation_is_listed_and_read_back_with_vote_and_correction(web: ServedHome, visit: Visit) -> None:
    client = visit(web)
    given = answer(client, QUESTION)
    client.post(f"/api/v1/answers/{given['id']}/correction", json={"text": "Eleven states."})
    answer(client, "How do I book a train?", key="key-0002")
    answer(client, "When does a new laptop come?", key="key-0003", conversation="conversation-2")
    titles = {found["id"]: found["title"] for found in client.get("/api/v1/conversations").json()}
    assert titles == {"conversation-1": QUESTION, "conversation-2": "When does a new laptop come?"}
    turns = client.get("/api/v1/conversations/conversation-1").json()
    assert [turn["question"]["text"] for turn in turns] == [QUESTION, "How do I book a train?"]
    assert turns[0]["answer"]["correction"] == "Eleven states."
    assert turns[0]["answer"]["vote"]["value"] == "down"


def test_an_answer_that_a_new_guard_refuses_is_not_read_back(
    make_web: MakeWeb, serve_home: ServeHome, visit: Visit
) -> None:
    mentee = make_web(plugins={"new": make_plugin(check_answer=lambda: Verdict(ok=False))})
    mentee.plugins.states.switch("new", "", enabled=False, actor="test")
    client = visit(serve_home(mentee))
    given = answer(client, QUESTION)
    mentee.plugins.states.switch("new", "", enabled=True, actor="test")
    (turn,) = client.get("/api/v1/conversations/conversation-1").json()
    assert turn["answer"]["text"] == REFUSED
    assert turn["answer"]["citations"] == []
    assert given["text"] not in str(turn)


def test_the_turns_before_go_along_with_a_question(web: ServedHome, visit: Visit, web_engine: ScriptedEngine) -> None:
    client = visit(web)
    answer(client, QUESTION)
    answer(client, "How do I book a train?", key="key-0002")
    assert QUESTION in str(web_engine.requests[-1].messages)


def test_a_question_that_nothing_answers_says_so(web: ServedHome, visit: Visit) -> None:
    given = answer(visit(web), "What is the airspeed of an unladen swallow?", department="it")
    assert given["known"] is False
    assert given["source"] == "none"


def test_the_api_describes_itself(web: ServedHome, visit: Visit) -> None:
    schema = visit(web).get("/api/v1/openapi.json").json()
    assert "/api/v1/questions" in schema["paths"]
    assert "/api/v1/answers/{answer_id}/vote" in schema["paths"]


def test_two_watchers_see_the_same_answer(
    make_web: MakeWeb, serve_home: ServeHome, visit: Visit, web_engine: ScriptedEngine
) -> None:
    web_engine.delay = 0.02
    client = visit(serve_home(make_web()))
    path = ask(client, QUESTION).json()["events"]
    seen = []
    watchers = [threading.Thread(target=lambda: seen.append(events(client, path))) for _ in range(2)]
    for watcher in watchers:
        watcher.start()
    for watcher in watchers:
        watcher.join(10)
    assert [found[-1][0] for found in seen] == ["done", "done"]
    assert seen[0][-1][1]["id"] == seen[1][-1][1]["id"]


def test_the_role_of_a_person_is_read_at_each_request(web: ServedHome, visit: Visit) -> None:
    client = visit(web)
    assert client.get("/console/").status_code == 200
    with web.mentee.store.write() as session:
        from bot.storage.tables.access import PersonRow

        session.get_one(PersonRow, "web:demo").role = Role.EMPLOYEE.value
    assert client.get("/console/").status_code == 403
    assert web.mentee.departments.person("web:demo") == Person("web:demo", "Demo", Role.EMPLOYEE)


def test_a_refusal_offers_the_departments_that_may_answer_while_they_may_be_asked(
    web: ServedHome, visit: Visit
) -> None:
    client = visit(web)
    given = answer(client, "Are hotels tax exempt in 12 states?", department="it")
    assert given["known"] is False
    assert given["elsewhere"] == [{"name": "travel", "title": "Travel"}]
    web.mentee.departments.remove("travel", actor="test")
    [turn] = client.get("/api/v1/conversations/conversation-1").json()
    assert turn["answer"]["elsewhere"] == []


def test_a_request_that_cannot_be_read_is_a_page_in_a_browser_and_json_for_programs(
    web: ServedHome, visit: Visit
) -> None:
    client = visit(web)
    address = f"/api/v1/conversations?q={'x' * 201}"
    page = client.get(address, headers={"Accept": "text/html"})
    assert page.status_code == 422
    assert "The request can&#39;t be read: q: String should have at most 200 characters." in page.text
    (wrong,) = client.get(address).json()["errors"]
    assert wrong == {"in": "query", "field": "q", "detail": "String should have at most 200 characters"}
    missing = client.get("/nowhere", headers={"Accept": "text/html"})
    assert (missing.status_code, "There is no page at /nowhere." in missing.text) == (404, True)
