"""The way of one message, top to bottom: route, enrich, find, prompt, generate, guard, record."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from bot import attachments, fallback
from bot.drafting import Draft
from bot.engines.standby import Served, served
from bot.errors import EngineError, MenteeError, TooLargeError
from bot.messages import (
    Answer,
    AnswerEvent,
    Citation,
    DirectAnswer,
    Done,
    OutboxItem,
    Provenance,
    Status,
    TextDelta,
    delivery_id,
)
from bot.prompt import PROMPT_VERSION, build_messages, portions, unless_sure
from bot.protocols import AdapterRef, GenerationRequest
from bot.routing import route
from bot.store.models import AnswerRow, QuestionRow

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from bot.app import Mentee
    from bot.departments import Department
    from bot.messages import ChatMessage, InboxItem, Passage, Question
    from bot.protocols import Reserved
    from bot.votes import CuratedMatch

CANDIDATES = 10
"""Passages retrieved; the best ``answers.passages`` of them reach the prompt."""


@dataclass(slots=True)
class _Work:
    """What is known so far about one question under way."""

    question: Question
    department: Department
    started: float = field(default_factory=time.perf_counter)
    found: Sequence[Passage] = ()
    passages: Sequence[Passage] = ()
    read: list[Passage] = field(default_factory=list)
    adapter: AdapterRef | None = None
    served: Served | None = None
    timings: dict[str, float] = field(default_factory=dict)

    def took(self, stage: str) -> None:
        """Add the seconds since the last note to a stage."""
        elapsed = time.perf_counter() - self.started - sum(self.timings.values())
        self.timings[stage] = round(self.timings.get(stage, 0.0) + elapsed, 4)


class Pipeline:
    """Answers questions for one instance."""

    def __init__(self, mentee: Mentee) -> None:
        self._mentee = mentee
        self._engine_started = False
        self._retriever_warm = False
        self._lock = asyncio.Lock()

    async def start(self) -> None:
        """Load the engine and the embedder now instead of at the first question that needs them."""
        await self._warm_retriever()
        await self._start_engine()

    async def _start_engine(self) -> None:
        async with self._lock:
            if not self._engine_started:
                await self._mentee.engine.start()
                self._engine_started = True

    async def _warm_retriever(self) -> None:
        """Load the embedder outside the time limit of a search."""
        async with self._lock:
            if not self._retriever_warm:
                await asyncio.to_thread(self._mentee.retriever.embed, ["warm"])
                self._retriever_warm = True

    async def stop(self) -> None:
        """Stop the engine if it was started."""
        async with self._lock:
            if self._engine_started:
                await self._mentee.engine.stop()
                self._engine_started = False

    async def answer(self, question: Question) -> AsyncGenerator[AnswerEvent, None]:
        """Answer a question, streaming; the last event is :class:`~bot.messages.Done`. Nothing is recorded here.

        :raises MenteeError: the question is refused (too long, closed department) or cannot be answered now.
        """
        async with aclosing(self._answer(question)) as events:
            async for event in events:
                yield attachments.with_problems(event, question.attachments)

    async def _answer(self, question: Question) -> AsyncGenerator[AnswerEvent, None]:
        self._check(question)
        work = _Work(question, await route(self._mentee, question))
        work.question = await asyncio.to_thread(self._enrich, replace(question, department=work.department.name))
        work.took("route")
        ready = await asyncio.to_thread(self._without_model, work)
        if ready is not None:
            yield TextDelta(ready.text)
            yield Done(ready)
            return
        attached = any(attachment.pieces for attachment in question.attachments)
        if attached or await asyncio.to_thread(self._mentee.retriever.has_documents, work.department.name):
            yield Status(f"Searching the {work.department.title} documents")
            await self._warm_retriever()
            work.found, beside = await self._retrieve(work)
            work.took("retrieve")
            known = fallback.found(work.found, work.department.answers.known_threshold)
            if not (known or beside):
                yield Done(self._finish(work, fallback.not_found(work.department.title, work.found), "none"))
                return
            work.passages = [*beside, *(work.found[: work.department.answers.passages] if known else ())]
        async with aclosing(self._generate(work)) as events:
            async for event in events:
                yield event

    def record(self, question: Question, answer: Answer, *, inbox_item: InboxItem | None = None) -> bool:
        """Commit question, answer, its delivery and the end of its inbox item in one transaction.

        :return: ``False`` when another worker has recorded the same item before; nothing is written then.
        """
        mentee = self._mentee
        with mentee.store.write() as session:
            if inbox_item is not None and not mentee.inbox.finish(session, inbox_item.id):
                return False
            session.add(_question_row(question, answer))
            session.flush()
            session.add(_answer_row(answer))
            session.flush()
            if question.reply_to:
                payload = delivery_payload(answer)
                item = OutboxItem(
                    question.channel, "answer", question.reply_to, payload, delivery_id(question.id), answer.id
                )
                mentee.outbox.add(session, item, lane=question.place)
        department = answer.department
        list(mentee.plugins.values("on_answer_recorded", department, question=question, answer=answer))
        return True

    def _check(self, question: Question) -> None:
        limit = self._mentee.settings.limits.question_chars
        if len(question.text) > limit:
            raise TooLargeError(
                f"The question has {len(question.text):,} characters; at most {limit:,} are read.",
                hint="Ask about one thing at a time.",
            )
        if not question.text.strip():
            raise MenteeError("The question is empty.", hint="Type what you want to know.")

    def _enrich(self, question: Question) -> Question:
        enriched = self._mentee.plugins.fold("enrich_question", "question", question, question.department)
        return replace(question, search_text=enriched.search_text)  # a helper may not change who asks, or what

    def _without_model(self, work: _Work) -> Answer | None:
        """Return a plugin's direct answer or a colleague's curated one, if either fits."""
        question, name = work.question, work.department.name
        for plugin, value in self._mentee.plugins.values("answer_directly", name, question=question):
            if isinstance(value, DirectAnswer):
                draft = fallback.Text(value.text, known=True, citations=value.citations)
                return self._finish(work, draft, "plugin")
            self._mentee.plugins.fail(plugin, "answer_directly", f"returned {type(value).__name__}, not DirectAnswer")
        alone = question.use_curated and not question.attachments  # a colleague's answer knew nothing of these
        match = self._mentee.votes.curated(work.department, question.text) if alone else None
        work.took("curated")
        if match is None:
            return None
        return self._finish(work, fallback.Text(match.text, known=True), "curated", match)

    async def _retrieve(self, work: _Work) -> tuple[Sequence[Passage], Sequence[Passage]]:
        """Return what the documents hold, and what the question's own attachments hold."""
        limit = self._mentee.settings.limits.retrieval_seconds
        try:
            async with asyncio.timeout(limit):
                return await asyncio.to_thread(self._find, work)
        except TimeoutError:
            raise EngineError(f"Retrieval took longer than {limit:g} s.", hint="Try again in a minute.") from None

    def _find(self, work: _Work) -> tuple[Sequence[Passage], Sequence[Passage]]:
        question, name = work.question, work.department.name
        text = question.search_text or question.text
        found = self._mentee.retriever.search(text, name, question.audience, k=CANDIDATES, history=question.history)
        ranked = self._mentee.plugins.fold("rank_passages", "passages", found, name, question=question)
        allowed = {passage.chunk_id: passage for passage in found}
        kept = [allowed[passage.chunk_id] for passage in ranked if passage.chunk_id in allowed]
        # What a plugin left out must not come back as what follows on another passage.
        thinned = {passage.document_id for passage in found if passage not in kept}
        kept = [replace(passage, following="") if passage.document_id in thinned else passage for passage in kept]
        telling = [passage for passage in kept if fallback.tells(passage.text)]
        return telling or kept, attachments.nearest(question, self._mentee.retriever.embed)

    async def _generate(self, work: _Work) -> AsyncGenerator[AnswerEvent, None]:
        await self._start_engine()
        work.adapter = self._mentee.champions.get(work.department.name, reading=bool(work.passages))
        draft = Draft(self._mentee, work.question, (), work.adapter)
        for passages in portions(work.passages, work.department.answers.passages_at_once):
            messages, shown = await asyncio.to_thread(self._prompt, work, passages)
            work.read += shown
            work.took("prompt")
            if draft.passages == ():
                yield Status("Writing the answer")
            draft = Draft(self._mentee, work.question, shown, work.adapter)
            async with aclosing(self._write(work, messages, draft)) as sentences:
                async for sentence in sentences:
                    yield TextDelta(sentence)
            if not draft.refused:
                break
        text, source = await asyncio.to_thread(self._judge, work, draft)
        yield Done(self._finish(work, text, source))

    async def _write(self, work: _Work, messages: tuple[ChatMessage, ...], draft: Draft) -> AsyncGenerator[str, None]:
        """Let the model answer from what ``draft`` was given, and yield the sentences that may be shown."""
        limit = self._mentee.settings.model.max_new_tokens
        request = GenerationRequest(
            messages,
            work.adapter,
            work.department.name,
            max_new_tokens=limit,
            reserved=self._reserved(work, draft),
        )
        async with aclosing(self._mentee.engine.generate(request)) as pieces:
            async for piece in pieces:
                if "first_token" not in work.timings:
                    work.took("first_token")
                for sentence in await draft.add(piece):
                    yield sentence
                if draft.stopped:
                    break
        work.served = served(self._mentee.engine, request, pieces)
        work.adapter = work.served.adapter
        for sentence in await draft.finish():
            yield sentence
        work.took("generate")

    @staticmethod
    def _reserved(work: _Work, draft: Draft) -> Reserved | None:
        """Return what the model must be sure of: that passages which retrieval holds for relevant do not answer."""
        relevance = max((passage.relevance for passage in draft.passages), default=0.0)
        return unless_sure(work.department.answers.refusal_chance(relevance))

    def _prompt(self, work: _Work, passages: Sequence[Passage]) -> tuple[tuple[ChatMessage, ...], Sequence[Passage]]:
        """Build the prompt, leaving out the weakest passages and then the oldest turns until it fits the context.

        Return it with the passages that are in it.
        """
        department, question = work.department, work.question
        extra = [
            str(line) for _, line in self._mentee.plugins.values("extend_prompt", department.name, question=question)
        ]
        room = self._mentee.engine.info.context_tokens - self._mentee.settings.model.max_new_tokens
        history = question.history
        while True:
            messages = build_messages(
                question.text,
                passages,
                title=department.title,
                instructions=department.instructions,
                glossary=department.glossary,
                history=history,
                extra=extra,
            )
            if self._mentee.engine.count_tokens(messages) <= room:
                return messages, passages
            if history:
                history = history[1:]
            elif len(passages) > 1:
                passages = passages[:-1]
            else:
                raise TooLargeError("The question does not fit the model's context.", hint="Ask a shorter question.")

    def _judge(self, work: _Work, draft: Draft) -> tuple[fallback.Text, str]:
        """Choose between the model's checked text and a quotation of the best passage."""
        answers, title = work.department.answers, work.department.title
        if draft.replacement:
            return fallback.Text(draft.replacement, known=False), "none"
        if not draft.passages:
            text = draft.text or fallback.NOTHING_TO_SAY
            return fallback.Text(text, known=bool(draft.text) and work.adapter is not None), "model"
        sure = max(answers.known_threshold, answers.quote_threshold)
        if draft.refused and not fallback.found(work.passages, sure):
            return fallback.not_found(title, [*work.passages, *work.found]), "none"
        if draft.text:
            return draft.cited.finish(), "model"
        quoted = work.passages if draft.refused else draft.passages
        question = work.question.search_text or work.question.text
        return fallback.quotation(question, quoted, self._mentee.retriever.embed), "passage"

    def _finish(self, work: _Work, text: fallback.Text, source: Any, curated: CuratedMatch | None = None) -> Answer:
        mentee, name = self._mentee, work.department.name
        work.timings["total"] = round(time.perf_counter() - work.started, 4)
        states = mentee.plugins.states
        reason = work.served.reason if work.served else ""
        provenance = Provenance(
            adapter=work.adapter.version if work.adapter else None,
            base_model=work.served.info.base_model if work.served and reason else mentee.settings.model.name,
            standby=reason,
            generation=next((passage.generation for passage in work.passages if passage.generation), None),
            prompt_version=PROMPT_VERSION,
            chunks=tuple({"chunk_id": passage.chunk_id, "score": passage.score} for passage in work.read),
            plugins={
                plugin.name: plugin.version
                for plugin in mentee.plugins.loaded.values()
                if not plugin.error and states.enabled(plugin.name, name)
            },
            timings=work.timings,
            source=source,
            curated=curated.id if curated else None,
        )
        citations = attachments.without_text(text.citations)
        return Answer(work.question.id, text.text, text.known, name, citations, provenance)


def delivery_payload(answer: Answer) -> dict[str, Any]:
    """Return what a channel shows of an answer: no scores and no provenance beyond its source's kind."""
    return {
        "answer_id": answer.id,
        "question_id": answer.question_id,
        "text": answer.text,
        "known": answer.known,
        "department": answer.department,
        "source": answer.provenance.source,
        "citations": [_shown(citation) for citation in answer.citations],
    }


def _shown(citation: Citation) -> dict[str, Any]:
    return {"n": citation.n, "document": citation.document, "heading": citation.heading, "text": citation.text}


def _question_row(question: Question, answer: Answer) -> QuestionRow:
    return QuestionRow(
        id=question.id,
        text=question.text,
        person_id=question.person.id,
        department=answer.department,
        channel=question.channel,
        place=question.place,
        thread=question.thread,
        history=[asdict(turn) for turn in question.history],
        attachments=[{"name": each.name, "problem": each.problem} for each in question.attachments],
        train_eligible=question.train_eligible and not question.attachments,
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
        adapter=answer.provenance.adapter,
    )
