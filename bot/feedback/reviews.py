"""What waits for agents and operators: proposed corrections, escalations, answers voted down and not yet corrected."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import Text, cast, func, or_, select

from bot.access.audit import note_change
from bot.access.names import require_present
from bot.domain.answers import Citation
from bot.domain.errors import ForbiddenError, MenteeError, NotFoundError
from bot.domain.identifiers import now
from bot.domain.people import Basis, Role, bases_from
from bot.feedback.history import as_vote
from bot.feedback.quality.signals import signals
from bot.feedback.waiting import find_waiting, judgement_of_own, last_judgement, overruled, rejected, require_waiting
from bot.storage.tables.answers import AnswerRow, QuestionRow
from bot.storage.tables.feedback import CorrectionRow, EscalationRow, RejectionRow, VoteRow

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy.orm import Session

    from bot.access.departments import Departments
    from bot.access.rights import Rights
    from bot.domain.feedback import Vote
    from bot.domain.people import Audience, Person
    from bot.feedback.quality.signals import Signal
    from bot.feedback.waiting import Judged, Waiting
    from bot.storage.session import Store

QUEUE = 200
"""How many items of each kind the queue shows. Decided items make room for the rest."""

REASON_CHARS = 2_000


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

    def __init__(self, store: Store, departments: Departments, rights: Rights) -> None:
        self._store = store
        self._departments = departments
        self._rights = rights

    def queue(self, person: Person) -> tuple[Waiting, ...]:
        """Return what waits for this agent, in the order in which to decide.

        These are items of departments that they are an agent of and may ask. Items about answers based on documents
        that they may not read are left out. Each proposed correction is an item; otherwise, an answer has only one.
        """
        audience, limit = self._departments.audience_of(person), QUEUE
        while True:
            with self._store.read() as session:
                found = find_waiting(session, self.departments_of(person), limit=limit)
            kept = self._seen(found, audience)
            if len(kept) >= QUEUE or max(Counter(each.kind for each in found).values(), default=0) < limit:
                return kept
            limit *= 2  # what they may not read must not hide what they may

    def _seen(self, found: Sequence[Waiting], audience: Audience) -> tuple[Waiting, ...]:
        seen = self._rights.sight(audience).each((Basis(each.department), *each.rests_on) for each in found)
        kept: list[Waiting] = []
        for each, may_see in zip(found, seen, strict=True):
            known = each.kind != "proposal" and any(each.answer_id == other.answer_id for other in kept)
            if (may_see or audience.unrestricted) and not known:
                kept.append(each)
        return tuple(kept)

    def departments_of(self, person: Person) -> list[str]:
        """Return the departments whose answers the person may judge."""
        askable = self._departments.askable(self._departments.audience_of(person))
        return [name for name in askable if person.role_in(name).includes(Role.AGENT)]

    def judged(self, person: Person, item: str) -> tuple[str, Judged | None]:
        """Return the id of the answer that a decided item was about, and the decision.

        :raises NotFoundError: there is no such thing, or the person may not judge it.
        """
        with self._store.read() as session:
            row = session.get(CorrectionRow, item) or session.get(EscalationRow, item)
            answer = session.get(AnswerRow, row.answer_id if row is not None else item)
            if answer is None or not self._may_judge(person, answer):
                raise NotFoundError("There is nothing to decide here.", hint="It may have been erased.")
            return answer.id, last_judgement(session, item, answer.id)

    def judgeable(self, person: Person, answer_ids: Collection[str]) -> Mapping[str, str]:
        """Return the department of each of these answers that the person may judge; others are left out."""
        columns = select(AnswerRow.id, AnswerRow.department, AnswerRow.rests_on)
        of_these = columns.where(AnswerRow.id.in_(answer_ids), AnswerRow.department.in_(self.departments_of(person)))
        with self._store.read() as session:
            rows = session.execute(of_these).all()
        audience = self._departments.audience_of(person)
        seen = self._rights.sight(audience).each((Basis(row.department), *bases_from(row.rests_on)) for row in rows)
        return {
            row.id: row.department for row, may_see in zip(rows, seen, strict=True) if may_see or audience.unrestricted
        }

    def last_decision(self, answer_id: str) -> Judged | None:
        """Return the last decision about an answer or a correction of it, whoever took it."""
        with self._store.read() as session:
            return last_judgement(session, None, answer_id)

    def own(self, answer_id: str, person_id: str) -> Judged | None:
        """Return what agents last decided about the person's own proposal for an answer, if they did."""
        with self._store.read() as session:
            return judgement_of_own(session, answer_id, person_id)

    def signals(self, answer_ids: Collection[str]) -> Mapping[str, Signal]:
        """Return what says how much a decision about each of these answers teaches."""
        return signals(self._store, answer_ids)

    def votes_down(self, answer_id: str) -> tuple[Vote, ...]:
        """Return the votes down on an answer that no agent has overruled, oldest first."""
        down = select(VoteRow).where(VoteRow.answer_id == answer_id, VoteRow.value == "down", ~overruled())
        with self._store.read() as session:
            return tuple(map(as_vote, session.scalars(down.order_by(VoteRow.at, VoteRow.person_id))))

    def reject(self, item: Waiting, person: Person, reason: str) -> None:
        """Keep an answer as it is, despite a proposed correction or the votes on it.

        :raises ForbiddenError: the person was removed or erased, or may not judge it (any more).
        :raises ConflictError: it no longer waits, or was changed.
        :raises NotFoundError: the answer was erased meanwhile.
        :raises MenteeError: there is no reason, or it is too long.
        """
        said, at = reason.strip(), now()
        if not 0 < len(said) <= REASON_CHARS:
            raise MenteeError(
                f"A reason must have 1 to {REASON_CHARS:,} characters; this one has {len(said):,}.",
                hint="Say in a sentence why the answer stands.",
            )
        with self._store.read() as session:
            answer = session.get(AnswerRow, item.answer_id)
        if answer is None or not self._may_judge(person, answer):
            raise ForbiddenError("You may no longer decide about this answer.", hint="Reload the queue.")
        with self._store.write() as session:
            require_present(session, person.id, at)
            require_waiting(session, item, unchanged=True)
            proposal = item.id if item.kind == "proposal" else None
            row = RejectionRow(answer_id=answer.id, correction_id=proposal, person_id=person.id, reason=said, at=at)
            session.add(row)
            note_change(session, actor=person.id, action=f"{item.kind}.reject", subject=answer.id)

    def _may_judge(self, person: Person, answer: AnswerRow) -> bool:
        if answer.department not in self.departments_of(person):
            return False
        audience = self._departments.audience_of(person)
        grounds = (Basis(answer.department), *bases_from(answer.rests_on))
        return audience.unrestricted or self._rights.sight(audience).sees(grounds)

    def waiting(self, departments: Collection[str], *, limit: int) -> tuple[AwaitingCorrection, ...]:
        """Return the answers of these departments that wait for a correction, the last voted on first.

        What an agent has decided at the desk no longer waits. Answers made from a file that somebody attached are left
        out: they are nobody else's.
        """
        counted = select(VoteRow.answer_id, func.count().label("downs"), func.max(VoteRow.at).label("last"))
        down = counted.where(VoteRow.value == "down", ~overruled()).group_by(VoteRow.answer_id).subquery()
        corrected = select(CorrectionRow.id).where(CorrectionRow.answer_id == AnswerRow.id)
        proposed = corrected.where(~rejected()).exists().label("proposed")
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
        """Return the texts of the corrections of an answer that nobody has rejected, oldest first."""
        kept = CorrectionRow.answer_id == answer_id, or_(CorrectionRow.accepted, ~rejected())
        proposed = select(CorrectionRow.text).where(*kept).order_by(CorrectionRow.at)
        with self._store.read() as session:
            return tuple(session.scalars(proposed.limit(limit)))

    def complaints(self, departments: Collection[str], *, since: datetime) -> tuple[Complaint, ...]:
        """Return the votes down since ``since`` on answers that nobody has corrected or found right after all."""
        corrected = select(CorrectionRow.id).where(CorrectionRow.answer_id == AnswerRow.id, CorrectionRow.accepted)
        query = (
            select(AnswerRow.id, VoteRow.reason, AnswerRow.citations)
            .join(AnswerRow, AnswerRow.id == VoteRow.answer_id)
            .where(
                VoteRow.value == "down",
                VoteRow.at > since,
                ~overruled(),
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
        VoteRow.answer_id.in_(answer_ids), VoteRow.value == "down", VoteRow.reason != "", ~overruled()
    )
    found: dict[str, tuple[str, ...]] = {}
    with_reason = session.execute(given.distinct().order_by(VoteRow.answer_id, VoteRow.reason))
    for answer_id, reason in with_reason:
        found[answer_id] = (*found.get(answer_id, ()), reason)
    return found
