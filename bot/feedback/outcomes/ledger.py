"""The ledger as its readers may see it: figures of the departments whose answers they judge, and the questions behind.

Operators see all departments, also those that were removed. Nobody sees who asked.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import func, select

from bot.domain.errors import ForbiddenError
from bot.domain.identifiers import now
from bot.domain.outcomes.figures import FIGURES, ended, figures, grouped, over_time
from bot.domain.people import Role
from bot.feedback.outcomes.facts import NO_ADAPTER, find_facts, is_asked
from bot.storage.history import as_exchange
from bot.storage.tables.answers import AnswerRow, QuestionRow

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import date, datetime

    from bot.access.departments import Departments
    from bot.access.rights import Rights
    from bot.config.core import OutcomeSettings
    from bot.domain.outcomes.figures import Ended, Figures, Step
    from bot.domain.people import Person
    from bot.feedback.outcomes.facts import Selection
    from bot.feedback.outcomes.rephrasing import Rephrasings
    from bot.feedback.reviews import Reviews
    from bot.storage.session import Store

_MOMENT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Report:
    """The figures of a selection, as of a moment.

    :param steps: by the first day of each day or week.
    :param adapters: by version; :data:`~bot.feedback.outcomes.facts.NO_ADAPTER` if none wrote the answer.
    :param uncompared: how many questions stay open until they are compared with those asked around them.
    """

    at: datetime
    total: Figures
    steps: Mapping[date, Figures]
    departments: Mapping[str, Figures]
    channels: Mapping[str, Figures]
    adapters: Mapping[str, Figures]
    uncompared: int


@dataclass(frozen=True, slots=True)
class Listed:
    """A question behind a figure. ``text`` is ``None`` if the reader may not see it."""

    question: Ended
    text: str | None


class Choices(NamedTuple):
    """What a selection can be narrowed to; each sorted."""

    departments: Sequence[str]
    channels: Sequence[str]
    adapters: Sequence[str]


class OutcomeLedger:
    """How the questions of an instance ended. Everything here is blocking.

    :param reviews: knows the departments whose answers a person may judge.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - what it reads, and who may
        self,
        store: Store,
        departments: Departments,
        rights: Rights,
        reviews: Reviews,
        rephrasings: Rephrasings,
        settings: OutcomeSettings,
    ) -> None:
        self._store = store
        self._departments = departments
        self._rights = rights
        self._reviews = reviews
        self._rephrasings = rephrasings
        self._leave_out = settings.leave_out

    def compare(self) -> int:
        """Find out which of the latest questions were asked again in other words; return how many were compared."""
        return self._rephrasings.compare()

    def report(self, person: Person, selection: Selection, step: Step) -> Report:
        """Return the figures of a selection.

        :raises ForbiddenError: the person may not see a department of it.
        """
        at = now()
        found = self._ended(person, selection, at)
        return Report(
            at,
            figures(found),
            over_time(found, selection.since.date(), (selection.until - _MOMENT).date(), step),
            grouped(found, lambda each: each.facts.department),
            grouped(found, lambda each: each.facts.channel),
            grouped(found, lambda each: each.facts.adapter or NO_ADAPTER),
            sum(not each.facts.compared for each in found),
        )

    def questions(
        self, person: Person, selection: Selection, figure: str, *, start: int = 0, limit: int
    ) -> tuple[Sequence[Listed], int]:
        """Return questions that a figure counts, the latest first, and how many it counts.

        :param figure: one of :data:`bot.domain.outcomes.figures.FIGURES`.
        :param start: how many of the latest to leave out.
        :raises ForbiddenError: the person may not see a department of the selection.
        """
        counted = FIGURES[figure]
        found = [each for each in self._ended(person, selection, now()) if counted(each)][::-1]
        shown = found[start : start + limit]
        texts = self._texts(person, [each.facts.question_id for each in shown])
        return [Listed(each, texts.get(each.facts.question_id)) for each in shown], len(found)

    def choices(self, person: Person) -> Choices:
        """Return the departments, channels and adapters of all questions that the person may see figures of."""
        columns = (QuestionRow.department, QuestionRow.channel, func.coalesce(AnswerRow.adapter, NO_ADAPTER))
        query = select(*columns).join(AnswerRow, AnswerRow.question_id == QuestionRow.id).where(*is_asked())
        allowed = self._allowed(person)
        if allowed is not None:
            query = query.where(QuestionRow.department.in_(allowed))
        with self._store.read() as session:
            rows = session.execute(query.distinct()).all()
        return Choices(*(sorted({row[column] for row in rows}) for column in range(3)))

    def _ended(self, person: Person, selection: Selection, at: datetime) -> Sequence[Ended]:
        allowed = self._allowed(person)
        wanted = selection.departments
        if allowed is not None and wanted is not None and not set(wanted) <= set(allowed):
            raise ForbiddenError(
                "You may only see the outcomes of departments that you are an agent of.",
                hint="Choose another department, or ask an operator for the role agent.",
            )
        seen = replace(selection, departments=allowed if wanted is None else wanted, leave_out=self._leave_out)
        with self._store.read() as session:
            found = ended(find_facts(session, seen), at)
        return [each for each in found if each.settled] if selection.settled else found

    def _allowed(self, person: Person) -> Collection[str] | None:
        return None if person.role.includes(Role.OPERATOR) else self._reviews.departments_of(person)

    def _texts(self, person: Person, question_ids: Collection[str]) -> Mapping[str, str]:
        """Return the texts that the person may see: only operators see those that came with files."""
        query = select(QuestionRow, AnswerRow).join(AnswerRow, AnswerRow.question_id == QuestionRow.id)
        with self._store.read() as session:
            rows = session.execute(query.where(QuestionRow.id.in_(question_ids))).all()
            exchanges = [as_exchange(question, answer) for question, answer in rows]
        audience = self._departments.audience_of(person)
        seen = self._rights.sight(audience).each(each.grounds for each in exchanges)
        return {
            each.question.id: each.question.text
            for each, may_see in zip(exchanges, seen, strict=True)
            if audience.unrestricted or (may_see and not each.question.attachments)
        }
