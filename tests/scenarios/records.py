"""Documents and answers on record, for scenarios that show them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bot.storage.tables.answers import AnswerRow, QuestionRow
from bot.storage.tables.documents import DocumentRow
from bot.storage.tables.feedback import VoteRow
from plugins.slack.overview.suggestions import ASKERS

if TYPE_CHECKING:
    from bot.app import Mentee

LODGING, SECRET = "travel/lodging.md", "travel/merger.md"


def shown(blocks: Any) -> str:
    """Return everything a reader reads, block after block."""
    texts = []
    for block in blocks:
        texts += [block["text"]["text"]] if "text" in block else []
        texts += [element["text"] for element in block.get("elements", ())]
    return "\n".join(texts)


def add_documents(mentee: Mentee, department: str, *addresses: Any, readers: Any = ()) -> None:
    with mentee.store.write() as session:
        for address in addresses:
            parts = {"sha256": address, "size": 1, "readers": list(readers)}
            session.add(DocumentRow(department=department, address=address, source=address, **parts))


def add_answer(
    mentee: Mentee,
    text: str,
    *,
    person: str = "slack:U9",
    department: str = "travel",
    cites: Any = (LODGING,),
    votes: Any = (),
    **row: Any,
) -> str:
    """Record a question and its answer; ``votes`` are values by person."""
    with mentee.store.write() as session:
        question = QuestionRow(text=text, person_id=person, department=department, channel="slack", **row)
        session.add(question)
        session.flush()
        page = {"heading": "A heading", "text": "A passage."}
        citations = [{"n": n, "document": document, **page} for n, document in enumerate(cites, start=1)]
        answer = AnswerRow(question_id=question.id, department=department, text="An answer.", citations=citations)
        answer.provenance = {"source": "model"}
        session.add(answer)
        session.flush()
        for voter, value, reason in votes:
            vote = VoteRow(answer_id=answer.id, person_id=voter, role="employee", value=value, reason=reason)
            session.add(vote)
        return answer.id


def asked_by_many(mentee: Mentee, text: str, people: Any = ASKERS, *, value: Any = "up", **parts: Any) -> None:
    for number in range(people):
        add_answer(mentee, text, person=f"slack:UX{number}", votes=[(f"slack:UX{number}", value, "")], **parts)
