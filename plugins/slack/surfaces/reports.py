"""What thumbs down point operators to: pages that are out of date, answers that should not have been given."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import select

from bot.messages import now
from bot.reasons import CAUSES
from bot.store.models import AnswerRow, CorrectionRow, VoteRow

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy.orm import Session

DAYS = 30
PAGES = 5


@dataclass(frozen=True, slots=True)
class Reported:
    """What people reported lately of answers that no agent has corrected since.

    :param pages: addresses that such answers name, with how many votes call them out of date; the most first.
    :param unsafe: answers that somebody finds unsafe.
    """

    pages: Mapping[str, int] = field(default_factory=dict)
    unsafe: int = 0


def reported(session: Session, departments: Sequence[str]) -> Reported:
    """Return what was reported in these departments."""
    corrected = select(CorrectionRow.id).where(CorrectionRow.answer_id == AnswerRow.id, CorrectionRow.accepted)
    query = (
        select(VoteRow.reason, AnswerRow.id, AnswerRow.citations)
        .join(AnswerRow, AnswerRow.id == VoteRow.answer_id)
        .where(
            VoteRow.value == "down",
            VoteRow.at > now() - timedelta(days=DAYS),
            AnswerRow.department.in_(departments),
            ~corrected.exists(),
        )
    )
    pages: Counter[str] = Counter()
    unsafe: set[str] = set()
    for reason, answer_id, citations in session.execute(query):
        cause = CAUSES.get(reason)
        if cause == "page":
            pages.update({citation["document"] for citation in citations})
        elif cause == "safety":
            unsafe.add(answer_id)
    return Reported(dict(pages.most_common(PAGES)), len(unsafe))
