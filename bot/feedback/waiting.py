"""What waits for an agent: proposals, questions for a person, and answers voted down or rated as not correct.

Proposals, votes and ratings about an answer from an attached file are left out, because nobody else gets it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy import Text, and_, cast, func, literal, or_, select
from sqlalchemy.orm import aliased

from bot.domain.errors import ConflictError, NotFoundError
from bot.domain.feedback import YES
from bot.domain.people import Basis, bases_from
from bot.storage.tables.answers import AnswerRow, QuestionRow
from bot.storage.tables.feedback import CorrectionRow, EscalationRow, RatingRow, RejectionRow, VoteRow

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from sqlalchemy.orm import Session

Kind = Literal["proposal", "escalation", "vote", "weak"]


@dataclass(frozen=True, slots=True)
class Waiting:
    """Something for an agent to decide.

    :param id: of the correction, of the escalation, or of the answer that was voted down or rated as not correct.
    :param at: when it was proposed, handed over, or last voted on or rated.
    :param text: the proposed correction; empty for the other kinds.
    :param rests_on: what the answer rests on.
    """

    kind: Kind
    id: str
    answer_id: str
    department: str
    at: datetime
    text: str
    rests_on: tuple[Basis, ...]


@dataclass(frozen=True, slots=True)
class Judged:
    """The decision on something that no longer waits.

    :param text: the correction or the reply, or the reason of a rejection.
    """

    outcome: Literal["corrected", "rejected", "replied", "closed"]
    person_id: str
    at: datetime
    text: str


def find_waiting(
    session: Session, departments: Collection[str], *, limit: int, item: str | None = None
) -> tuple[Waiting, ...]:
    """Return what waits in these departments: proposals, escalations, votes, then ratings, the oldest of each first.

    :param item: the id of the only one to look for.
    """
    votes, answer, last = _votes()
    rated, rated_at = _rated()
    queries: tuple[tuple[Kind, Any, Any, Any], ...] = (
        ("proposal", _proposals(), CorrectionRow.id, CorrectionRow.at),
        ("escalation", _escalations(), EscalationRow.id, EscalationRow.opened_at),
        ("vote", votes, answer, last),
        ("weak", rated, answer, rated_at),
    )
    found: list[Waiting] = []
    for kind, query, key, at in queries:
        of_these = query.where(AnswerRow.department.in_(departments))
        if item is not None:
            of_these = of_these.where(key == item)
        rows = session.execute(of_these.order_by(at, key).limit(limit))
        found += [_waiting(kind, *row) for row in rows]
    return tuple(found)


def rejected(as_of: datetime | None = None) -> Any:
    """Return the condition that an agent has rejected a correction in its present form.

    :param as_of: rejections after this moment are left out.
    """
    this = select(RejectionRow.id).where(
        RejectionRow.correction_id == CorrectionRow.id, RejectionRow.at >= CorrectionRow.at
    )
    return (this if as_of is None else this.where(RejectionRow.at <= as_of)).exists()


def overruled(as_of: datetime | None = None) -> Any:
    """Return the condition that a vote is down and was overruled.

    An agent overrules it by keeping the answer despite its votes, or by rejecting what the voter proposed instead.
    Votes and proposals after that aren't overruled.

    :param as_of: decisions after this moment are left out.
    """
    proposal = aliased(CorrectionRow)
    this = (
        select(RejectionRow.id)
        .outerjoin(proposal, proposal.id == RejectionRow.correction_id)
        .where(
            RejectionRow.answer_id == VoteRow.answer_id,
            RejectionRow.at >= VoteRow.at,
            or_(RejectionRow.correction_id.is_(None), proposal.person_id == VoteRow.person_id),
        )
    )
    return and_(VoteRow.value == "down", (this if as_of is None else this.where(RejectionRow.at <= as_of)).exists())


def require_waiting(session: Session, item: Waiting, *, unchanged: bool = False) -> None:
    """Check, inside the transaction that decides it, that something still waits as it was shown.

    :param unchanged: votes down since then count as a change, too; a change of a proposal always does.
    :raises ConflictError: somebody decided it meanwhile, or it was changed.
    :raises NotFoundError: the answer was erased meanwhile.
    """
    if session.get(AnswerRow, item.answer_id, with_for_update=True) is None:  # decisions on an answer take turns
        raise NotFoundError("This answer no longer exists.", hint="It may have been erased.")
    now_waiting = find_waiting(session, [item.department], limit=1, item=item.id)
    if not now_waiting:
        raise ConflictError("Somebody else has just decided this.")
    if item.kind == "proposal" and now_waiting[0] != item:
        raise ConflictError("This proposal was changed while you read it.")
    if unchanged and item.kind == "vote" and now_waiting[0] != item:
        raise ConflictError("Somebody else voted this answer down while you read it.")


def last_judgement(session: Session, item: str | None, answer_id: str, *, votes: bool = True) -> Judged | None:
    """Return the last decision on something, or on its answer.

    :param item: by default everything about the answer but escalations.
    :param votes: whether decisions against the answer's votes are meant, too.
    """
    found: list[Judged] = []
    corrected = select(CorrectionRow).where(CorrectionRow.answer_id == answer_id, CorrectionRow.accepted)
    found += [Judged("corrected", row.person_id, row.at, row.text) for row in session.scalars(corrected)]
    rejections = select(RejectionRow).where(RejectionRow.answer_id == answer_id)
    found += [
        Judged("rejected", row.person_id, row.at, row.reason)
        for row in session.scalars(rejections)
        if item is None or row.correction_id == item or (votes and row.correction_id is None)
    ]
    escalation = session.get(EscalationRow, item) if item is not None else None
    if escalation is not None and escalation.outcome in ("replied", "closed") and escalation.resolved_at is not None:
        outcome: Literal["replied", "closed"] = "replied" if escalation.outcome == "replied" else "closed"
        found.append(Judged(outcome, escalation.resolved_by or "", escalation.resolved_at, escalation.reply))
    return max(found, key=lambda each: each.at, default=None)


def judgement_of_own(session: Session, answer_id: str, person_id: str) -> Judged | None:
    """Return what agents last decided about a person's proposal as it is: they rejected it, or published a text."""
    own = select(CorrectionRow).where(
        CorrectionRow.answer_id == answer_id, CorrectionRow.person_id == person_id, ~CorrectionRow.accepted
    )
    proposal = session.scalar(own)
    last = last_judgement(session, proposal.id, answer_id, votes=False) if proposal is not None else None
    return last if proposal is not None and last is not None and last.at >= proposal.at else None


