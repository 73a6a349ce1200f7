"""Everything that App Home shows one person."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bot.domain.people import Role

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from bot.domain.people import Person
    from bot.feedback.escalations import Escalation, Escalations
    from bot.feedback.reviews import AwaitingCorrection
    from bot.storage.history import History
    from plugins.slack.overview.departments import AskableDepartment, AskableDepartments
    from plugins.slack.overview.health import Health, HealthReport
    from plugins.slack.overview.reviews import ReviewQueue

RECENT = 5


@dataclass(frozen=True, slots=True)
class RecentQuestion:
    """One of the person's own questions. ``department`` is a title, empty where they may no longer ask it."""

    text: str
    department: str
    at: datetime
    known: bool


@dataclass(frozen=True, slots=True)
class HomeContent:
    """What App Home shows one person.

    ``queue`` and ``health`` are for agents and operators, ``escalations`` for those who take a department's questions.
    """

    person: Person
    departments: tuple[AskableDepartment, ...]
    recent: tuple[RecentQuestion, ...]
    queue: tuple[AwaitingCorrection, ...] | None
    health: Health | None
    escalations: tuple[Escalation, ...] | None

    def title(self, department: str) -> str:
        """Return the title of a department."""
        return next((each.title for each in self.departments if each.name == department), department)


class HomeReader:
    """Reads what App Home shows."""

    def __init__(
        self,
        history: History,
        escalations: Escalations,
        departments: AskableDepartments,
        queue: ReviewQueue,
        health: HealthReport,
    ) -> None:
        self._history = history
        self._escalations = escalations
        self._departments = departments
        self._queue = queue
        self._health = health

    def read(self, person: Person) -> HomeContent:
        """Return what App Home shows the person."""
        departments = self._departments.of_person(person)
        agent = person.is_anywhere(Role.AGENT)
        handled = [each for each in departments if person.role_in(each.name).includes(Role.AGENT)]
        return HomeContent(
            person,
            departments,
            self.recent(person, departments),
            self._queue.waiting(handled) if agent else None,
            self._health.read(person, handled) if agent else None,
            self._waiting_for(person, departments),
        )

    def recent(self, person: Person, departments: Sequence[AskableDepartment]) -> tuple[RecentQuestion, ...]:
        """Return the person's own last questions, newest first."""
        titles = {each.name: each.title for each in departments}
        return tuple(
            RecentQuestion(
                each.question.text,
                titles.get(each.question.department, ""),
                each.question.asked_at,
                each.answer.known,
            )
            for each in self._history.of_person(person.id, limit=RECENT)
        )

    def _waiting_for(self, person: Person, departments: Sequence[AskableDepartment]) -> tuple[Escalation, ...] | None:
        """Return the questions that wait for this person, oldest first; ``None`` for those who take none."""
        taken = [each.name for each in departments if self._escalations.may_resolve(person, each.name)]
        return self._escalations.waiting(taken) if taken else None
