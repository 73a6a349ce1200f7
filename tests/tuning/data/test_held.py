"""Votes that wait for an operator or were discarded teach routing nothing, either."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from bot.domain.answers import Answer
from bot.domain.feedback import Correction, Vote
from bot.domain.identifiers import now
from bot.domain.people import Person, Role
from bot.domain.questions import Question
from bot.testing import run_job
from tuning.data.aggregate import aggregate
from tuning.services import held_votes

if TYPE_CHECKING:
    from datetime import datetime

    from bot.testing.homes import MakeHome, Mentee
    from tuning.data.screening import Decision

ADA = Person("web:ada")
ASKED = "Where is the red umbrella that I left in room 204?"


@pytest.fixture
def mentee(make_home: MakeHome) -> Mentee:
    """An instance in which an account votes on the day it is seen for the first time."""
    made = make_home(departments=["it"])
    question = Question(ASKED, ADA, department="it", channel="web", train_eligible=True)
    made.recorder.record(question, Answer(question.id, "At the desk.", known=True, department="it", id="a_1"))
    made.votes.record(Vote("a_1", ADA, "up"))
    return made


def learned(mentee: Mentee) -> list[str]:
    run_job(mentee, "tuning", "screening")
    return [text for texts in mentee.history.liked(["it"], each=9, person=9).values() for text in texts]


def test_a_vote_counts_for_routing_once_nothing_holds_it(mentee: Mentee) -> None:
    assert learned(mentee) == [], "the account is young"
    mentee.departments.configure("it", {"tuning.account_days": 0}, actor="test")
    assert learned(mentee) == [ASKED]
    mentee.departments.configure("it", {"tuning.account_days": 4}, actor="test")
    assert learned(mentee) == []


@pytest.mark.parametrize(("decision", "counts"), [("released", [ASKED]), ("discarded", [])])
def test_what_an_operator_decides_holds_for_routing_too(mentee: Mentee, decision: Decision, counts: list[str]) -> None:
    held = held_votes(mentee)
    held.decide(held.waiting(mentee.departments, ["it"]), decision, actor="test")
    assert learned(mentee) == counts


def test_what_an_agent_has_overruled_gives_no_example(mentee: Mentee) -> None:
    mentee.departments.configure("it", {"tuning.account_days": 0}, actor="test")
    gus = Person("web:gus", role=Role.AGENT)
    mentee.votes.correct(Correction("a_1", Person("web:bob"), "In the bin."))
    before = now()

    def labels(as_of: datetime) -> tuple[list[str], dict[str, int]]:
        dropped: Counter[str] = Counter()
        rated = held_votes(mentee).screened(mentee.departments.get("it"), as_of).rated
        return [each.kind for each in aggregate(rated, dropped)], dict(dropped)

    assert labels(before) == ([], {"correction not accepted": 1, "people disagree": 1})
    mentee.reviews.reject(mentee.reviews.queue(gus)[0], gus, "It is at the desk.")
    assert labels(now()) == (["up"], {"an agent found that the answer stands": 1})
    assert labels(before) == ([], {"correction not accepted": 1, "people disagree": 1}), "a round that began before"


def test_nothing_is_screened_anew_while_nothing_changes(mentee: Mentee, monkeypatch: pytest.MonkeyPatch) -> None:
    held, screened = held_votes(mentee), []
    monkeypatch.setattr(mentee.votes, "set_usable", lambda name, _votes: screened.append(name))
    held.mark_usable(mentee.departments, mentee.votes)
    held.mark_usable(mentee.departments, mentee.votes)
    assert screened == ["it"]
    mentee.votes.record(Vote("a_1", ADA, "down"))
    held.mark_usable(mentee.departments, mentee.votes)
    assert screened == ["it", "it"]
