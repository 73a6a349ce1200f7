"""A question put to the whole pipeline, for tests of what it answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bot.messages import Done, Person, Question

if TYPE_CHECKING:
    from bot.app import Mentee
    from bot.messages import Answer, AnswerEvent

ADA = Person("user:ada", "Ada")


async def ask(mentee: Mentee, text: str, **more: Any) -> tuple[Answer, list[AnswerEvent]]:
    """Ask as Ada, who may read what her groups may, and wait for the end.

    :param more: any other field of the :class:`~bot.messages.Question`.
    :return: the answer, and every event of it.
    """
    question = Question(text, ADA, **{"audience": mentee.departments.audience_of(ADA), **more})
    events = [event async for event in mentee.pipeline.answer(question)]
    assert isinstance(events[-1], Done)
    return events[-1].answer, events
