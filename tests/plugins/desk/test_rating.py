"""Rating an answer at the desk: by itself or with a decision, complete or not at all."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from bot.domain.feedback import Vote
from tests.plugins.desk.steps import ADA, BOB, answered, propose, seen

if TYPE_CHECKING:
    from bot.testing.serving import ServedHome
    from tests.plugins.desk.steps import Client

GRADES = {"correct": "3", "complete": "2", "tone": "1", "format": "1"}
ALL_YES = dict.fromkeys(GRADES, "1")


def grades(home: ServedHome, answer_id: str, person: str = "web:gus") -> tuple[list[int], str] | None:
    own = home.mentee.ratings.own(answer_id, person)
    return (list(own.grades.values()), own.cause) if own is not None else None


def test_an_answer_is_rated_by_itself(home: ServedHome, client: Client) -> None:
    answer_id = answered(home)
    item, gus = propose(home, answer_id), client("gus")
    assert "Rate the answer" in gus.get("/desk/").text
    done = gus.post(f"/desk/items/{item}/rate", data={**GRADES, "cause": "outdated"})
    assert done.headers["location"] == f"/desk/items/{item}?done=rated"
    assert grades(home, answer_id) == ([3, 2, 1, 1], "outdated")
    page = gus.get(done.headers["location"]).text
    assert "Your rating is saved." in page
    assert 'name="correct" value="3" required checked' in page
    gus.post(f"/desk/items/{item}/rate", data={**ALL_YES, "cause": "outdated"})
    assert grades(home, answer_id) == ([1, 1, 1, 1], ""), "nothing is wrong, so nothing has a cause"


def test_a_rating_comes_with_each_kind_of_decision(home: ServedHome, client: Client) -> None:
    gus = client("gus")
    accepted, rejected, replied = answered(home), answered(home, "Trains?"), answered(home, "Boats?")
    item = propose(home, accepted)
    page = gus.get(f"/desk/items/{item}").text
    gus.post(f"/desk/items/{item}/accept", data={"seen": seen(page), **GRADES, "cause": "wrong source"})
    assert grades(home, accepted) == ([3, 2, 1, 1], "wrong source")
    decided = gus.get(f"/desk/items/{item}").text
    assert "<bdi>You</bdi>: correct: no, complete: partly, tone: yes, format: yes; wrong source" in decided

    home.mentee.votes.record(Vote(rejected, BOB, "down", "wrong"))
    page = gus.get(f"/desk/items/{rejected}").text
    gus.post(f"/desk/items/{rejected}/reject", data={"seen": seen(page), "reason": "It is right.", **ALL_YES})
    assert grades(home, rejected) == ([1, 1, 1, 1], "")

    escalation, _ = home.mentee.escalations.open(replied, ADA)
    gus.post(f"/desk/items/{escalation.id}/reply", data={"reply": "By boat.", **GRADES})
    assert grades(home, replied) == ([3, 2, 1, 1], "")


@pytest.mark.parametrize(
    ("sent", "problem"),
    [
        ({"correct": "1"}, "Not graded yet: Complete, Tone, Format."),
        ({**GRADES, "tone": "4"}, "Not graded yet: Tone."),
        ({**GRADES, "cause": "<boredom>"}, "The cause is &#39;&lt;boredom&gt;&#39;. Expected one of"),
        ({}, "Not graded yet: Correct, Complete, Tone, Format."),
    ],
)
def test_an_incomplete_rating_is_refused_and_stays_chosen(
    home: ServedHome, client: Client, sent: dict[str, str], problem: str
) -> None:
    answer_id = answered(home)
    item, gus = propose(home, answer_id), client("gus")
    refused = gus.post(f"/desk/items/{item}/rate", data=sent)
    assert (refused.status_code, problem in refused.text) == (422, True), refused.text
    if sent.get("correct") == "3":
        assert 'name="correct" value="3" required checked' in refused.text
    assert grades(home, answer_id) is None
    page = gus.get("/desk/").text
    if sent and "cause" not in sent:
        both = gus.post(f"/desk/items/{item}/accept", data={"seen": seen(page), "text": "In 13.", **sent})
        assert (both.status_code, "In 13." in both.text) == (422, True), "nothing is decided before it is complete"
        assert home.mentee.curated.all("travel") == ()


def test_the_cause_that_voters_name_is_chosen_already(home: ServedHome, client: Client) -> None:
    answer_id = answered(home)
    home.mentee.votes.record(Vote(answer_id, BOB, "down", "outdated"))
    page = client("gus").get("/desk/").text
    assert re.search(r'value="outdated"[^>]* checked', page)
    home.mentee.votes.record(Vote(answer_id, ADA, "down", "unsafe"))
    assert not re.search(r'value="outdated"[^>]* checked', client("gus").get("/desk/").text)


def test_only_agents_of_the_department_rate_and_see_ratings(home: ServedHome, client: Client) -> None:
    board = answered(home, "How is the secret merger?", "board", "It is called HERON.")
    home.mentee.votes.record(Vote(board, BOB, "down", "wrong"))
    for name in ("gus", "eve"):
        assert client(name).post(f"/desk/items/{board}/rate", data=GRADES).status_code == 404
    assert client("ada").post(f"/desk/items/{board}/rate", data=GRADES).status_code == 403
    assert home.mentee.ratings.raters([board]) == {}

    answer_id = answered(home)
    item, gus, eve = propose(home, answer_id), client("gus"), client("eve")
    page = eve.get(f"/desk/items/{item}").text
    late = gus.post(f"/desk/items/{item}/rate", data=GRADES)
    assert (late.status_code, "eve is working on it" in late.text) == (409, True)
    eve.post(f"/desk/items/{item}/accept", data={"seen": seen(page), **GRADES})
    assert "Ratings" not in gus.get(f"/desk/items/{item}").text, "not before their own"
    gus.post(f"/desk/items/{item}/rate", data=ALL_YES)
    assert "<bdi>eve</bdi>: correct: no" in gus.get(f"/desk/items/{item}").text
