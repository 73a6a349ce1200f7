"""Offers of actions: how tests get one, confirm it and look at it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from bot.domain.answers import DirectAnswer
from bot.domain.people import Person
from bot.domain.plugins.actions import Action
from bot.domain.questions import Question
from bot.storage.tables.actions import ActionRow
from bot.testing.questions import ADA, ask

if TYPE_CHECKING:
    from collections.abc import Callable

    from bot.app import Mentee
    from bot.domain.plugins.actions import OfferedAction

BOB = Person("user:bob", "Bob")


def offer_ticket(question: Question) -> DirectAnswer | None:
    if "ticket" not in question.text:
        return None
    return DirectAnswer(
        "Shall I?", actions=(Action("open", "Open a ticket", {"text": "secret words"}), Action("no", "No"))
    )


async def offered(mentee: Mentee, text: str = "ticket", **more: Any) -> tuple[OfferedAction, ...]:
    """Ask, record the answer, and return what it offers."""
    question = Question(text, ADA, mentee.departments.audience_of(ADA), department="it", **more)
    answer, _ = await ask(mentee, text, id=question.id, department="it", **more)
    mentee.recorder.record(question, answer)
    return mentee.actions.of_answer(answer.id)


def run(mentee: Mentee, action: OfferedAction, person: Person = ADA) -> OfferedAction:
    return mentee.actions.run(action.id, person, [mentee.departments.audience_of(person)])


def state(mentee: Mentee, action: OfferedAction) -> tuple[str, str]:
    found = next(each for each in mentee.actions.of_answer(mentee.actions.answer_of(action.id)) if each.id == action.id)
    return found.state, found.result


def row(mentee: Mentee, action: OfferedAction) -> ActionRow:
    with mentee.store.read() as session:
        return session.get_one(ActionRow, action.id)


def wait_until(true: Callable[[], bool], seconds: float = 20.0) -> None:
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until
        time.sleep(0.02)
