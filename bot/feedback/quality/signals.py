"""What is known of an answer that says how much a decision about it teaches. Everything here is blocking."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from bot.domain.identifiers import now
from bot.feedback.waiting import overruled
from bot.storage.tables.answers import AnswerRow, QuestionRow
from bot.storage.tables.feedback import VoteRow

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from sqlalchemy.orm import Session

    from bot.storage.session import Store

DAYS = 90
"""How far back questions are counted."""


@dataclass(frozen=True, slots=True)
class Signal:
    """What people made of an answer.

    :param up: how many people voted it up; ``down`` likewise, without votes that an agent has overruled.
    :param asked: how often its question was asked in the same words in its department, in the last 90 days.
    :param weak: whether nothing was found, or only a page could be quoted.
    """

    up: int = 0
    down: int = 0
    asked: int = 1
    weak: bool = False


def signals(store: Store, answer_ids: Collection[str]) -> Mapping[str, Signal]:
    """Return what is known of each of these answers."""
    columns = select(AnswerRow.id, AnswerRow.department, AnswerRow.known, AnswerRow.provenance, _words())
    query = columns.join(QuestionRow, QuestionRow.id == AnswerRow.question_id).where(AnswerRow.id.in_(answer_ids))
    with store.read() as session:
        rows = session.execute(query).all()
        votes = _votes(session, answer_ids)
        asked = _asked(session, {(department, words) for _, department, _, _, words in rows})
    return {
        answer_id: Signal(
            votes[answer_id]["up"],
            votes[answer_id]["down"],
            asked[department, words],
            weak=not known or provenance.get("source") == "passage",
        )
        for answer_id, department, known, provenance, words in rows
    }


def _words() -> Any:
    return func.lower(func.trim(QuestionRow.text))


def _votes(session: Session, answer_ids: Collection[str]) -> dict[str, Counter[str]]:
    counted = select(VoteRow.answer_id, VoteRow.value, func.count()).where(VoteRow.answer_id.in_(answer_ids))
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for answer_id, value, count in session.execute(
        counted.where(~overruled()).group_by(VoteRow.answer_id, VoteRow.value)
    ):
        found[answer_id][value] = count
    return found


def _asked(session: Session, wanted: Collection[tuple[str, str]]) -> Counter[tuple[str, str]]:
    recent = QuestionRow.asked_at > now() - timedelta(days=DAYS)
    these = recent, QuestionRow.department.in_({each for each, _ in wanted}), _words().in_({each for _, each in wanted})
    counted = select(QuestionRow.department, _words(), func.count()).where(*these)
    rows = session.execute(counted.group_by(QuestionRow.department, _words()))
    return Counter({(department, words): count for department, words, count in rows})
