"""What people said about answers, as rounds read it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from bot.domain.answers import Answer
from bot.domain.feedback import Correction, Vote
from bot.domain.identifiers import now
from bot.domain.people import Person, Role
from bot.domain.questions import Question

if TYPE_CHECKING:
    from bot.testing.homes import MakeHome, Mentee

ADA, BOB = Person("user:ada"), Person("user:bob")
GUS = Person("user:gus", role=Role.AGENT)


@pytest.fixture
def mentee(make_home: MakeHome) -> Mentee:
    return make_home(departments=("travel", "hr"), built_in=())


def answered(mentee: Mentee, text: str, department: str = "travel") -> str:
    question = Question(text, ADA)
    answer = Answer(question.id, "Yes.", known=True, department=department)
    mentee.recorder.record(question, answer)
    return answer.id


def test_an_answer_comes_with_its_votes_corrections_and_proposals(mentee: Mentee) -> None:
    answer_id = answered(mentee, "Are hotels tax exempt?")
    answered(mentee, "Does anybody care?")
    mentee.votes.record(Vote(answer_id, ADA, "down", "wrong"))
    mentee.votes.correct(Correction(answer_id, BOB, "In 11 states."))
    mentee.votes.correct(Correction(answer_id, GUS, "In 12 states."))
    (rated,) = mentee.feedback.rated("travel", now())
    assert (rated.exchange.question.text, rated.exchange.answer.id) == ("Are hotels tax exempt?", answer_id)
    assert rated.train_eligible
    assert {(vote.person.id, vote.value) for vote in rated.votes} == {
        ("user:ada", "down"), ("user:bob", "down"), ("user:gus", "down"),
    }  # fmt: skip
    assert [(each.person, each.text) for each in rated.corrections] == [(GUS, "In 12 states.")]
    assert [(each.person, each.text) for each in rated.proposals] == [(BOB, "In 11 states.")]


def test_other_departments_and_later_votes_are_left_out(mentee: Mentee) -> None:
    for department in ("travel", "hr"):
        mentee.votes.record(Vote(answered(mentee, "Are hotels tax exempt?", department), BOB, "up"))
    assert [each.exchange.answer.department for each in mentee.feedback.rated("hr", now())] == ["hr"]
    assert mentee.feedback.rated("travel", now() - timedelta(minutes=1)) == ()


def test_votes_are_counted_by_answer_and_by_time(mentee: Mentee) -> None:
    first, second = answered(mentee, "One?"), answered(mentee, "Two?")
    for person in (ADA, BOB):
        mentee.votes.record(Vote(first, person, "up"))
    mentee.votes.record(Vote(first, BOB, "down"))  # another opinion, no other vote
    assert mentee.feedback.count_votes([first, second]) == 2
    assert mentee.feedback.count_new_votes("travel", None) == 2
    assert mentee.feedback.count_new_votes("hr", None) == 0
    assert mentee.feedback.count_new_votes("travel", now() + timedelta(seconds=1)) == 0