def _waiting(kind: Kind, key: str, at: datetime, text: str, answer: AnswerRow) -> Waiting:
    return Waiting(kind, key, answer.id, answer.department, at, text, bases_from(answer.rests_on))


def _proposals() -> Any:
    """Select proposals that nobody has rejected, and whose answer nobody has corrected since."""
    accepted = aliased(CorrectionRow)
    corrected = select(accepted.id).where(
        accepted.answer_id == CorrectionRow.answer_id, accepted.accepted, accepted.at >= CorrectionRow.at
    )
    query = select(CorrectionRow.id, CorrectionRow.at, CorrectionRow.text, AnswerRow)
    return (
        query.join(AnswerRow, AnswerRow.id == CorrectionRow.answer_id)
        .join(QuestionRow, QuestionRow.id == AnswerRow.question_id)
        .where(~CorrectionRow.accepted, ~corrected.exists(), ~rejected(), _nobodys_file())
    )


def _escalations() -> Any:
    query = select(EscalationRow.id, EscalationRow.opened_at, literal(""), AnswerRow)
    return query.join(AnswerRow, AnswerRow.id == EscalationRow.answer_id).where(EscalationRow.state == "open")


def _votes() -> tuple[Any, Any, Any]:
    """Select answers voted down that nobody has corrected, or decided to keep since.

    The vote of somebody whose proposed correction waits doesn't count: the proposal waits instead.
    """
    proposed = select(CorrectionRow.id).where(
        CorrectionRow.answer_id == VoteRow.answer_id, CorrectionRow.person_id == VoteRow.person_id, ~rejected()
    )
    last = select(VoteRow.answer_id, func.max(VoteRow.at).label("at"))
    last = last.where(VoteRow.value == "down", ~proposed.exists(), ~overruled())
    down = last.group_by(VoteRow.answer_id).subquery()
    corrected = select(CorrectionRow.id).where(CorrectionRow.answer_id == AnswerRow.id, CorrectionRow.accepted)
    query = (
        select(AnswerRow.id, down.c.at, literal(""), AnswerRow)
        .join(down, down.c.answer_id == AnswerRow.id)
        .join(QuestionRow, QuestionRow.id == AnswerRow.question_id)
        .where(~corrected.exists(), _nobodys_file())
    )
    return query, AnswerRow.id, down.c.at


def _rated() -> tuple[Any, Any]:
    """Select answers of the random sample that an agent rated as not correct, and that nobody has decided on since."""
    kept = select(RejectionRow.id).where(
        RejectionRow.answer_id == RatingRow.answer_id,
        RejectionRow.correction_id.is_(None),
        RejectionRow.at >= RatingRow.at,
    )
    rated = select(RatingRow.answer_id, func.max(RatingRow.at).label("at"))
    wrong = rated.where(RatingRow.sampled, RatingRow.correct > YES, ~kept.exists())
    last = wrong.group_by(RatingRow.answer_id).subquery()
    corrected = select(CorrectionRow.id).where(CorrectionRow.answer_id == AnswerRow.id, CorrectionRow.accepted)
    query = (
        select(AnswerRow.id, last.c.at, literal(""), AnswerRow)
        .join(last, last.c.answer_id == AnswerRow.id)
        .join(QuestionRow, QuestionRow.id == AnswerRow.question_id)
        .where(~corrected.exists(), _nobodys_file())
    )
    return query, last.c.at


def _nobodys_file() -> Any:
    return cast(QuestionRow.attachments, Text) == "[]"
