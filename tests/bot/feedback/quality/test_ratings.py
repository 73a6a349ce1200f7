"""Agents' grades for answers: one for each agent, blind, and gone with the answer or the agent."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from bot.access.people import People
from bot.domain.answers import Answer
from bot.domain.errors import ConflictError, ForbiddenError, MenteeError, NotFoundError
from bot.domain.feedback import Rating, Vote
from bot.domain.identifiers import now
from bot.domain.people import Person, Role
from bot.domain.questions import Question
from bot.feedback.transfer import export_votes

if TYPE_CHECKING:
    from collections.abc import Callable

    from bot.testing.homes import Mentee

ADA = Person("user:ada")
GUS = Person("user:gus", roles=frozenset({("travel", Role.AGENT)}))
EVE = Person("user:eve", role=Role.AGENT)


@pytest.fixture
def mentee(make_mentee: Callable[..., Mentee]) -> Mentee:
    mentee = make_mentee()
    for person in (ADA, GUS, EVE):
        People(mentee.store).ensure(person)
    return mentee


@pytest.fixture
def answer_id(mentee: Mentee) -> str:
    question = Question("Are hotels tax exempt?", ADA)
    answer = Answer(question.id, "Yes.", known=True, department="travel")
    mentee.recorder.record(question, answer)
    return answer.id


def test_an_agent_has_one_rating_of_an_answer_which_they_may_change(mentee: Mentee, answer_id: str) -> None:
    mentee.ratings.record(Rating(answer_id, GUS, 3, 2, 1, 1, "outdated"))
    mentee.ratings.record(Rating(answer_id, GUS, 1, 1, 1, 2))
    own = mentee.ratings.own(answer_id, GUS.id)
    assert own is not None
    assert (own.grades, own.cause, own.rubric) == ({"correct": 1, "complete": 1, "tone": 1, "format": 2}, "", 1)
    assert own.person.role is Role.AGENT
    assert mentee.ratings.raters([answer_id, "a_none"]) == {answer_id: frozenset({GUS.id})}


def test_nobody_sees_anothers_rating_before_they_gave_their_own(mentee: Mentee, answer_id: str) -> None:
    mentee.ratings.record(Rating(answer_id, GUS, 3, 2, 1, 1, sampled=True))
    assert mentee.ratings.seen_by(EVE.id, answer_id) == ()
    mentee.ratings.record(Rating(answer_id, EVE, 1, 1, 1, 1, sampled=True))
    assert [each.person.id for each in mentee.ratings.seen_by(EVE.id, answer_id)] == [GUS.id]
    with pytest.raises(ConflictError, match="so your rating stays"):
        mentee.ratings.record(Rating(answer_id, EVE, 3, 2, 1, 1, sampled=True))
    assert [each.correct for each in mentee.ratings.sampled("travel")] == [3, 1]
    assert mentee.ratings.sampled("it") == ()


@pytest.mark.parametrize(
    ("rating", "error", "problem"),
    [
        (Rating("a_none", GUS, 1, 1, 1, 1), NotFoundError, "no longer exists"),
        (Rating("", ADA, 1, 1, 1, 1), ForbiddenError, "Only agents"),
        (Rating("", GUS, 0, 1, 1, 1), MenteeError, "The grade for 'correct' is 0. Expected one of 1 \\(yes\\)"),
        (Rating("", GUS, 1, 1, 1, 4), MenteeError, "The grade for 'format' is 4"),
        (Rating("", GUS, 1, 1, 1, 1, "boredom"), MenteeError, "The cause is 'boredom'. Expected one of 'wrong source'"),
    ],
)
def test_what_cannot_be_a_rating_is_refused(
    mentee: Mentee, answer_id: str, rating: Rating, error: type[MenteeError], problem: str
) -> None:
    given = replace(rating, answer_id=rating.answer_id or answer_id)
    with pytest.raises(error, match=problem):
        mentee.ratings.record(given)
    assert mentee.ratings.raters([answer_id]) == {}


def test_ratings_are_exported_where_votes_are(mentee: Mentee, answer_id: str) -> None:
    mentee.votes.record(Vote(answer_id, GUS, "down", "wrong"))
    mentee.ratings.record(Rating(answer_id, GUS, 3, 2, 1, 1, "outdated"))
    mentee.ratings.record(Rating(answer_id, EVE, 1, 1, 1, 1, sampled=True))
    eves, guses = export_votes(mentee.store, mentee.departments, "travel")
    assert (eves["user"], eves["vote"], eves["role"], guses["vote"]) == (EVE.id, None, "agent", "down")
    assert guses["rating"] | {"at": ""} == {
        "correct": "no", "complete": "partly", "tone": "yes", "format": "yes", "cause": "outdated", "sampled": False,
        "rubric": 1, "at": "",
    }  # fmt: skip
    assert (eves["rating"]["sampled"], "cause" in eves["rating"]) == (True, False)


def test_a_rating_goes_with_its_author_or_its_question(mentee: Mentee, answer_id: str) -> None:
    mentee.ratings.record(Rating(answer_id, GUS, 1, 1, 1, 1))
    mentee.ratings.record(Rating(answer_id, EVE, 1, 1, 1, 1))
    before = now()
    mentee.erasing.person(GUS.id, actor="test")
    assert mentee.ratings.raters([answer_id]) == {answer_id: frozenset({EVE.id})}
    with pytest.raises(ForbiddenError, match="was removed"):
        mentee.ratings.record(Rating(answer_id, GUS, 1, 1, 1, 1, at=before))
    mentee.erasing.person(ADA.id, actor="test")
    assert mentee.ratings.raters([answer_id]) == {}
