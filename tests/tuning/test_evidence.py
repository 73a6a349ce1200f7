"""What the reasons of thumbs down say about the model, and what they do not."""

from __future__ import annotations

from collections import Counter

import pytest

from bot.messages import Answer, Correction, Person, Question, Role, Vote, now
from tuning.evidence import gather


@pytest.fixture
def mentee(make_home):
    return make_home(departments=("travel",), built_in=())


@pytest.fixture
def answer_id(mentee):
    question = Question("Are hotels tax exempt?", Person("user:ada"))
    answer = Answer(question.id, "Yes.", known=True, department="travel")
    mentee.pipeline.record(question, answer)
    return answer.id


def said(mentee):
    """Return the evidence as (kind, people), and what was dropped."""
    dropped = Counter()
    with mentee.store.read() as session:
        found = gather(session, "travel", now(), dropped)
    return [(item.kind, item.people) for item in found], +dropped


@pytest.mark.parametrize("reason", ["wrong", "incomplete", "unsafe", "tone", "other", ""])
def test_a_thumb_down_for_the_text_teaches(mentee, answer_id, reason):
    mentee.votes.record(Vote(answer_id, Person("user:bob"), "down", reason))
    assert said(mentee) == ([("down", ("user:bob",))], Counter())


@pytest.mark.parametrize("reason", ["outdated", "wrong source"])
def test_a_thumb_down_for_the_page_or_the_search_teaches_the_model_nothing(mentee, answer_id, reason):
    mentee.votes.record(Vote(answer_id, Person("user:bob"), "down", reason))
    assert said(mentee) == ([], Counter({"the page or the search was at fault": 1}))
    mentee.votes.record(Vote(answer_id, Person("user:cy"), "up"))
    assert said(mentee)[0] == [("up", ("user:cy",))]


def test_its_correction_teaches_all_the_same(mentee, answer_id):
    mentee.votes.record(Vote(answer_id, Person("user:bob"), "down", "outdated"))
    mentee.votes.correct(Correction(answer_id, Person("user:gus", role=Role.AGENT), "Since May in 13 states."))
    kinds = [kind for kind, _ in said(mentee)[0]]
    assert kinds == ["correction", "down"]
