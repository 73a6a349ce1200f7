"""Asks the whole pipeline a question."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bot.domain.answers import Done
from bot.domain.people import Person
from bot.domain.questions import Question

if TYPE_CHECKING:
    from bot.app import Mentee
    from bot.domain.answers import Answer, AnswerEvent

ADA = Person("user:ada", "Ada")


async def ask(mentee: Mentee, text: str, **more: Any) -> tuple[Answer, list[AnswerEvent]]:
    """Ask as Ada, with her own audience, and wait for the answer.

    :param more: other fields of the :class:`~bot.domain.questions.Question`.
    :return: the answer and all of its events.
    """
    question = Question(text, ADA, **{"audience": mentee.departments.audience_of(ADA), **more})
    events = [event async for event in mentee.pipeline.answer(question)]
    assert isinstance(events[-1], Done)
    return events[-1].answer, events
