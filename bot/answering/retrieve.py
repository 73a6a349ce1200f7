"""Finds a question's passages: in its department's documents, and in the files that came with it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from bot.answering import attachments, extractive
from bot.domain.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bot.answering.work import Work
    from bot.domain.ports import Retriever
    from bot.domain.questions import Passage
    from bot.hooks.host import PluginHost

CANDIDATES = 10
"""Passages retrieved; the best ``answers.passages`` of them reach the prompt."""


class Retrieval:
    """Finds passages.

    :param retriever: returns the retriever, which is opened when first needed.
    :param seconds: time limit of one search.
    """

    def __init__(self, retriever: Callable[[], Retriever], plugins: PluginHost, seconds: float) -> None:
        self._retriever = retriever
        self._plugins = plugins
        self._seconds = seconds
        self._warm = False
        self._lock = asyncio.Lock()

    async def warm_up(self) -> None:
        """Load the embedder, so that this doesn't count against a search's time limit."""
        async with self._lock:
            if not self._warm:
                await asyncio.to_thread(lambda: self._retriever().embed(["warm"]))
                self._warm = True

    def has_any(self, work: Work) -> bool:
        """Return whether there is anything to search. Blocking."""
        attached = any(attachment.pieces for attachment in work.question.attachments)
        return attached or self._retriever().has_documents(work.department.name)

    async def fill(self, work: Work) -> None:
        """Find the passages of a question; ``work.passages`` stays empty when nothing is relevant enough.

        :raises EngineError: the search took too long.
        """
        await self.warm_up()
        try:
            async with asyncio.timeout(self._seconds):
                found, attached = await asyncio.to_thread(self._search, work)
        except TimeoutError:
            raise EngineError(
                f"Retrieval took longer than {self._seconds:g} s.", hint="Try again in a minute."
            ) from None
        work.acted.plugins |= {self._plugins.brought_by("register_retriever")} - {""}
        work.found = await self._ranked(work, found)
        answers = work.department.answers
        known = extractive.found(work.found, answers.known_threshold)
        work.passages = [*attached, *(work.found[: answers.passages] if known else ())]

    def _search(self, work: Work) -> tuple[Sequence[Passage], Sequence[Passage]]:
        """Return what the documents hold, and what the question's own attachments hold."""
        question, name, retriever = work.question, work.department.name, self._retriever()
        found = retriever.search(work.search_text, name, question.audience, k=CANDIDATES, history=work.topic)
        return found, attachments.nearest(question, retriever.embed)

    async def _ranked(self, work: Work, found: Sequence[Passage]) -> Sequence[Passage]:
        """Return what plugins make of the passages. Their time is limited by plugin, not by that of the search."""
        rank = self._plugins.rank_passages
        kept = await self._plugins.run_noting(work.acted, rank, work.question, found, work.department.name)
        # What a plugin left out must not come back as what follows on another passage.
        thinned = {passage.document_id for passage in found if passage not in kept}
        kept = [replace(passage, following="") if passage.document_id in thinned else passage for passage in kept]
        telling = [passage for passage in kept if extractive.tells(passage.text)]
        return telling or kept
