"""Questions handed to a person in web chat: who may, who sees the reply, and what erasing leaves of it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from bot.domain.answers import Answer
from bot.domain.departments import DepartmentSpec
from bot.domain.people import Basis, Person, Role
from bot.domain.questions import Attachment, Question
from bot.storage.tables.delivery import OutboxRow
from bot.storage.tables.feedback import EscalationRow
from bot.testing.notes import make_plugin
from plugins.web.testing.fixtures import IT, TRAVEL, MakeWeb, Visit, answer, bearer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import httpx2

    from bot.testing.serving import ServedHome, ServeHome

    Client = Callable[[str], httpx2.Client]

QUESTION = "Are hotels taxed in all of the states?"
REFUSED = "Who won the cup?"
BOARD = DepartmentSpec("board", "Board", open=False)
ADA = Person("web:ada")


def reachable(target: str) -> Mapping[str, str] | None:
    return {"to": target} if target.startswith("post:") else None


@pytest.fixture
def home(make_web: MakeWeb, serve_home: ServeHome) -> ServedHome:
    """A served home with ada and bob, employees, gus, an agent of travel, and ian, an agent of IT."""
    post = make_plugin(find_address=reachable)
    mentee = make_web({"web": {"sign_in": "password"}}, departments=(TRAVEL, IT, BOARD), plugins={"post": post})
    for name in ("ada", "bob", "gus", "ian"):
        mentee.people.add(name, role=Role.EMPLOYEE, password=None, actor="test")
    mentee.people.set_role("gus", Role.AGENT, department="travel", actor="test")
    mentee.people.set_role("ian", Role.AGENT, department="it", actor="test")
    return serve_home(mentee)


@pytest.fixture
def client(home: ServedHome, visit: Visit) -> Client:
    """Return a function that opens a client for a person."""

    def open_client(name: str) -> httpx2.Client:
        opened = visit(home, first_page=False)
        opened.headers |= bearer(home, name)
        return opened

    return open_client


def given(home: ServedHome, department: str = "travel", **more: Any) -> str:
    """Record an answer to ada, and return its id."""
    question = Question(QUESTION, ADA, channel="web", place="conversation-1", thread="conversation-1", **more)
    rests_on = (Basis(department),)
    said = Answer(question.id, "12 states.", known=True, department=department, rests_on=rests_on)
    home.mentee.recorder.record(question, said)
    return said.id


def path(answer_id: str) -> str:
    return f"/api/v1/answers/{answer_id}/escalation"


def shown(client: httpx2.Client, conversation: str = "conversation-1") -> list[dict[str, Any]]:
    return [each["answer"] for each in client.get(f"/api/v1/conversations/{conversation}").json()]


def escalations(home: ServedHome) -> list[EscalationRow]:
    with home.mentee.store.read() as session:
        return session.query(EscalationRow).all()


def test_a_refusal_is_handed_to_a_person_whose_reply_comes_back(home: ServedHome, client: Client) -> None:
    ada, gus = client("ada"), client("gus")
    refused = answer(ada, REFUSED, department="travel")
    assert (refused["known"], refused["can_ask_person"], refused["escalation"]) == (False, True, None)
    assert ada.get(path(refused["id"])).json() is None
    handed_on = ada.post(path(refused["id"]), json={}).json()
    assert (handed_on["state"], handed_on["by"], handed_on["at"], handed_on["html"]) == ("waiting", "", None, "")
    assert ada.get(path(refused["id"])).json() == handed_on
    (row,) = escalations(home)
    reply = "Ask **Ina** <script>alert(1)</script>"
    assert gus.post(f"/desk/items/{row.id}/reply", data={"reply": reply}).status_code == 303
    (after,) = shown(ada)
    assert after["can_ask_person"] is False
    assert after["escalation"] == ada.get(path(refused["id"])).json()
    assert (after["escalation"]["state"], after["escalation"]["by"]) == ("replied", "gus")
    assert "<strong>Ina</strong>" in after["escalation"]["html"]
    assert "<script" not in after["escalation"]["html"]
    assert ada.post(path(refused["id"]), json={}).json() == after["escalation"], "it is answered once"


def test_closing_and_correcting_end_it_too(home: ServedHome, client: Client) -> None:
    ada, gus = client("ada"), client("gus")
    states = []
    for action, data in (("reject", {"seen": ""}), ("accept", {"seen": "", "text": "In 13 states."})):
        answer_id = given(home)
        ada.post(path(answer_id), json={})
        (row,) = (each for each in escalations(home) if each.state == "open")
        gus.post(f"/desk/items/{row.id}/{action}", data=data)
        after = ada.get(path(answer_id)).json()
        states.append((after["state"], after["by"], after["text"]))
    assert states == [("closed", "gus", ""), ("replied", "gus", "In 13 states.")]


def test_pressed_twice_and_in_two_tabs_it_is_one(home: ServedHome, client: Client) -> None:
    home.mentee.departments.configure("travel", {"escalations.channel": "post:help"}, actor="test")
    ada, answer_id = client("ada"), given(home)
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: ada.post(path(answer_id), json={}), range(4)))
    assert {each.status_code for each in answers} == {200}
    assert len({each.json()["since"] for each in answers}) == 1
    assert len(escalations(home)) == 1
    with home.mentee.store.read() as session:
        assert [(row.channel, row.kind, row.address) for row in session.query(OutboxRow)] == [
            ("post", "escalation", {"to": "post:help"})
        ]


def test_only_the_asker_hands_on_and_sees_the_reply(home: ServedHome, client: Client) -> None:
    answer_id = given(home)
    for name in ("bob", "gus"):
        opened = client(name)
        assert opened.post(path(answer_id), json={}).status_code == 404
        assert opened.get(path(answer_id)).status_code == 404
    client("ada").post(path(answer_id), json={})
    (row,) = escalations(home)
    ian = client("ian")
    assert ian.get(f"/desk/items/{row.id}").status_code == 404
    assert ian.post(f"/desk/items/{row.id}/reply", data={"reply": "Mine."}).status_code == 404
    client("gus").post(f"/desk/items/{row.id}/reply", data={"reply": "Ask Ina."})
    assert client("bob").get("/api/v1/conversations/conversation-1").json() == []
    assert client("bob").get(path(answer_id)).status_code == 404


def test_it_is_offered_where_somebody_can_take_it(home: ServedHome, client: Client) -> None:
    home.mentee.departments.set_member("board", "user:web:ada", member=True, actor="test")
    ada, answer_id = client("ada"), given(home, "board")

    def offered() -> bool:
        return bool(shown(ada)[0]["can_ask_person"])

    assert not offered(), "the board has no agent, and nobody runs this instance"
    refused = ada.post(path(answer_id), json={})
    assert (refused.status_code, escalations(home)) == (409, [])
    home.mentee.people.set_role("gus", Role.AGENT, department="board", actor="test")
    assert not offered(), "gus may not ask the board"
    home.mentee.departments.set_member("board", "user:web:gus", member=True, actor="test")
    assert offered()
    home.mentee.plugins.states.switch("desk", "", enabled=False, actor="test")
    assert not offered(), "nothing would show it to gus"
    home.mentee.departments.configure("board", {"escalations.owners": ["post:ina"]}, actor="test")
    assert offered()
    thanks = answer(ada, "Thank you!", conversation="conversation-2")
    assert (thanks["source"], thanks["can_ask_person"]) == ("courtesy", False)


def test_who_may_not_read_the_answer_any_more_reads_no_reply_to_it(home: ServedHome, client: Client) -> None:
    for name in ("ada", "gus"):
        home.mentee.departments.set_member("board", f"user:web:{name}", member=True, actor="test")
    home.mentee.people.set_role("gus", Role.AGENT, department="board", actor="test")
    ada, answer_id, other = client("ada"), given(home, "board"), given(home, "board")
    ada.post(path(answer_id), json={})
    gus = home.mentee.people.get("web:gus")
    home.mentee.escalations.resolve(escalations(home)[0].id, gus, "replied", "It moves to Rome.")
    home.mentee.departments.set_member("board", "user:web:ada", member=False, actor="test")
    assert "Rome" not in ada.get("/api/v1/conversations/conversation-1").text
    after = ada.get(path(answer_id)).json()
    assert (after["state"], after["by"], after["html"]) == ("replied", "gus", "")
    assert ada.post(path(other), json={}).status_code == 409


def test_what_was_made_from_a_file_is_handed_on_without_the_answer(home: ServedHome, client: Client) -> None:
    ada, gus = client("ada"), client("gus")
    answer_id = given(home, attachments=(Attachment("plan.txt"),))
    assert shown(ada)[0]["can_ask_person"]
    ada.post(path(answer_id), json={})
    page = gus.get("/desk/").text
    assert QUESTION in page
    assert "12 states" not in page


def test_a_demo_asks_and_answers_itself(web: ServedHome, visit: Visit) -> None:
    demo = visit(web)
    refused = answer(demo, REFUSED, department="travel")
    assert demo.post(path(refused["id"]), json={}).json()["state"] == "waiting"
    (row,) = escalations(web)
    demo.post(f"/desk/items/{row.id}/reply", data={"reply": "Nobody yet."})
    assert shown(demo)[0]["escalation"]["by"] == "Demo"


def test_a_deleted_conversation_leaves_the_queue_and_takes_back_its_notes(home: ServedHome, client: Client) -> None:
    home.mentee.departments.configure("travel", {"escalations.channel": "post:help"}, actor="test")
    ada, answer_id = client("ada"), given(home)
    ada.post(path(answer_id), json={})
    (row,) = escalations(home)
    assert ada.delete("/api/v1/conversations/conversation-1").status_code == 204
    assert escalations(home) == []
    assert ada.get(path(answer_id)).status_code == 404
    assert client("gus").post(f"/desk/items/{row.id}/reply", data={"reply": "Late."}).status_code == 404
    with home.mentee.store.read() as session:
        note, withdrawal = session.query(OutboxRow).order_by(OutboxRow.kind)
        assert (withdrawal.kind, withdrawal.lane) == ("escalation_withdrawal", note.lane)
        assert withdrawal.payload == {"note": note.id}


def test_erasing_the_asker_leaves_nothing_of_the_reply(home: ServedHome, client: Client) -> None:
    client("ada").post(path(given(home)), json={})
    gus = home.mentee.people.get("web:gus")
    home.mentee.escalations.resolve(escalations(home)[0].id, gus, "replied", "HERONBLUE knows it all.")
    assert home.mentee.erasing.person("ada", actor="test").left == ()
    assert escalations(home) == []
    assert list(home.mentee.erasing.orphans(lambda text: "HERONBLUE" in text)) == []


def test_erasing_the_agent_takes_their_name_and_their_words(home: ServedHome, client: Client) -> None:
    ada, answer_id = client("ada"), given(home)
    ada.post(path(answer_id), json={})
    gus = home.mentee.people.get("web:gus")
    home.mentee.escalations.resolve(escalations(home)[0].id, gus, "replied", "HERONBLUE knows it all.")
    assert home.mentee.erasing.person("gus", actor="test").left == ()
    after = ada.get(path(answer_id)).json()
    assert (after["state"], after["by"], after["text"], after["html"]) == ("replied", "", "", "")


def test_an_exported_conversation_has_the_sources_the_correction_and_the_reply(
    home: ServedHome, client: Client
) -> None:
    ada, gus = client("ada"), client("gus")
    found = answer(ada, QUESTION, department="travel")
    ada.post(path(found["id"]), json={})
    (row,) = escalations(home)
    assert gus.post(f"/desk/items/{row.id}/reply", data={"reply": "Ask **Ina**."}).status_code == 303
    ada.post(f"/api/v1/answers/{found['id']}/correction", json={"text": "In 13 states.\nSee the list."})
    exported = ada.get("/api/v1/conversations/conversation-1/export")
    assert exported.headers["content-type"] == "text/markdown; charset=utf-8"
    assert exported.headers["content-disposition"].startswith('attachment; filename="mentee-20')
    said = exported.text
    for part in (
        f"\n> {QUESTION}\n",
        f"\n{found['text']}\n",
        f"- [1] {found['citations'][0]['heading']}: {found['citations'][0]['document']}",
        "\n> In 13 states.\n> See the list.\n",
        "gus replied on ",
        "\n> Ask **Ina**.\n",
    ):
        assert part in said
    for other, conversation in ((gus, "conversation-1"), (ada, "conversation-2")):
        assert other.get(f"/api/v1/conversations/{conversation}/export").status_code == 404
