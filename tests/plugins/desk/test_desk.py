"""The desk over HTTP: who may open it, what it shows, and that of two agents at once one decides."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from bot.domain.answers import Answer
from bot.domain.feedback import Correction, Vote
from bot.domain.questions import Attachment, Question
from bot.storage.tables.feedback import EscalationRow, RejectionRow
from plugins.desk.differences import differences
from tests.plugins.desk.steps import ADA, BOB, answered, propose, seen

if TYPE_CHECKING:
    import httpx2

    from bot.testing.serving import ServedHome
    from plugins.web.testing.fixtures import Visit
    from tests.plugins.desk.steps import Client


def curated(home: ServedHome) -> list[str]:
    return [each.text for each in home.mentee.curated.all("travel")]


def test_only_agents_open_the_desk(home: ServedHome, client: Client) -> None:
    item = propose(home, answered(home))
    refused = client("ada").get("/desk/")
    assert (refused.status_code, "Only support agents can open this page." in refused.text) == (403, True)
    assert client("ada").post(f"/desk/items/{item}/accept", data={}).status_code == 403
    assert client("ada").post(f"/desk/items/{item}/reject", data={"reason": "No."}).status_code == 403
    for name in ("gus", "eve", "olga"):
        page = client(name).get(f"/desk/items/{item}").text
        assert "In 12 states." in page.replace("<ins>", "").replace("</ins>", "")
    assert curated(home) == []


def test_whoever_is_not_signed_in_is_led_back_to_the_item(home: ServedHome, visit: Visit) -> None:
    response = visit(home, first_page=False).get("/desk/items/co_1", headers={"Accept": "text/html"})
    assert (response.status_code, response.headers["location"]) == (303, "/sign-in?next=/desk/items/co_1")


def test_only_agents_are_shown_the_way_to_the_desk(home: ServedHome, client: Client, visit: Visit) -> None:
    def chat(name: str) -> str:
        token = home.mentee.sessions.open(home.mentee.people.get(f"web:{name}"))
        opened = visit(home, first_page=False)
        return opened.get("/", headers={"Cookie": f"{home.mentee.sessions.cookie}={token}"}).text

    for name, shown in (("ada", False), ("gus", True), ("olga", True)):
        assert ('href="/desk/"' in chat(name)) == shown
    assert 'href="/desk/"' in client("olga").get("/console/").text
    assert 'href="/console/"' in client("olga").get("/desk/").text
    assert 'href="/console/"' not in client("gus").get("/desk/").text
    home.mentee.plugins.states.switch("desk", "", enabled=False, actor="test")
    assert 'href="/desk/"' not in chat("gus") + client("olga").get("/console/").text
    assert client("gus").get("/desk/").status_code == 404


def test_the_queue_shows_what_waits_and_why(home: ServedHome, client: Client) -> None:
    first = answered(home, "Are <b>hotels</b> taxed?")
    item = propose(home, first, "In 12 <i>states</i>.")
    home.mentee.votes.record(Vote(first, BOB, "down", "wrong source"))
    home.mentee.escalations.open(answered(home, "May I sleep there?"), BOB)
    home.mentee.votes.record(Vote(answered(home, "Are trains late?"), BOB, "down", "outdated"))
    page = client("gus").get("/desk/").text
    for shown in (
        "<strong>1</strong> proposed correction<", "<strong>1</strong> question for a person",
        "<strong>1</strong> answer voted down", "Are &lt;b&gt;hotels&lt;/b&gt; taxed?", "Lodging › Taxes",
        "Hotels are tax exempt in 12 states.", "2 people voted the answer down: It is wrong; The source does not fit.",
        "<del>No.</del>", "<ins>In 12 &lt;i&gt;states&lt;/i&gt;.</ins>", "just now", "May I sleep there?",
    ):  # fmt: skip
        assert shown in page, shown
    assert "<bdi>bob</bdi> asked for a person." in skipped(client("gus"), page)
    assert page.index("hotels") < page.index("May I sleep") < page.index("Are trains late?")
    assert item in page


def skipped(client: httpx2.Client, page: str) -> str:
    """Skip the shown item and return the next page."""
    found = re.search(r'action="([^"]+/skip)"', page)
    assert found is not None
    return client.get(client.post(found[1]).headers["location"]).text


def test_an_empty_queue_says_what_will_appear(client: Client) -> None:
    page = client("gus").get("/desk/").text
    assert "Nothing waits for you" in page
    assert "answers from Travel that" in page


def test_an_agent_sees_nothing_of_what_they_may_not_judge(home: ServedHome, client: Client) -> None:
    item = propose(home, answered(home, "How is the secret merger?", "board"), "It is called HERON.")
    for name in ("gus", "eve"):
        opened = client(name)
        assert "merger" not in opened.get("/desk/").text
        assert opened.get(f"/desk/items/{item}").status_code == 404
        assert opened.post(f"/desk/items/{item}/accept", data={"text": "x", "anyway": "yes"}).status_code == 404
        assert opened.post(f"/desk/items/{item}/reject", data={"reason": "x"}).status_code == 404
    assert "HERON" in client("olga").get("/desk/").text


def test_an_accepted_proposal_is_given_from_now_on(home: ServedHome, client: Client) -> None:
    item, following = propose(home, answered(home)), propose(home, answered(home, "Trains?"), "They are late.")
    opened = client("gus")
    page = opened.get(f"/desk/items/{item}").text
    done = opened.post(f"/desk/items/{item}/accept", data={"seen": seen(page)})
    assert (done.status_code, done.headers["location"]) == (303, f"/desk/items/{following}?done=live")
    assert curated(home) == ["In 12 states."]
    page = opened.get(done.headers["location"]).text
    assert "Published. The next person who asks this gets it." in page
    decided = opened.get(f"/desk/items/{item}").text
    assert '<p class="done" role="note">You published a correction just now.' in decided
    assert "The answer then" in decided


def test_a_proposal_is_edited_before_it_is_accepted(home: ServedHome, client: Client) -> None:
    item = propose(home, answered(home))
    opened = client("gus")
    given = {"seen": seen(opened.get("/desk/").text), "text": "In 12 states.\r\nAsk at the desk."}
    assert opened.post(f"/desk/items/{item}/accept", data=given).headers["location"] == "/desk/?done=live"
    assert curated(home) == ["In 12 states.\nAsk at the desk."]


@pytest.mark.parametrize(
    ("action", "field", "typed"), [("accept", "text", " "), ("accept", "text", "x" * 8_001), ("reject", "reason", "")]
)
def test_a_refused_text_stays_typed(home: ServedHome, client: Client, action: str, field: str, typed: str) -> None:
    item = propose(home, answered(home))
    opened = client("gus")
    given = {"seen": seen(opened.get("/desk/").text), field: typed}
    refused = opened.post(f"/desk/items/{item}/{action}", data=given)
    assert refused.status_code == 422
    assert "must have 1 to" in refused.text
    assert typed in refused.text
    assert opened.get(f"/desk/items/{item}/{action}").headers["location"] == f"/desk/items/{item}"
    assert curated(home) == []


def test_a_rejected_proposal_leaves_the_queue_with_its_reason(home: ServedHome, client: Client) -> None:
    item = propose(home, answered(home))
    opened = client("gus")
    given = {"seen": seen(opened.get("/desk/").text), "reason": "The page says 12."}
    assert opened.post(f"/desk/items/{item}/reject", data=given).headers["location"] == "/desk/?done=rejected"
    assert "Nothing waits for you" in opened.get("/desk/").text
    with home.mentee.store.read() as session:
        (row,) = session.query(RejectionRow).all()
    assert (row.correction_id, row.person_id, row.reason) == (item, "web:gus", "The page says 12.")
    assert curated(home) == []


def test_of_two_agents_the_second_is_told_and_keeps_what_they_typed(home: ServedHome, client: Client) -> None:
    item = propose(home, answered(home))
    gus, eve = client("gus"), client("eve")
    read = seen(eve.get("/desk/").text)
    eve.post(f"/desk/items/{item}/skip")
    gus.post(f"/desk/items/{item}/accept", data={"seen": read})
    late = eve.post(f"/desk/items/{item}/accept", data={"seen": read, "text": "In 12 states & DC."})
    assert late.status_code == 409
    for shown in ("gus published a correction just now.", "What you typed is below.", "In 12 states &amp; DC."):
        assert shown in late.text, shown
    assert curated(home) == ["In 12 states."]
    reason = eve.post(f"/desk/items/{item}/reject", data={"seen": read, "reason": "Not all of them."})
    assert (reason.status_code, "Not all of them." in reason.text) == (409, True)

    mine = eve.post(f"/desk/items/{item}/accept", data={"text": "In 12 states & DC.", "anyway": "yes"})
    assert mine.headers["location"] == "/desk/?done=live"
    assert curated(home) == ["In 12 states & DC."]


def test_a_proposal_that_changed_is_shown_again_before_it_is_accepted(home: ServedHome, client: Client) -> None:
    item = propose(home, answered(home))
    opened = client("gus")
    read = seen(opened.get("/desk/").text)
    propose(home, home.mentee.reviews.queue(home.mentee.people.get("web:gus"))[0].answer_id, "In 13 states.")
    refused = opened.post(f"/desk/items/{item}/accept", data={"seen": read})
    assert refused.status_code == 409
    assert "This proposal was changed while you read it." in refused.text
    assert "In 13 states." in refused.text
    assert curated(home) == []


def test_a_question_for_a_person_is_answered_or_closed(home: ServedHome, client: Client) -> None:
    asked = [home.mentee.escalations.open(answered(home, f"Question {n}?"), ADA)[0] for n in range(2)]
    opened = client("gus")
    given = {"seen": seen(opened.get("/desk/").text), "text": "Ask the desk."}
    opened.post(f"/desk/items/{asked[0].id}/accept", data=given)
    opened.post(f"/desk/items/{asked[1].id}/reject", data={"seen": ""})
    with home.mentee.store.read() as session:
        outcomes = {row.id: (row.outcome, row.resolved_by) for row in session.query(EscalationRow)}
    assert outcomes == {asked[0].id: ("corrected", "web:gus"), asked[1].id: ("closed", "web:gus")}
    assert curated(home) == ["Ask the desk."]


def test_comments_of_votes_are_shown_with_their_author_and_go_with_them(home: ServedHome, client: Client) -> None:
    answer_id = answered(home)
    said = "<b>Not</b> in Ohio \u202e.oihO"
    home.mentee.votes.record(Vote(answer_id, BOB, "down", "outdated", said))
    opened = client("gus")
    page = opened.get("/desk/").text
    assert '<q dir="auto">&lt;b&gt;Not&lt;/b&gt; in Ohio \u202e.oihO</q>' in page
    assert re.search(r"<bdi>bob</bdi> · It is out of date · <time [^>]+>just now</time>", page)
    home.mentee.votes.record(Vote(answer_id, ADA, "down", "wrong", "Nor in Utah."))
    refused = opened.post(f"/desk/items/{answer_id}/reject", data={"seen": seen(page), "reason": "It is right."})
    assert refused.status_code == 409
    for shown in ("Somebody else voted this answer down while you read it.", "Nor in Utah.", "It is right."):
        assert shown in refused.text, shown
    home.mentee.erasing.person("bob", actor="test")
    page = opened.get("/desk/").text
    assert "Nor in Utah." in page
    assert "Ohio" not in page


def decided(client: Client, name: str = "ada") -> list[tuple[bool, str, str]]:
    """Return what a person is told became of their corrections in the conversation."""
    turns = client(name).get("/api/v1/conversations/conversation-1").json()
    found = [each["answer"]["decided"] for each in turns]
    return [(each["taken"], each["said"], each["text"]) for each in found if each]


def test_who_proposed_a_correction_is_told_at_the_answer_what_became_of_it(home: ServedHome, client: Client) -> None:
    answer_id = answered(home)
    item, opened = propose(home, answer_id), client("gus")
    assert decided(client) == []
    given = {"seen": seen(opened.get("/desk/").text), "reason": "The page <b>says</b> 12."}
    opened.post(f"/desk/items/{item}/reject", data=given)
    assert decided(client) == [(False, "gus didn't accept your correction.", "The page <b>says</b> 12.")]
    propose(home, answer_id, "In 13 states.")
    assert decided(client) == [], "it waits again"
    opened.post(f"/desk/items/{item}/accept", data={"seen": seen(opened.get("/desk/").text), "text": "In 12."})
    assert decided(client) == [(True, "gus published a correction that differs from yours.", "In 12.")]
    propose(home, answer_id, "In 14 states.")
    opened.post(f"/desk/items/{item}/accept", data={"seen": seen(opened.get("/desk/").text)})
    assert decided(client) == [(True, "gus published your correction.", "")]
    home.mentee.erasing.person("gus", actor="test")
    assert decided(client) == []


def test_who_may_no_longer_read_the_answer_is_not_told_what_replaced_it(home: ServedHome, client: Client) -> None:
    home.mentee.departments.set_member("board", "user:web:ada", member=True, actor="test")
    answer_id = answered(home, department="board")
    propose(home, answer_id)
    home.mentee.votes.correct(Correction(answer_id, home.mentee.people.get("web:olga"), "The heron merger."))
    assert decided(client) == [(True, "olga published a correction that differs from yours.", "The heron merger.")]
    home.mentee.departments.set_member("board", "user:web:ada", member=False, actor="test")
    assert decided(client) == []


def test_a_reply_goes_to_the_asker_alone(home: ServedHome, client: Client) -> None:
    escalation, _ = home.mentee.escalations.open(answered(home), ADA)
    where = f"/desk/items/{escalation.id}/reply"
    assert client("ada").post(where, data={"reply": "Mine."}).status_code == 403
    opened = client("gus")
    page = opened.get("/desk/").text
    assert "<bdi>ada</bdi> asked for a person" in page
    assert 'name="reply"' in page
    for text, problem in ((" ", "this one has 0"), ("x" * 8_001, "this one has 8,001")):
        refused = opened.post(where, data={"reply": text})
        assert refused.status_code == 422
        assert problem in refused.text
        assert text.strip() in refused.text
    assert opened.post(where, data={"reply": " In **13** states. "}).headers["location"] == "/desk/?done=replied"
    ended = home.mentee.escalations.get(escalation.id)
    assert (ended.outcome, ended.resolved_by, ended.reply) == ("replied", "web:gus", "In **13** states.")
    assert curated(home) == []
    assert "You replied to the person who asked" in opened.get(f"/desk/items/{escalation.id}").text


def test_of_two_replies_the_first_counts(home: ServedHome, client: Client) -> None:
    escalation, _ = home.mentee.escalations.open(answered(home), ADA)
    home.mentee.escalations.resolve(escalation.id, home.mentee.people.get("web:eve"), "replied", "In 13 states.")
    refused = client("gus").post(f"/desk/items/{escalation.id}/reply", data={"reply": "In 14 states."})
    assert refused.status_code == 409
    for shown in (
        "eve replied to the person who asked",
        "In 13 states.",
        "In 14 states.",
        "Your decision wasn't saved",
    ):
        assert shown in refused.text
    assert home.mentee.escalations.get(escalation.id).reply == "In 13 states."


def test_only_agents_of_its_department_reply(home: ServedHome, client: Client) -> None:
    escalation, _ = home.mentee.escalations.open(answered(home, department="it"), ADA)
    where = f"/desk/items/{escalation.id}"
    opened = client("gus")
    assert "Are hotels taxed?" not in opened.get("/desk/").text
    assert opened.get(where).status_code == 404
    assert opened.post(f"{where}/reply", data={"reply": "Mine."}).status_code == 404
    item = propose(home, answered(home))
    assert opened.post(f"/desk/items/{item}/reply", data={"reply": "Mine."}).status_code == 409
    assert home.mentee.escalations.get(escalation.id).outcome == ""


def test_what_was_made_from_somebodys_file_is_not_shown(home: ServedHome, client: Client) -> None:
    question = Question("What does it say?", ADA, attachments=(Attachment("plan.txt"),))
    answer = Answer(question.id, "HERON.", known=True, department="travel")
    home.mentee.recorder.record(question, answer)
    home.mentee.votes.record(Vote(answer.id, ADA, "down", "wrong", "HERON is a bird."))
    escalation, _ = home.mentee.escalations.open(answer.id, ADA)
    opened = client("gus")
    page = opened.get("/desk/").text
    assert "What does it say?" in page
    assert "HERON" not in page
    given = {"seen": seen(page), "text": "It says Heron."}
    assert opened.post(f"/desk/items/{escalation.id}/accept", data=given).headers["location"] == "/desk/?done=saved"
    assert curated(home) == []


def test_differences_are_told_by_word() -> None:
    assert differences("Hotels are exempt in 12 states.", "Hotels are exempt in 13 states.") == [
        ("same", "Hotels are exempt in "), ("removed", "12"), ("added", "13"), ("same", " states."),
    ]  # fmt: skip
    assert differences("", "New.") == [("added", "New.")]
    assert differences("Something else.", "Nothing of it left here now.") == [
        ("removed", "Something else."), ("added", "Nothing of it left here now."),
    ]  # fmt: skip
    long = "word other " * 2_000
    assert differences(long, f"{long}x") == [("removed", long.strip()), ("added", f"{long}x")]
