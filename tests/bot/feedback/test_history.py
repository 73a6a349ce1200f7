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
    from datetime import datetime

    from bot.testing.homes import MakeHome, Mentee

ADA, BOB, CY = Person("user:ada"), Person("user:bob"), Person("user:cy")
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


# --- what an agent decides at the desk ---------------------------------------------------------------------------


def reject(mentee: Mentee, reason: str = "The page says so.") -> datetime:
    """Reject what waits first; return when."""
    mentee.reviews.reject(mentee.reviews.queue(GUS)[0], GUS, reason)
    return now()


def said(mentee: Mentee, as_of: datetime | None = None) -> list[tuple[list[str], list[str], int]]:
    """Return for each rated answer who voted on it, what is proposed, and how often it was found right."""
    return [
        ([vote.person.id for vote in each.votes], [one.text for one in each.proposals], each.rejections)
        for each in mentee.feedback.rated("travel", as_of or now())
    ]


def test_a_rejected_proposal_and_the_vote_that_came_with_it_count_no_more(mentee: Mentee) -> None:
    answer_id = answered(mentee, "Are hotels tax exempt?")
    mentee.votes.record(Vote(answer_id, BOB, "down", "wrong"))
    mentee.votes.correct(Correction(answer_id, ADA, "In 11 states."))
    before, state = now(), mentee.feedback.state("travel")
    rejected = reject(mentee)
    assert said(mentee) == [([BOB.id], [], 1)]
    assert said(mentee, before) == [([BOB.id, ADA.id], ["In 11 states."], 0)], "a round that began before"
    assert mentee.feedback.state("travel") != state, "or votes would not be screened anew"

    mentee.votes.correct(Correction(answer_id, ADA, "In 13 states."))
    assert said(mentee) == [([BOB.id, ADA.id], ["In 13 states."], 1)], "said anew"
    assert said(mentee, rejected) == [([BOB.id], [], 1)], "a round that began between"


def test_votes_down_on_an_answer_that_was_found_right_count_no_more(mentee: Mentee) -> None:
    answer_id = answered(mentee, "Are hotels tax exempt?")
    mentee.votes.record(Vote(answer_id, ADA, "down", "wrong", "Not for us."))
    mentee.votes.record(Vote(answer_id, CY, "up"))
    assert mentee.feedback.count_new_votes("travel", None) == 2
    before, rejected = now(), reject(mentee)
    assert mentee.feedback.count_new_votes("travel", None) == 1
    assert said(mentee) == [([CY.id], [], 1)], "and the agent's decision is no vote"
    assert said(mentee, before) == [([ADA.id, CY.id], [], 0)]
    mentee.votes.record(Vote(answer_id, BOB, "down", "wrong"))
    mentee.votes.correct(Correction(answer_id, ADA, "In 12 states."))
    assert said(mentee) == [([CY.id, BOB.id, ADA.id], ["In 12 states."], 1)]
    assert said(mentee, rejected) == [([CY.id], [], 1)]
    (ada,) = [vote for vote in mentee.feedback.rated("travel", now())[0].votes if vote.person == ADA]
    assert (ada.reason, ada.comment) == ("wrong", "Not for us.")


def test_a_proposal_on_its_way_while_the_one_before_is_rejected_counts(mentee: Mentee) -> None:
    answer_id = answered(mentee, "Are hotels tax exempt?")
    mentee.votes.correct(Correction(answer_id, ADA, "In 11 states."))
    written = now()
    reject(mentee)
    mentee.votes.correct(Correction(answer_id, ADA, "In 12 states.", at=written))
    assert said(mentee) == [([ADA.id], ["In 12 states."], 1)]
    assert [each.text for each in mentee.reviews.queue(GUS)] == ["In 12 states."]
    mentee.votes.correct(Correction(answer_id, ADA, "In 10 states.", at=written))
    assert said(mentee) == [([ADA.id], ["In 12 states."], 1)], "an older one that arrives late"
