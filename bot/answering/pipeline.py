"""The answer pipeline, top to bottom: check, find the topic, route, enrich, answer without the model, retrieve, write.

Each step has a module of its own; :mod:`bot.answering.record` commits what comes out.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import structlog

from bot.answering import attachments, extractive
from bot.answering.checking.checks import Checks, instead
from bot.answering.prompt import PROMPT_VERSION
from bot.answering.threads.courtesy import REPLIES, courtesy
from bot.answering.work import Work
from bot.domain.answers import (
    Answer,
    AnswerEvent,
    Done,
    Provenance,
    Status,
    TextDelta,
)
from bot.domain.plugins.actions import OfferedAction
from bot.domain.questions import check_text
from bot.hooks.calling.acting import Acted

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from bot.access.rights import Rights
    from bot.answering.retrieve import Retrieval
    from bot.answering.routing import Router
    from bot.answering.threads.topic import Topics
    from bot.answering.writing import Writer
    from bot.config.settings import Settings
    from bot.domain.questions import Question, Turn
    from bot.feedback.curated.answers import CuratedAnswers
    from bot.hooks.host import PluginHost
    from bot.inference.running import RunningEngine


log = structlog.get_logger(__name__)


class Pipeline:
    """Answers questions."""

    def __init__(  # noqa: PLR0913 - one for each step
        self,
        settings: Settings,
        plugins: PluginHost,
        *,
        topics: Topics,
        router: Router,
        curated: CuratedAnswers,
        retrieval: Retrieval,
        writer: Writer,
        running: RunningEngine,
        rights: Rights,
    ) -> None:
        self._settings = settings
        self._plugins = plugins
        self._topics = topics
        self._router = router
        self._curated = curated
        self._retrieval = retrieval
        self._writer = writer
        self._running = running
        self._rights = rights

    async def start(self) -> None:
        """Load the embedder and the engine now instead of at the first question that needs them."""
        await self._retrieval.warm_up()
        await self._running.start()

    async def stop(self) -> None:
        """Stop the engine if it was started."""
        await self._running.stop()

    async def answer(self, question: Question) -> AsyncGenerator[AnswerEvent, None]:
        """Answer a question, streaming; the last event is :class:`~bot.domain.answers.Done`. Nothing is recorded here.

        :raises MenteeError: the question is refused (too long, closed department) or cannot be answered now.
        """
        self._running.bind()
        work = await self._begun(question)
        department = work.department
        if await self._answer_without_model(work):
            if work.source != "courtesy":  # not shown before its channel knows whether to show it at all
                yield TextDelta(work.text.text)
            yield Done(await self._finished(work))
            return

        if work.too_late:
            yield Status(f"{' and '.join(work.too_late)} took too long")
        if await asyncio.to_thread(self._retrieval.has_any, work):
            yield Status(f"Searching the {department.title} documents")
            await self._retrieval.fill(work)
            work.took("retrieve")
            if not work.passages:
                work.end(*await Checks(self._plugins, work.question, work.acted).nearest(department.title, work.found))
                yield Done(await self._finished(work))
                return
        elif not department.answers.chat_without_documents:
            work.end(extractive.no_documents(department.title), "none")
            yield Done(await self._finished(work))
            return

        async with aclosing(self._writer.write(work)) as events:
            async for event in events:
                yield event
        yield Done(await self._finished(work))

    async def _begun(self, question: Question) -> Work:
        """Check a question, find what it leans on, and route it."""
        check_text(question.text, self._settings.limits.question_chars)
        question = replace(question, history=await self._turns(question, question.history))
        said = None if question.attachments else courtesy(question.text)
        topic = () if said else await asyncio.to_thread(self._topics.of, question)
        acted = Acted()
        route = await self._router.route(question, acted, None if said else topic)
        department, plugins = route.department, self._plugins
        question = replace(question, department=department.name, history=await self._turns(question, question.history))
        topic = await self._turns(question, topic)
        question = await plugins.run_noting(acted, plugins.enrich_question, question, department.name)
        work = Work(question, department, acted, route.claimed_by, courtesy=said, topic=topic)
        work.took("route")
        return work

    async def _turns(self, question: Question, turns: Sequence[Turn]) -> tuple[Turn, ...]:
        """Return the earlier turns that may stand in a prompt of the question's department."""
        return await asyncio.to_thread(self._rights.turns, turns, question.audience, question.department)

    async def _answer_without_model(self, work: Work) -> bool:
        """Take a plugin's direct answer, a reply to what asks nothing, or an agent's curated answer, if any fits.

        A direct answer that may not be shown ends the search: what is asked of a plugin, documents can't answer. A
        curated one that may not be shown counts as none.
        """
        question, checks = work.question, Checks(self._plugins, work.question, work.acted)
        asked = question, work.department.name, work.too_late.append, work.claimed_by
        direct = await self._plugins.run_noting(work.acted, self._plugins.answer_directly, *asked)
        if direct is not None:
            work.end(*await checks.direct(direct))
            if work.source == "plugin":
                work.actions = tuple(OfferedAction(direct.plugin, each) for each in direct.actions)
            return True
        if work.courtesy is not None:
            work.end(extractive.Text(REPLIES[work.courtesy], known=False), "courtesy")
            return True
        alone = question.use_curated and not question.attachments  # a colleague's answer knew nothing of these
        find = self._curated.find
        found = await asyncio.to_thread(find, work.department, question.text, question.audience) if alone else None
        work.took("curated")
        match = found.answer if found else None
        if match is None:
            work.suggestion = await checks.suggestion(found.suggestion if found else None)
            return False
        refusal = await checks.refusal(match.text, "curated")
        if refusal is not None and not refusal.failed:
            log.warning("curated_answer_refused", curated=match.id, guard=refusal.guard, reason=refusal.reason)
            return False
        if refusal is not None:
            work.end(instead(refusal), "none")
        else:
            work.end(extractive.Text(match.text, known=True), "curated", curated=match)
        return True

    async def _finished(self, work: Work) -> Answer:
        """Return the answer with its provenance. Its text also says which attached files couldn't be read, and why."""
        problems = attachments.problems(work.question.attachments)
        unread = await Checks(self._plugins, work.question, work.acted).problems(problems)
        elsewhere = await self._elsewhere(work)
        work.timings["total"] = round(time.perf_counter() - work.started, 4)
        served = work.served
        provenance = Provenance(
            adapter=work.adapter.version if work.adapter else None,
            base_model=served.info.base_model if served else "",
            engine=(self._plugins.brought_by("register_engine") or served.info.kind) if served else "",
            standby=served.reason if served else "",
            snapshot=next((passage.snapshot for passage in work.passages if passage.snapshot), None),
            prompt_version=PROMPT_VERSION,
            chunks=tuple({"chunk_id": passage.chunk_id, "score": passage.score} for passage in work.read),
            plugins=self._plugins.versions(work.acted.plugins),
            completions=dict(work.acted.completions),
            timings=work.timings,
            elsewhere=elsewhere,
            source=work.source,
            curated=work.curated.id if work.curated else None,
            suggestion=work.suggestion.as_suggestion() if work.suggestion else None,
        )
        citations = attachments.without_text(work.text.citations)
        return Answer(
            work.question.id,
            "\n\n".join(filter(None, [self._text(work), unread])),
            work.text.known,
            work.department.name,
            citations,
            provenance,
            rests_on=work.rests_on,
            actions=work.actions,
            leans_on=work.turns,
        )

    async def _elsewhere(self, work: Work) -> tuple[str, ...]:
        """Return where else to ask what was not found here."""
        if not work.text.unanswered or work.too_late:
            return ()
        found: tuple[str, ...] = ()
        with suppress(TimeoutError):
            async with asyncio.timeout(self._settings.limits.retrieval_seconds):
                found = await self._router.elsewhere(work.question, work.topic)
        work.took("elsewhere")
        return found

    @staticmethod
    def _text(work: Work) -> str:
        """Return the answer's text. "I don't find this" would be a lie about what a plugin may still be doing."""
        if work.text.known or not work.too_late:
            return work.text.text
        return extractive.too_late(work.too_late)
