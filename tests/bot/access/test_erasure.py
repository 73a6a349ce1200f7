"""Erasing a question reaches everything that was made of it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from bot.access.erasure import erase_questions
from bot.domain.identifiers import now
from bot.storage.tables.access import AuditRow
from bot.storage.tables.answers import AnswerRow, QuestionRow
from bot.storage.tables.training import DatasetRowRow, HeldOutRow

if TYPE_CHECKING:
    from bot.storage.session import Store


def question(number: int, history: Any = ()) -> QuestionRow:
    return QuestionRow(
        id=f"q_{number}",
        text=f"question {number}",
        person_id="slack:U1",
        department="it",
        channel="slack",
        place="C1",
        history=list(history),
    )


def answer(number: int) -> AnswerRow:
    return AnswerRow(id=f"a_{number}", question_id=f"q_{number}", department="it", text=f"answer {number}")


def test_it_leaves_histories_and_the_evaluation_set_and_says_which_datasets_hold_it(store: Store) -> None:
    turns = [{"question": f"question {number}", "answer": f"answer {number}"} for number in (1, 2)]
    with store.write() as session:
        asked = [question(1), question(2, history=turns[:1]), question(3, history=turns)]
        asked[2].asked_at = now() - timedelta(days=1)  # the machine's clock was set back meanwhile
        session.add_all(asked)
        session.flush()
        session.add_all([answer(1), answer(2), answer(3)])
        session.add_all(
            HeldOutRow(department="it", question=f"q{number}", reference="r", answer_id=f"a_{number}")
            for number in (1, 2)
        )
        session.add(DatasetRowRow(dataset="it-1", example="x1", answer_id="a_1"))
    with store.write() as session:
        assert erase_questions(session, ["q_1", "q_9"], actor="slack") == 1
    with store.read() as session:
        left = {row.id: row.history for row in session.scalars(select(QuestionRow))}
        assert left == {"q_2": [], "q_3": turns[1:]}
        assert session.get(AnswerRow, "a_1") is None
        assert [row.answer_id for row in session.scalars(select(HeldOutRow))] == ["a_2"]
        audit = session.scalars(select(AuditRow).where(AuditRow.action == "question.erase")).one()
    assert (audit.actor, audit.subject, audit.detail) == ("slack", "q_1", {"datasets": ["it-1"]})
