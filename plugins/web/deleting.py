"""Deleting conversations, at the wish of whoever had them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.access.erasure import erase_questions
from bot.domain.errors import NotFoundError
from plugins.web.intake import NAME

if TYPE_CHECKING:
    from bot.delivery.inbox import Inbox
    from bot.domain.people import Person
    from bot.feedback.escalations import Escalations
    from bot.storage.history import History
    from bot.storage.session import Store
    from plugins.web.unanswered import Unanswered


class Deleting:
    """Erases a person's conversations. Everything here is blocking."""

    def __init__(
        self, store: Store, inbox: Inbox, history: History, escalations: Escalations, unanswered: Unanswered
    ) -> None:
        self._store = store
        self._inbox = inbox
        self._history = history
        self._escalations = escalations
        self._unanswered = unanswered

    def delete(self, person: Person, conversation: str) -> list[str]:
        """Erase a conversation's questions, with their answers, votes, corrections and all that was made of them.

        What is being answered is stopped. What waits for a person no longer does, and its notes elsewhere are removed.

        :returns: the ids of the questions.
        :raises NotFoundError: the person has no such conversation.
        """
        answered = self._history.of_thread(NAME, [conversation], person_id=person.id)
        waiting = [each["id"] for each in self._unanswered.of(person) if each["conversation"] == conversation]
        questions = list(dict.fromkeys([*waiting, *(each.question.id for each in answered)]))
        if not questions:
            raise NotFoundError(
                "This conversation doesn't exist, or it isn't yours.", hint="It may have been deleted. Reload the page."
            )
        with self._store.write() as session:
            for question_id in questions:
                self._inbox.forget(session, question_id.removeprefix("q_"), {"person": person.id})
            self._escalations.withdraw(session, questions)
            erase_questions(session, questions, actor=person.id)
        return questions
