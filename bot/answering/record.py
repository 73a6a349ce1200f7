"""Commits an answer: the question, the answer with its provenance, its delivery and the end of its inbox item."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from bot.access.names import document_name, erased_since, is_retired, require_present
from bot.domain.deliveries import OutboxItem, delivery_id
from bot.domain.documents.addresses import at_sentence
from bot.domain.errors import MenteeError
from bot.storage.tables.answers import AnswerRow, QuestionRow

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.orm import Session

    from bot.access.rights import Rights
    from bot.delivery.inbox import Inbox
    from bot.delivery.outbox import Outbox
    from bot.domain.answers import Answer, Citation
    from bot.domain.deliveries import InboxItem
    from bot.domain.questions import Question
    from bot.feedback.actions import Actions
    from bot.hooks.host import PluginHost
    from bot.storage.session import Store


@dataclass(frozen=True, slots=True)
class Recorder:
    """Records answers. Everything here is blocking.

    :param title: returns a department's title.
    """

    store: Store
    inbox: Inbox
    outbox: Outbox
    actions: Actions
    plugins: PluginHost
    rights: Rights
    title: Callable[[str], str]

    def record(self, question: Question, answer: Answer, *, inbox_item: InboxItem | None = None) -> bool:
        """Commit everything about an answer in one transaction.

        The question is stored with its thread, and with which of its turns it leans on.

        :return: ``False`` when another worker has recorded the same item before; nothing is written then.
        :raises MenteeError: a document that it rests on, the asker, or somebody whose words the question repeats, has
            been erased meanwhile; nothing is written.
        """
        turns = self.rights.turns(question.history, question.audience, answer.department)
        question = replace(question, history=turns)
        titles = {name: self.title(name) for name in answer.provenance.elsewhere}
        with self.store.write() as session:
            _require_not_erased(session, answer)
            require_present(session, question.person.id, question.received_at)
            question = _without_erased(session, question)
            if inbox_item is not None and not self.inbox.finish(session, inbox_item.id):
                return False
            session.add(_question_row(question, answer))
            session.flush()
            session.add(_answer_row(answer))
            session.flush()
            self.actions.offer(session, answer, question.person)
            if question.reply_to:
                elsewhere = [{"department": name, "title": titles[name]} for name in answer.provenance.elsewhere]
                payload = {**delivery_payload(answer), "elsewhere": elsewhere}
                item = OutboxItem(
                    question.channel, "answer", question.reply_to, payload, delivery_id(question.id), answer.id
                )
                self.outbox.add(session, item, lane=question.place)
        self.plugins.on_answer_recorded(question, replace(answer, actions=()))  # payloads are their plugin's alone
        return True


def _require_not_erased(session: Session, answer: Answer) -> None:
    for document in {basis.document for basis in answer.rests_on if basis.document}:
        if is_retired(session, document_name(document)):
            raise MenteeError("A document was erased while this was being answered from it.", hint="Ask again.")


def _without_erased(session: Session, question: Question) -> Question:
    """Return the question without the turns of people who were erased while it was being answered.

    :raises MenteeError: the question itself repeats the words of such a person.
    """
    quoted = {*question.quotes, *(person for turn in question.history for person in (turn.person_id, *turn.quotes))}
    erased = {person for person in quoted if erased_since(session, person, question.received_at)}
    if not erased.isdisjoint(question.quotes):
        raise MenteeError("The message was erased while Mentee was answering it.", hint="Ask in your own words.")
    turns = (turn for turn in question.history if erased.isdisjoint((turn.person_id, *turn.quotes)))
    return replace(question, history=tuple(turns))


def delivery_payload(answer: Answer) -> dict[str, Any]:
    """Return what a channel gets of an answer: no scores, and of its provenance only the kind of source."""
    return {
        "answer_id": answer.id,
        "question_id": answer.question_id,
        "text": answer.text,
        "known": answer.known,
        "department": answer.department,
        "source": answer.provenance.source,
        "citations": [_shown(citation) for citation in answer.citations],
        "actions": [each.shown() for each in answer.actions],
        "suggestion": asdict(answer.provenance.suggestion) if answer.provenance.suggestion else None,
    }


def _shown(citation: Citation) -> dict[str, Any]:
    address = at_sentence(citation.document, citation.quote)
    shown = {"n": citation.n, "document": citation.document, "heading": citation.heading, "text": citation.text}
    return shown if address == citation.document else {**shown, "address": address}


def _question_row(question: Question, answer: Answer) -> QuestionRow:
    return QuestionRow(
        id=question.id,
        text=question.text,
        person_id=question.person.id,
        department=answer.department,
        channel=question.channel,
        place=question.place,
        thread=question.thread,
        history=[{**asdict(turn), "leaned_on": turn in answer.leans_on} for turn in question.history],
        attachments=[{"name": each.name, "problem": each.problem} for each in question.attachments],
        train_eligible=question.train_eligible and not question.attachments,
        quotes=list(question.quotes),
        asked_at=question.received_at,
    )


def _answer_row(answer: Answer) -> AnswerRow:
    return AnswerRow(
        id=answer.id,
        question_id=answer.question_id,
        department=answer.department,
        text=answer.text,
        known=answer.known,
        citations=[asdict(citation) for citation in answer.citations],
        provenance=asdict(answer.provenance),
        rests_on=[asdict(basis) for basis in answer.rests_on],
        adapter=answer.provenance.adapter,
    )
