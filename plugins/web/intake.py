"""Accepting questions: each is checked and committed to the inbox before the page gets a response."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from bot.delivery.inbox import STOPPED
from bot.delivery.rate_limit import RateLimit
from bot.domain.deliveries import InboxItem
from bot.domain.errors import BusyError, SignInRequiredError
from bot.domain.questions import check_text

if TYPE_CHECKING:
    from bot.access.departments import Departments
    from bot.config.core import LimitSettings
    from bot.delivery.inbox import Inbox
    from bot.domain.people import Person

NAME = "web"
BUSY_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Asked:
    """A question as the page sends it.

    :param department: ``None`` to have it routed.
    :param key: idempotency key: sent twice by the same person, it is one question.
    """

    text: str
    department: str | None
    conversation: str
    key: str


class Intake:
    """Commits questions to the inbox. Everything here is blocking."""

    def __init__(self, inbox: Inbox, departments: Departments, limits: LimitSettings) -> None:
        self._inbox = inbox
        self._departments = departments
        self._limits = limits
        per_minute = limits.questions_per_minute
        self._rate_limit = RateLimit(per_minute, f"You asked {per_minute} questions within a minute.")

    def accept(self, person: Person, asked: Asked) -> str:
        """Commit a question, unless it is there already, and return its id.

        :raises MenteeError: it is empty, too long or for a department that the person may not ask.
        :raises SignInRequiredError: the person has been removed since they sent it.
        :raises BusyError: the person asks too often, or the inbox is full.
        """
        item_id = _item_id(person, asked.key)
        question_id = f"q_{item_id}"
        if self.state(person, question_id) == "unknown":
            self._check(person, asked)
            payload = {
                "text": asked.text.strip(),
                "department": asked.department or None,
                "conversation": asked.conversation,
                "person": person.id,
            }
            self._inbox.accept(InboxItem(NAME, "question", payload, f"{sender(person)}{asked.key}", id=item_id))
        return question_id

    def state(self, person: Person, question_id: str) -> Literal["unknown", "waiting", "stopped", "ended"]:
        """Return how far one of the person's questions is."""
        entry = self._inbox.get(question_id.removeprefix("q_"))
        if entry is None or entry.item.channel != NAME or entry.item.payload.get("person") != person.id:
            return "unknown"
        if entry.item.kind == STOPPED:
            return "stopped"
        return "waiting" if entry.unfinished else "ended"

    def _check(self, person: Person, asked: Asked) -> None:
        check_text(asked.text, self._limits.question_chars)
        audience = self._departments.audience_of(person)
        if not audience.principals:
            raise SignInRequiredError("This account was removed.", hint="Ask an operator to add you.")
        if asked.department:
            self._departments.require_askable(asked.department, audience)
        self._rate_limit.spend(person.id)
        if self._inbox.depth() >= self._limits.queue:
            raise BusyError("Many questions are waiting right now.", retry_after=BUSY_SECONDS)


def sender(person: Person) -> str:
    """Return how the keys of a person's items in the inbox begin."""
    return f"{NAME}:{person.id}:"


def _item_id(person: Person, key: str) -> str:
    """Return the inbox id of a person's question with that key, so that a repeated request finds it."""
    return f"in_{hashlib.sha256(f'{person.id}:{key}'.encode()).hexdigest()[:32]}"
