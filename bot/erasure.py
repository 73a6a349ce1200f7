"""Erasing questions: with a question go its answer, votes, corrections, curated answers and deliveries.

The foreign keys take care of these; here is what no key reaches.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import Text, cast, delete, select

from bot.store.models import AnswerRow, AuditRow, DatasetRowRow, HeldOutRow, QuestionRow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session


def erase_questions(session: Session, question_ids: Sequence[str], *, actor: str) -> int:
    """Erase questions in the caller's transaction and return how many were there.

    They also leave the histories of later questions and the evaluation set. A dataset on disk is never rewritten: the
    audit row names those that hold a row made of the answer.
    """
    questions = session.scalars(select(QuestionRow).where(QuestionRow.id.in_(question_ids))).all()
    for question in questions:
        answer = session.scalar(select(AnswerRow).where(AnswerRow.question_id == question.id))
        datasets: list[str] = []
        if answer is not None:
            _leave_histories(session, question, answer)
            session.execute(delete(HeldOutRow).where(HeldOutRow.answer_id == answer.id))
            holding = select(DatasetRowRow.dataset).where(DatasetRowRow.answer_id == answer.id)
            datasets = sorted(set(session.scalars(holding)))
        session.delete(question)
        detail = {"datasets": datasets}
        session.add(AuditRow(actor=actor, action="question.erase", subject=question.id, detail=detail))
    return len(questions)


def _leave_histories(session: Session, question: QuestionRow, answer: AnswerRow) -> None:
    later = select(QuestionRow).where(
        QuestionRow.channel == question.channel,
        QuestionRow.place == question.place,
        QuestionRow.asked_at >= question.asked_at,
        cast(QuestionRow.history, Text) != "[]",
    )
    turn = {"question": question.text, "answer": answer.text}
    for row in session.scalars(later):
        kept = [each for each in row.history if {**each, **turn} != each]
        if len(kept) < len(row.history):
            row.history = kept
