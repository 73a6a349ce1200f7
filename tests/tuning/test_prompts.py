"""The prompt that an answer is learned with holds what the answer says."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from bot.messages import Passage
from bot.prompt import fenced
from bot.settings import AnswerSettings
from bot.store.models import QuestionRow
from tuning.prompts import ServedPrompts

BADGE = Passage("c1", "d1", "badge.md", "Badge", "Bring:", 1, "it", "g1", following="\n- your old badge\n- a card")
DOOR = Passage("c2", "d1", "door.md", "Door", "The door opens at nine.", 1, "it", "g1", following="\n- on Mondays")


@pytest.fixture
def prompts():
    retriever = SimpleNamespace(has_documents=lambda _: True, search=lambda *_, **__: [BADGE, DOOR])
    mentee = SimpleNamespace(retriever=retriever, plugins=SimpleNamespace(values=lambda *_, **__: []))
    answers = AnswerSettings(passages_at_once=1)
    department = SimpleNamespace(
        name="it", title="IT", instructions="", glossary={}, answers=answers, readers=frozenset({"*"})
    )
    return ServedPrompts(mentee, department)


@pytest.mark.parametrize(
    ("said", "read"),
    [
        ("Bring: your old badge [1]", "Badge\nBring:\n- your old badge\n- a card"),
        ("Bring: [1]", "Badge\nBring:"),
        ("The door opens at nine [1].", "Door\nThe door opens at nine."),
    ],
)
def test_a_passage_goes_on_in_the_prompt_where_what_is_learned_does(prompts, said, read):
    asked = QuestionRow(text="What do I bring?", history=[])
    assert fenced(prompts(asked, None, said, learned=True)[-1].content) == [read]


def test_what_answers_are_only_held_to_is_not_shown_beyond_what_is_served(prompts):
    asked, reference = QuestionRow(text="What do I bring?", history=[]), "Bring: your old badge [1]"
    for prompt in (prompts(asked, None, reference, learned=False), prompts.of_text(asked.text, reference)):
        assert fenced(prompt[-1].content) == ["Badge\nBring:"]
