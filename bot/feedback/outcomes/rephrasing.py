"""Finds questions that the same person asked again in other words soon after.

Each question is compared once, when it has been answered, with those that the same person asked within ten minutes
before and after it. ``mentee serve`` does so every minute. Questions with different files are never the same.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog
from sqlalchemy import select, update

from bot.domain.errors import MenteeError
from bot.domain.outcomes.deciding import REPHRASED_WITHIN
from bot.feedback.curated.answers import NEAR
from bot.feedback.outcomes.facts import is_asked
from bot.feedback.sameness.comparing import Sameness
from bot.storage.tables.answers import AnswerRow, QuestionRow, RephrasingRow

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from datetime import datetime

    import numpy as np
    from numpy.typing import NDArray

    from bot.domain.ports import TokenVectors
    from bot.storage.session import Store

SAME = 0.4
"""From which probability on a question counts as asked again. docs/decisions/outcomes.md says how it was chosen."""

AT_ONCE = 200
"""Questions compared in one transaction."""

IN_ONE_RUN = 5_000
"""Questions compared in one run of the job, after an update for example."""

NEIGHBOURS = 20
"""With how many questions one is compared, so that a program that asks without end costs little."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Asked:
    id: str
    person_id: str
    text: str
    files: tuple[str, ...]
    at: datetime

    @property
    def order(self) -> tuple[datetime, str]:
        return self.at, self.id


class Rephrasings:
    """Compares questions. Everything here is blocking.

    :param embed: returns unit vectors, shape (texts, dimension).
    :param embed_tokens: see :class:`~bot.feedback.sameness.comparing.Sameness`.
    """

    def __init__(
        self,
        store: Store,
        embed: Callable[[Sequence[str]], NDArray[np.float32]],
        embed_tokens: Callable[[Sequence[str]], Sequence[TokenVectors] | None],
    ) -> None:
        self._store = store
        self._embed = embed
        self._sameness = Sameness(embed_tokens)

    def compare(self) -> int:
        """Compare the questions that haven't been; return how many. Without an embedder, they wait for one."""
        number = 0
        while number < IN_ONE_RUN:
            batch = self._waiting()
            if not batch:
                break
            try:
                found = self._same(batch)
            except MenteeError as error:
                log.warning("questions_not_compared", problem=str(error))
                break
            self._keep(batch, found)
            number += len(batch)
        return number

    def _waiting(self) -> Sequence[_Asked]:
        query = select(*_COLUMNS).join(AnswerRow, AnswerRow.question_id == QuestionRow.id).where(~QuestionRow.compared)
        with self._store.read() as session:
            rows = session.execute(query.order_by(QuestionRow.asked_at, QuestionRow.id).limit(AT_ONCE)).all()
        return [_asked(*row) for row in rows]

    def _same(self, batch: Sequence[_Asked]) -> set[tuple[str, str]]:
        """Return the pairs of questions that ask the same, as (earlier, later)."""
        pairs: dict[_Asked, list[_Asked]] = defaultdict(list)
        for question, others in self._neighbours(batch).items():
            for other in others:
                earlier, later = sorted((question, other), key=lambda each: each.order)
                if earlier not in pairs[later]:
                    pairs[later].append(earlier)
        vectors = self._vectors({each.text for later, others in pairs.items() for each in (later, *others)})
        found = set[tuple[str, str]]()
        for later, others in pairs.items():
            cosines = {each: float(vectors[each.text] @ vectors[later.text]) for each in others}
            near = [each for each in others if cosines[each] >= NEAR]
            alike = self._sameness.compare(later.text, [each.text for each in near], [cosines[each] for each in near])
            found |= {(each.id, later.id) for each, how in zip(near, alike, strict=True) if how.certain >= SAME}
        return found

    def _vectors(self, texts: Collection[str]) -> Mapping[str, NDArray[np.float32]]:
        listed = sorted(texts)
        return dict(zip(listed, self._embed(listed), strict=True)) if listed else {}

    def _neighbours(self, batch: Sequence[_Asked]) -> Mapping[_Asked, Sequence[_Asked]]:
        """Return the nearest questions that the same person asked with the same files within ten minutes."""
        first, last = (end(each.at for each in batch) for end in (min, max))
        query = (
            select(*_COLUMNS)
            .join(AnswerRow, AnswerRow.question_id == QuestionRow.id)
            .where(
                *is_asked(),
                QuestionRow.person_id.in_({each.person_id for each in batch}),
                QuestionRow.asked_at >= first - REPHRASED_WITHIN,
                QuestionRow.asked_at <= last + REPHRASED_WITHIN,
            )
        )
        with self._store.read() as session:
            around = [_asked(*row) for row in session.execute(query)]
        of_person: dict[tuple[str, tuple[str, ...]], list[_Asked]] = defaultdict(list)
        for each in around:
            of_person[each.person_id, each.files].append(each)
        asked = {each.id for each in around}
        return {
            each: _nearest(each, of_person[each.person_id, each.files]) if each.id in asked else () for each in batch
        }

    def _keep(self, batch: Sequence[_Asked], found: Collection[tuple[str, str]]) -> None:
        """Store what was found, without questions that were erased meanwhile."""
        ids, laters = {each.id for each in batch}, {later for _, later in found}
        concerned = QuestionRow.id.in_(ids.union(*found))
        before = select(RephrasingRow.earlier_id, RephrasingRow.later_id).where(RephrasingRow.later_id.in_(laters))
        with self._store.write() as session:
            locked = select(QuestionRow.id).where(concerned).order_by(QuestionRow.id).with_for_update()
            there = set(session.scalars(locked))
            known = {(earlier, later) for earlier, later in session.execute(before)}
            for earlier, later in sorted(set(found) - known):
                if {earlier, later} <= there:
                    session.add(RephrasingRow(earlier_id=earlier, later_id=later))
            session.execute(update(QuestionRow).where(QuestionRow.id.in_(ids)).values(compared=True))


_COLUMNS = (QuestionRow.id, QuestionRow.person_id, QuestionRow.text, QuestionRow.attachments, QuestionRow.asked_at)


def _asked(key: str, person_id: str, text: str, attachments: Sequence[Mapping[str, str]], at: datetime) -> _Asked:
    return _Asked(key, person_id, text, tuple(sorted(str(each.get("name", "")) for each in attachments)), at)


def _nearest(question: _Asked, others: Sequence[_Asked]) -> Sequence[_Asked]:
    near = [each for each in others if each.id != question.id and abs(each.at - question.at) <= REPHRASED_WITHIN]
    return sorted(near, key=lambda each: (abs(each.at - question.at), each.id))[:NEIGHBOURS]
