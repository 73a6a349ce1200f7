"""The prompt that an answer is learned with holds what the answer says."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from bot.answering.prompt import fenced
from bot.config.core import AnswerSettings
from bot.domain.questions import Passage
from tuning.data.prompts import Asked, ServedPrompts

if TYPE_CHECKING:
    from bot.access.departments import Department
    from bot.domain.ports import Retriever
    from bot.hooks.host import PluginHost

BADGE = Passage("c1", "d1", "badge.md", "Badge", "Bring:", 1, "it", "g1", following="\n- your old badge\n- a card")
DOOR = Passage("c2", "d1", "door.md", "Door", "The door opens at nine.", 1, "it", "g1", following="\n- on Mondays")


@pytest.fixture
def prompts() -> ServedPrompts:
    retriever = SimpleNamespace(has_documents=lambda _: True, search=lambda *_, **__: [BADGE, DOOR])
    answers = AnswerSettings(passages_at_once=1)
    department = SimpleNamespace(
        name="it", title="IT", instructions="", glossary={}, answers=answers, readers=frozenset({"*"})
    )
    plugins = SimpleNamespace(extend_prompt=lambda *_: [])
    return ServedPrompts(cast("Department", department), cast("Retriever", retriever), cast("PluginHost", plugins))


@pytest.mark.parametrize(
    ("said", "read"),
    [
        ("Bring: your old badge [1]", "Badge\nBring:\n- your old badge\n- a card"),
        ("Bring: [1]", "Badge\nBring:"),
        ("The door opens at nine [1].", "Door\nThe door opens at nine."),
    ],
)
def test_a_passage_goes_on_in_the_prompt_where_what_is_learned_does(
    prompts: ServedPrompts, said: str, read: str
) -> None:
    asked = Asked("What do I bring?")
    assert fenced(prompts(asked, said, learned=True)[-1].content) == [read]


def test_what_answers_are_only_held_to_is_not_shown_beyond_what_is_served(prompts: ServedPrompts) -> None:
    asked, reference = Asked("What do I bring?"), "Bring: your old badge [1]"
    assert fenced(prompts(asked, reference, learned=False)[-1].content) == ["Badge\nBring:"]
