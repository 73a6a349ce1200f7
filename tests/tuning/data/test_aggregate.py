"""What the reasons of thumbs down say about the model, and what they do not."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from bot.domain.answers import Answer
from bot.domain.feedback import Correction, Vote
from bot.domain.identifiers import now
from bot.domain.people import Person, Role
from bot.domain.questions import Question
from tuning.data.aggregate import aggregate

if TYPE_CHECKING:
    from bot.app import Mentee
    from bot.testing.homes import MakeHome


@pytest.fixture
def mentee(make_home: MakeHome) -> Mentee:
    return make_home(departments=("travel",), built_in=())


@pytest.fixture
def answer_id(mentee: Mentee) -> str:
    question = Question("Are hotels tax exempt?", Person("user:ada"))
    answer = Answer(question.id, "Yes.", known=True, department="travel")
    mentee.recorder.record(question, answer)
    return answer.id


def said(mentee: Mentee) -> tuple[list[tuple[str, tuple[str, ...]]], Counter[str]]:
    """Return the ratings as (kind, people), and what was dropped."""
    dropped: Counter[str] = Counter()
    found = aggregate(mentee.feedback.rated("travel", now()), dropped)
    return [(item.kind, item.people) for item in found], +dropped


@pytest.mark.parametrize("reason", ["wrong", "incomplete", "unsafe", "tone", "other", ""])
def test_a_thumb_down_for_the_text_teaches(mentee: Mentee, answer_id: str, reason: str) -> None:
    mentee.votes.record(Vote(answer_id, Person("user:bob"), "down", reason))
    assert said(mentee) == ([("down", ("user:bob",))], Counter())


@pytest.mark.parametrize("reason", ["outdated", "wrong source"])
def test_a_thumb_down_for_the_page_or_the_search_teaches_the_model_nothing(
    mentee: Mentee, answer_id: str, reason: str
) -> None:
    mentee.votes.record(Vote(answer_id, Person("user:bob"), "down", reason))
    assert said(mentee) == ([], Counter({"the page or the search was at fault": 1}))
    mentee.votes.record(Vote(answer_id, Person("user:cy"), "up"))
    assert said(mentee)[0] == [("up", ("user:cy",))]


def test_its_correction_teaches_all_the_same(mentee: Mentee, answer_id: str) -> None:
    mentee.votes.record(Vote(answer_id, Person("user:bob"), "down", "outdated"))
    mentee.votes.correct(Correction(answer_id, Person("user:gus", role=Role.AGENT), "Since May in 13 states."))
    kinds = [kind for kind, _ in said(mentee)[0]]
    assert kinds == ["correction", "down"]
