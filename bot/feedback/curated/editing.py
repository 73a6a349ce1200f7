"""Writes curated answers: a correction makes one or edits the one that it corrects, a vote down flags it."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from sqlalchemy import select

from bot.domain.identifiers import now
from bot.storage.tables.feedback import CorrectionRow, CuratedAnswerRow, CuratedVersionRow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session

    from bot.domain.people import Basis
    from bot.storage.tables.answers import AnswerRow, QuestionRow


def curate(
    session: Session,
    answer: AnswerRow,
    question: QuestionRow,
    correction: CorrectionRow,
    rests_on: Sequence[Basis],
) -> None:
    """Make a correction the curated answer to its question, inside the caller's transaction.

    If the answer repeats a curated answer, or was corrected before, that curated answer is edited.

    :param rests_on: what the corrected answer rests on, and so the correction, whose author has read it.
    """
    row = _edited(session, answer)
    if row is None:
        asked = " ".join(turn["question"] for turn in question.history[-1:])
        row = CuratedAnswerRow(
            correction_id=correction.id,
            department=answer.department,
            question=f"{asked} {question.text}".strip(),
            text=correction.text,
        )
        session.add(row)
        session.flush()
    version = CuratedVersionRow(
        question=row.question,
        text=correction.text,
        rests_on=[asdict(basis) for basis in rests_on],
        person_id=correction.person_id,
        correction_id=correction.id,
    )
    write_version(session, row, version)


def write_version(session: Session, row: CuratedAnswerRow, version: CuratedVersionRow) -> None:
    """Make this the version of a curated answer that is given from now on, inside the caller's transaction."""
    if version.question != row.question:
        row.vector = None
    row.question, row.text, row.rests_on, row.author = (
        version.question,
        version.text,
        version.rests_on,
        version.person_id,
    )
    row.active, row.edited_at, row.flagged_at = True, now(), None
    row.revision += 1
    version.curated_id, version.revision = row.id, row.revision
    session.add(version)
    session.flush()


def flag(session: Session, answer: AnswerRow) -> None:
    """Note that somebody found the curated answer wrong that an answer repeats, inside the caller's transaction."""
    row = session.get(CuratedAnswerRow, answer.provenance.get("curated") or "")
    if row is not None and row.flagged_at is None:
        row.flagged_at = now()


def _edited(session: Session, answer: AnswerRow) -> CuratedAnswerRow | None:
    """Return the curated answer that an answer repeats, or that was made from a correction of it."""
    repeated = answer.provenance.get("curated") or ""
    row = session.get(CuratedAnswerRow, repeated, with_for_update=True)
    if row is not None:
        return row
    made = select(CuratedAnswerRow).join(CorrectionRow, CorrectionRow.id == CuratedAnswerRow.correction_id)
    made = made.where(CorrectionRow.answer_id == answer.id).order_by(CuratedAnswerRow.created_at.desc()).limit(1)
    return session.scalar(made.with_for_update(of=CuratedAnswerRow))
