"""What people said about answers, read back as values. Everything here is blocking."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from sqlalchemy import func, or_, select

from bot.domain.feedback import Correction, RatedAnswer, Vote
from bot.domain.people import Person, Role
from bot.feedback.waiting import overruled, rejected
from bot.storage.history import as_exchange
from bot.storage.tables.access import PersonRow
from bot.storage.tables.answers import AnswerRow, QuestionRow
from bot.storage.tables.feedback import CorrectionRow, RejectionRow, VoteEventRow, VoteRow

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import datetime

    from bot.domain.feedback import VoteValue
    from bot.storage.session import Store


class FeedbackHistory:
    """Looks up votes and corrections."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def rated(self, department: str, as_of: datetime) -> tuple[RatedAnswer, ...]:
        """Return the department's answers that somebody has voted on or corrected, oldest first.

        Proposals that an agent has rejected are left out, and votes down if an agent found the answer right after all.

        :param as_of: votes, corrections and rejections after this moment are left out.
        """
        votes: dict[str, list[Vote]] = defaultdict(list)
        corrections: dict[str, list[Correction]] = defaultdict(list)
        proposals: dict[str, list[Correction]] = defaultdict(list)
        of_department = AnswerRow.department == department
        voted = select(VoteRow).join(AnswerRow).where(of_department, VoteRow.at <= as_of, ~overruled(as_of))
        corrected = select(CorrectionRow).join(AnswerRow).where(of_department, CorrectionRow.at <= as_of)
        corrected = corrected.where(or_(CorrectionRow.accepted, ~rejected(as_of)))
        judged = select(RejectionRow.answer_id).join(AnswerRow).where(of_department, RejectionRow.at <= as_of)
        answers = select(QuestionRow, AnswerRow).join(AnswerRow, AnswerRow.question_id == QuestionRow.id)
        with self._store.read() as session:
            rejections = Counter(session.scalars(judged))
            for vote in session.scalars(voted.order_by(VoteRow.at)):
                votes[vote.answer_id].append(as_vote(vote))
            for correction in session.scalars(corrected.order_by(CorrectionRow.at, CorrectionRow.id)):
                kind = corrections if correction.accepted else proposals
                kind[correction.answer_id].append(as_correction(correction))
            return tuple(
                RatedAnswer(
                    as_exchange(question, answer),
                    question.train_eligible,
                    tuple(votes[answer.id]),
                    tuple(corrections[answer.id]),
                    tuple(proposals[answer.id]),
                    rejections[answer.id],
                )
                for question, answer in session.execute(
                    answers.where(of_department).order_by(AnswerRow.created_at, AnswerRow.id)
                )
                if votes[answer.id] or corrections[answer.id] or proposals[answer.id] or rejections[answer.id]
            )

    def state(self, department: str) -> tuple[object, ...]:
        """Return what changes whenever somebody votes on, corrects or judges a department's answers."""
        found: list[object] = []
        with self._store.read() as session:
            for table in (VoteRow, CorrectionRow, RejectionRow):
                counted = select(func.count(), func.max(table.at)).select_from(table).join(AnswerRow)
                found += session.execute(counted.where(AnswerRow.department == department)).one()
        return tuple(found)

    def count_votes(self, answer_ids: Collection[str]) -> int:
        """Return how many current votes these answers have."""
        counted = select(func.count()).select_from(VoteRow).where(VoteRow.answer_id.in_(answer_ids))
        with self._store.read() as session:
            return session.scalar(counted) or 0

    def count_new_votes(self, department: str, since: datetime | None) -> int:
        """Return how many votes on a department's answers count now, of those since a moment if one is given."""
        counted = select(func.count()).select_from(VoteRow).join(AnswerRow)
        counted = counted.where(AnswerRow.department == department, ~overruled())
        if since is not None:
            counted = counted.where(VoteRow.at > since)
        with self._store.read() as session:
            return session.scalar(counted) or 0

    def known_since(self, department: str) -> Mapping[str, datetime]:
        """Return when each person who voted on or corrected a department's answers was first seen."""
        voters = select(VoteRow.person_id).join(AnswerRow).where(AnswerRow.department == department)
        authors = select(CorrectionRow.person_id).join(AnswerRow).where(AnswerRow.department == department)
        traces = (
            (PersonRow.id, PersonRow.created_at),
            (QuestionRow.person_id, QuestionRow.asked_at),
            (VoteEventRow.person_id, VoteEventRow.at),
        )
        found: dict[str, datetime] = {}
        with self._store.read() as session:
            for person, at in traces:
                seen = select(person, func.min(at)).where(person.in_(voters.union(authors))).group_by(person)
                for name, first in session.execute(seen):
                    found[name] = min(first, found.get(name, first))
        return found


def as_vote(row: VoteRow) -> Vote:
    """Return a recorded vote as a value."""
    value: VoteValue = "up" if row.value == "up" else "down"
    person = Person(row.person_id, role=Role(row.role))
    return Vote(row.answer_id, person, value, row.reason, row.comment, row.at, reviewed=row.reviewed)


def as_correction(row: CorrectionRow) -> Correction:
    """Return a recorded correction as a value."""
    return Correction(row.answer_id, Person(row.person_id, role=Role(row.role)), row.text, row.at, row.reviewed)
