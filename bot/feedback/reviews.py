"""The review queue of agents and operators: answers voted down and not yet corrected."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import Text, cast, func, select

from bot.domain.answers import Citation
from bot.domain.people import Basis, bases_from
from bot.storage.tables.answers import AnswerRow, QuestionRow
from bot.storage.tables.feedback import CorrectionRow, VoteRow

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

    from sqlalchemy.orm import Session

    from bot.storage.session import Store


@dataclass(frozen=True, slots=True)
class AwaitingCorrection:
    """An answer voted down that no agent has corrected.

    :param rests_on: what the answer rests on.
    :param downs: how many people voted it down.
    :param reasons: as stored (:data:`bot.feedback.reasons.REASONS`), sorted.
    :param proposed: whether an employee has suggested a correction.
    """

    answer_id: str
    question: str
    department: str
    citations: tuple[Citation, ...]
    rests_on: tuple[Basis, ...]
    downs: int
    reasons: tuple[str, ...]
    proposed: bool


@dataclass(frozen=True, slots=True)
class Complaint:
    """A vote down on an answer that no agent has corrected since. ``documents`` are those that the answer cites."""

    answer_id: str
    reason: str
    documents: frozenset[str]


class Reviews:
    """The answers of an instance that wait for a correction. Everything here is blocking."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def waiting(self, departments: Collection[str], *, limit: int) -> tuple[AwaitingCorrection, ...]:
        """Return the answers of these departments that wait for a correction, the last voted on first.

        Answers made from a file that somebody attached are left out: they are nobody else's.
        """
        counted = select(VoteRow.answer_id, func.count().label("downs"), func.max(VoteRow.at).label("last"))
        down = counted.where(VoteRow.value == "down").group_by(VoteRow.answer_id).subquery()
        corrected = select(CorrectionRow.id).where(CorrectionRow.answer_id == AnswerRow.id)
        proposed = corrected.exists().label("proposed")
        query = (
            select(AnswerRow.id, QuestionRow.text, AnswerRow.department, AnswerRow.citations, AnswerRow.rests_on)
            .add_columns(down.c.downs, proposed)
            .join(AnswerRow, AnswerRow.question_id == QuestionRow.id)
            .join(down, down.c.answer_id == AnswerRow.id)
            .where(
                AnswerRow.department.in_(departments),
                ~corrected.where(CorrectionRow.accepted).exists(),
                cast(QuestionRow.attachments, Text) == "[]",
            )
            .order_by(down.c.last.desc())
            .limit(limit)
        )
        with self._store.read() as session:
            rows = session.execute(query).all()
            reasons = _reasons(session, [row.id for row in rows])
        return tuple(
            AwaitingCorrection(
                row.id,
                row.text,
                row.department,
                tuple(Citation(**citation) for citation in row.citations),
                bases_from(row.rests_on),
                row.downs,
                reasons.get(row.id, ()),
                row.proposed,
            )
            for row in rows
        )

    def proposals(self, answer_id: str, *, limit: int) -> tuple[str, ...]:
        """Return the texts of the corrections of an answer, oldest first."""
        proposed = select(CorrectionRow.text).where(CorrectionRow.answer_id == answer_id).order_by(CorrectionRow.at)
        with self._store.read() as session:
            return tuple(session.scalars(proposed.limit(limit)))

    def complaints(self, departments: Collection[str], *, since: datetime) -> tuple[Complaint, ...]:
        """Return the votes down since ``since`` on uncorrected answers of these departments."""
        corrected = select(CorrectionRow.id).where(CorrectionRow.answer_id == AnswerRow.id, CorrectionRow.accepted)
        query = (
            select(AnswerRow.id, VoteRow.reason, AnswerRow.citations)
            .join(AnswerRow, AnswerRow.id == VoteRow.answer_id)
            .where(
                VoteRow.value == "down",
                VoteRow.at > since,
                AnswerRow.department.in_(departments),
                ~corrected.exists(),
            )
        )
        with self._store.read() as session:
            return tuple(
                Complaint(answer_id, reason, frozenset(citation["document"] for citation in citations))
                for answer_id, reason, citations in session.execute(query)
            )


def _reasons(session: Session, answer_ids: Sequence[str]) -> dict[str, tuple[str, ...]]:
    given = select(VoteRow.answer_id, VoteRow.reason).where(
        VoteRow.answer_id.in_(answer_ids), VoteRow.value == "down", VoteRow.reason != ""
    )
    found: dict[str, tuple[str, ...]] = {}
    with_reason = session.execute(given.distinct().order_by(VoteRow.answer_id, VoteRow.reason))
    for answer_id, reason in with_reason:
        found[answer_id] = (*found.get(answer_id, ()), reason)
    return found
