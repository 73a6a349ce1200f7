"""Writes the answer: builds the prompts, streams the model's text through the guards, and chooses what to say."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING

import structlog

from bot.answering import extractive
from bot.answering.checking.checks import Checks
from bot.answering.checking.guarded_stream import GuardedStream
from bot.answering.prompt import build_messages, portions, unless_sure
from bot.domain.answers import Status, TextDelta
from bot.domain.errors import EngineError, PromptTooLongError, TooLargeError
from bot.domain.generation import GenerationRequest, Refusal
from bot.inference.failover import served
from bot.inference.model_output import without_thoughts
from bot.language.quantities import doubt

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from bot.answering.work import Work
    from bot.domain.answers import AnswerSource
    from bot.domain.generation import AdapterRef
    from bot.domain.ports import ChosenAdapters
    from bot.domain.questions import ChatMessage, Passage
    from bot.hooks.host import PluginHost
    from bot.inference.running import RunningEngine

log = structlog.get_logger(__name__)


class Writer:
    """Writes answers.

    :param running: the engine, which is started when first needed.
    :param embed: returns unit vectors, shape (texts, dimension).
    :param max_new_tokens: longest answer.
    :param seconds: longest time to write one.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - what an answer is written with
        self,
        running: RunningEngine,
        adapters: ChosenAdapters,
        plugins: PluginHost,
        embed: Callable[[Sequence[str]], NDArray[np.float32]],
        max_new_tokens: int,
        seconds: float,
    ) -> None:
        self._running = running
        self._adapters = adapters
        self._plugins = plugins
        self._embed = embed
        self._max_new_tokens = max_new_tokens
        self._seconds = seconds

    async def write(self, work: Work) -> AsyncGenerator[Status | TextDelta, None]:
        """Write the answer into ``work``; yield its sentences once they may be shown.

        If the model finds no answer in the first passages, it reads the next ones. With ``answers.sure_odds``, it reads
        them again if none answers plainly; the engine still has these prompts in its cache.
        """
        await self._running.start()
        work.adapter = await asyncio.to_thread(self._adapter, work)  # it may read the database and files
        extend = self._plugins.extend_prompt
        extra = await self._plugins.run_noting(work.acted, extend, work.question, work.department.name)
        checks = Checks(self._plugins, work.question, work.acted)
        streams: list[GuardedStream] = []
        yield Status("Writing the answer")
        for passages, sure in _readings(work):
            async with aclosing(self._read(work, passages, extra, checks, streams, sure=sure)) as sentences:
                async for sentence in sentences:
                    yield TextDelta(sentence)
            if not streams[-1].refused:
                break
        work.end(*await self._choose(work, streams[-1], checks))

    async def _read(  # noqa: PLR0913 - what is read, and with what
        self,
        work: Work,
        passages: Sequence[Passage],
        extra: Sequence[str],
        checks: Checks,
        streams: list[GuardedStream],
        *,
        sure: bool,
    ) -> AsyncGenerator[str, None]:
        """Answer from one portion of the passages, or from less of it if the prompt turns out too long.

        Only the server knows how it counts tokens, so a prompt that fits by our count may not by its own.

        :param streams: takes the stream of each try.
        :param sure: whether the model is to answer only if it is sure, because further passages follow.
        """
        room = self._running.engine.info.context_tokens - self._max_new_tokens
        while True:
            messages, shown = await asyncio.to_thread(self._prompt, work, passages, extra, room)
            work.took("prompt")
            streams.append(GuardedStream(checks, shown, work.adapter))
            try:
                async with aclosing(self._generate(work, messages, streams[-1], sure=sure)) as sentences:
                    async for sentence in sentences:
                        yield sentence
            except PromptTooLongError as error:
                if streams[-1].text:
                    raise
                count = self._running.engine.count_tokens
                room = await asyncio.to_thread(count, messages) - 1  # a turn or passage less
                log.info("prompt_too_long", problem=error.text, room=room)
            else:
                work.read += [passage for passage in shown if passage not in work.read]
                return

    def _adapter(self, work: Work) -> AdapterRef | None:
        """Return the department's adapter, unless a plugin brings an engine with another base model."""
        adapter = self._adapters.get(work.department.name, reading=bool(work.passages))
        if not adapter or not self._plugins.brought_by("register_engine"):
            return adapter
        return adapter if adapter.base_model == self._running.engine.info.base_model else None

    async def _choose(self, work: Work, stream: GuardedStream, checks: Checks) -> tuple[extractive.Text, AnswerSource]:
        """Choose between the model's checked text and a quotation of the best passage."""
        answers, title = work.department.answers, work.department.title
        if stream.replacement:
            return extractive.Text(stream.replacement, known=False), "none"
        if not stream.passages:
            text = stream.text or extractive.NOTHING_TO_SAY
            return extractive.Text(text, known=bool(stream.text) and work.adapter is not None), "model"
        sure = max(answers.known_threshold, answers.quote_threshold)
        if stream.refused and not extractive.found(work.passages, sure):
            return await checks.nearest(title, [*work.passages, *work.found])
        if stream.text:
            written = stream.cited.finish()
            return replace(written, citations=await checks.citations(written.citations)), "model"
        quoted = work.passages if stream.refused else stream.passages
        return await checks.quotation(work.whole_question, quoted, self._embed)

    async def _generate(
        self, work: Work, messages: tuple[ChatMessage, ...], stream: GuardedStream, *, sure: bool
    ) -> AsyncGenerator[str, None]:
        """Let the model answer from the stream's passages, and yield the sentences that may be shown."""
        relevance = max((passage.relevance for passage in stream.passages), default=0.0)
        doubts = doubt(work.question.text, (passage.text + passage.following for passage in stream.passages))
        chance = work.department.answers.refusal_chance(relevance, doubt=doubts, sure=sure)
        request = GenerationRequest(
            messages,
            work.adapter,
            work.department.name,
            max_new_tokens=self._max_new_tokens,
            reserved=unless_sure(chance),
        )
        engine = self._running.engine
        async with aclosing(engine.generate(request)) as pieces:
            async for piece in without_thoughts(self._limited(pieces)):
                if "first_token" not in work.timings:
                    work.took("first_token")
                if isinstance(piece, Refusal):
                    stream.refuse()
                    break
                for sentence in await stream.add(piece):
                    yield sentence
                if stream.stopped:
                    break
        work.served = served(engine, request, pieces)
        work.adapter = work.served.adapter
        work.acted.plugins |= {self._plugins.brought_by("register_engine")} - {""}
        for sentence in await stream.finish():
            yield sentence
        work.took("generate")

    async def _limited(self, pieces: AsyncGenerator[str, None]) -> AsyncGenerator[str, None]:
        """Yield an engine's pieces, and end where its answer is too long or has taken too long.

        Mentee's own engines keep these limits themselves; an engine that a plugin brings may not. A piece holds at
        least one token. The time counts from the first piece: before it, the request may wait its turn in a queue.

        :raises EngineError: the engine has not begun within twice the time of an answer.
        """
        loop = asyncio.get_running_loop()
        ends = loop.time() + 2 * self._seconds
        for count in range(self._max_new_tokens):
            try:
                async with asyncio.timeout_at(ends):
                    piece = await anext(pieces)
            except StopAsyncIteration:
                return
            except TimeoutError:
                if count:
                    return
                raise EngineError(
                    f"The engine did not begin to answer within {2 * self._seconds:g} s.",
                    hint="Try again in a minute. If it happens again, `mentee doctor` checks the engine.",
                ) from None
            if not count:
                ends = loop.time() + self._seconds
            yield piece

    def _prompt(
        self, work: Work, passages: Sequence[Passage], extra: Sequence[str], room: int
    ) -> tuple[tuple[ChatMessage, ...], Sequence[Passage]]:
        """Build the prompt, leaving out the oldest turns and then the weakest passages until it fits.

        Return it with the passages that are in it.

        :param room: the longest prompt, in tokens.
        :raises TooLargeError: even the question with one passage is longer.
        """
        department, question, engine = work.department, work.question, self._running.engine
        history = work.topic
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
            if engine.count_tokens(messages) <= room:
                return messages, passages
            if history:
                history = history[1:]
            elif len(passages) > 1:
                passages = passages[:-1]
            else:
                raise TooLargeError("The question is too long for the model.", hint="Ask a shorter question.")


def _readings(work: Work) -> list[tuple[Sequence[Passage], bool]]:
    """Return what to read until the model answers, each with whether only a sure answer counts."""
    answers = work.department.answers
    parts = portions(work.passages, answers.passages_at_once)
    sweeps = (True, False) if answers.sure_odds and len(parts) > 1 else (False,)
    return [(passages, sure) for sure in sweeps for passages in parts]
