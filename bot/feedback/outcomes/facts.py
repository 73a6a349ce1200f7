"""Gathers what outcomes are decided from, in one statement for all questions of a selection.

Left out are replies to thanks and greetings, which nobody asked anything with; questions that came with imported votes,
because nobody asked Mentee; and those of people whom ``outcomes.leave_out`` names.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import Text, and_, case, cast, func, select
from sqlalchemy.orm import aliased

from bot.domain.outcomes.deciding import Facts
from bot.storage.tables.answers import AnswerRow, QuestionRow, RephrasingRow
from bot.storage.tables.feedback import EscalationRow, VoteRow

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from datetime import datetime

    from sqlalchemy.orm import Session

IMPORTED = "import"
"""Channel of questions that came with imported votes."""

NO_ADAPTER = "none"
"""Chooses the answers that no adapter wrote."""

REPLIED = ("replied", "corrected")
"""How escalations end by a person's reply: a correction is sent to the person who asked, too."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which questions to look at.

    :param until: the first moment that is left out.
    :param departments: ``None`` for all, including those that were removed.
    :param channel: empty for all.
    :param adapter: an adapter's version, or :data:`NO_ADAPTER`; empty for all.
    :param settled: only those that shares are made of, see :class:`bot.domain.outcomes.figures.Ended`.
    :param leave_out: ids of people whose questions don't count.
    """

    since: datetime
    until: datetime
    departments: Collection[str] | None = None
    channel: str = ""
    adapter: str = ""
    settled: bool = False
    leave_out: Collection[str] = ()


def find_facts(session: Session, selection: Selection) -> Iterator[Facts]:
    """Yield what is known of each question of a selection, in the order in which they were asked."""
    own = aliased(VoteRow)
    asker = and_(own.answer_id == AnswerRow.id, own.person_id == QuestionRow.person_id)
    query = (
        select(
            QuestionRow.id,
            AnswerRow.id,
            QuestionRow.department,
            QuestionRow.channel,
            QuestionRow.asked_at,
            AnswerRow.created_at,
            func.coalesce(AnswerRow.adapter, ""),
            and_(~AnswerRow.known, source() == "none"),
            (cast(AnswerRow.citations, Text) != "[]") | (source() == "curated"),
            own.value,
            select(VoteRow.answer_id).where(VoteRow.answer_id == AnswerRow.id, VoteRow.value == "down").exists(),
            _handover(),
            case((EscalationRow.outcome.in_(REPLIED), EscalationRow.resolved_at)),
            select(RephrasingRow.earlier_id).where(RephrasingRow.earlier_id == QuestionRow.id).exists(),
            select(RephrasingRow.later_id).where(RephrasingRow.later_id == QuestionRow.id).exists(),
            QuestionRow.compared,
        )
        .join(AnswerRow, AnswerRow.question_id == QuestionRow.id)
        .outerjoin(own, asker)
        .outerjoin(EscalationRow, EscalationRow.answer_id == AnswerRow.id)
        .where(*_chosen(selection))
        .order_by(QuestionRow.asked_at, QuestionRow.id)
    )
    for row in session.execute(query):
        yield Facts(*row)


def is_asked() -> tuple[Any, Any]:
    """Return the conditions that somebody asked Mentee something."""
    return QuestionRow.channel != IMPORTED, source() != "courtesy"


def source() -> Any:
    """Return where an answer's text comes from; empty where that isn't recorded."""
    return func.coalesce(AnswerRow.provenance["source"].as_string(), "")


def _chosen(selection: Selection) -> Iterator[Any]:
    yield from is_asked()
    yield QuestionRow.asked_at >= selection.since
    yield QuestionRow.asked_at < selection.until
    if selection.departments is not None:
        yield QuestionRow.department.in_(selection.departments)
    if selection.channel:
        yield QuestionRow.channel == selection.channel
    if selection.adapter:
        yield func.coalesce(AnswerRow.adapter, NO_ADAPTER) == selection.adapter
    if selection.leave_out:
        yield QuestionRow.person_id.not_in(selection.leave_out)


def _handover() -> Any:
    return case(
        (EscalationRow.id.is_(None), ""),
        (EscalationRow.outcome.in_(REPLIED), "replied"),
        (EscalationRow.state == "open", "waiting"),
        else_="closed",
    )
