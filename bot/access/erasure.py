"""Erases questions, with their answers, votes, corrections, curated answers and deliveries.

Foreign keys delete those; this module deletes what no key reaches. :mod:`bot.access.erasing` erases people and
documents, files included.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import Text, cast, delete, select

from bot.access.audit import note_change
from bot.storage.tables.answers import AnswerRow, QuestionRow, ThreadTitleRow
from bot.storage.tables.feedback import CuratedAnswerRow, CuratedVersionRow
from bot.storage.tables.training import DatasetRowRow, HeldOutRow

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from sqlalchemy.orm import Session


def erase_questions(session: Session, question_ids: Sequence[str], *, actor: str) -> int:
    """Erase questions in the caller's transaction; return how many existed.

    They are also removed from the histories of later questions and from the evaluation set. Datasets on disk are never
    rewritten: the audit row names those that were made from the answer.
    """
    datasets = remove_questions(session, question_ids)
    for question_id, names in datasets.items():
        detail = {"datasets": names}
        note_change(session, actor=actor, action="question.erase", subject=question_id, detail=detail)
    return len(datasets)


def remove_questions(session: Session, question_ids: Sequence[str]) -> dict[str, list[str]]:
    """Erase questions without an entry in the audit log; return the datasets that hold each answer, by question."""
    questions = session.scalars(select(QuestionRow).where(QuestionRow.id.in_(question_ids))).all()
    holding: dict[str, list[str]] = {}
    for question in questions:
        answer = session.scalar(select(AnswerRow).where(AnswerRow.question_id == question.id))
        datasets: list[str] = []
        if answer is not None:
            _leave_histories(session, question, answer)
            session.execute(delete(HeldOutRow).where(HeldOutRow.answer_id == answer.id))
            made_of_it = select(DatasetRowRow.dataset).where(DatasetRowRow.answer_id == answer.id)
            datasets = sorted(set(session.scalars(made_of_it)))
        session.delete(question)
        holding[question.id] = datasets
    _remove_titles(session, {question.thread for question in questions})
    settle_curated(session)
    return holding


def settle_curated(session: Session) -> None:
    """Put curated answers back to their last version that is left, if the one in use went with its author or question.

    Those without any version go too.
    """
    session.flush()
    current = (CuratedVersionRow.curated_id == CuratedAnswerRow.id) & (
        CuratedVersionRow.revision == CuratedAnswerRow.revision
    )
    lost = select(CuratedAnswerRow).outerjoin(CuratedVersionRow, current).where(CuratedVersionRow.id.is_(None))
    for row in session.scalars(lost).all():
        left = select(CuratedVersionRow).where(CuratedVersionRow.curated_id == row.id)
        version = session.scalar(left.order_by(CuratedVersionRow.revision.desc()).limit(1))
        if version is None:
            session.delete(row)
            continue
        row.question, row.text, row.rests_on = version.question, version.text, version.rests_on
        row.revision, row.author, row.edited_at = version.revision, version.person_id, version.at
        row.vector = None
    session.flush()


def _remove_titles(session: Session, threads: Collection[str]) -> None:
    """Remove the titles of those threads that have no question left."""
    session.flush()
    same = (
        QuestionRow.person_id == ThreadTitleRow.person_id,
        QuestionRow.channel == ThreadTitleRow.channel,
        QuestionRow.thread == ThreadTitleRow.thread,
    )
    empty = ~select(QuestionRow.id).where(*same).exists()
    session.execute(delete(ThreadTitleRow).where(ThreadTitleRow.thread.in_(threads), empty))


def _leave_histories(session: Session, question: QuestionRow, answer: AnswerRow) -> None:
    """Take a question out of the histories in its place. Times don't tell which are later: clocks are set back."""
    later = select(QuestionRow).where(
        QuestionRow.channel == question.channel,
        QuestionRow.place == question.place,
        cast(QuestionRow.history, Text) != "[]",
    )
    turn = {"question": question.text, "answer": answer.text}
    for row in session.scalars(later):
        kept = [each for each in row.history if {**each, **turn} != each]
        if len(kept) < len(row.history):
            row.history = kept
