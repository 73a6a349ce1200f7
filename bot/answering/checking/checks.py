"""Asks the guards about everything that an answer shows besides the model's sentences.

That is quotations, curated and direct answers, the titles and texts of sources, and the names of attached files. What a
guard refuses isn't shown. While a guard fails, nothing is shown that it should have checked.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from itertools import compress
from typing import TYPE_CHECKING

from bot.answering import extractive
from bot.answering.extractive import Text
from bot.hooks.methods.questions import shown_text
from bot.language import detection

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from bot.domain.answers import AnswerSource, Citation, DirectAnswer, Refusal
    from bot.domain.questions import Passage, Question
    from bot.feedback.curated.answers import CuratedMatch
    from bot.hooks.calling.acting import Acted
    from bot.hooks.host import PluginHost

NOT_SHOWN = "I found something, but a check of my answers doesn't let me show it. Please ask a person."
HIDDEN_SOURCE = "A page that may not be shown"
HIDDEN_PROBLEM = "An attached file couldn't be read."


class Checks:
    """Asks the guards that are on in the question's department.

    :param question: a routed question.
    :param acted: takes what guards do.
    """

    def __init__(self, plugins: PluginHost, question: Question, acted: Acted) -> None:
        self._plugins = plugins
        self._question = question
        self._acted = acted

    async def refusal(
        self, draft: str, source: AnswerSource, passages: Sequence[Passage] = (), adapter: str | None = None
    ) -> Refusal | None:
        """Return why a text may not be shown, or ``None`` if it may."""
        check, department = self._plugins.check_answer, self._question.department or ""
        asked = self._question, draft, passages, adapter, source, department
        return await self._plugins.run_noting(self._acted, check, *asked)

    async def direct(self, answer: DirectAnswer) -> tuple[Text, AnswerSource]:
        """Return a plugin's answer, or what is said instead. Its buttons are judged with it."""
        refusal = await self.refusal(shown_text(answer.text, answer.actions), "plugin")
        if refusal is not None:
            return instead(refusal), "none"
        return Text(answer.text, known=True, citations=await self.citations(answer.citations)), "plugin"

    async def suggestion(self, match: CuratedMatch | None) -> CuratedMatch | None:
        """Return a curated answer to a similar question, if it may be shown with that question."""
        if match is None or await self.refusal(match.as_suggestion().shown, "curated") is not None:
            return None
        return match

    async def quotation(
        self, question: str, passages: Sequence[Passage], embed: Callable[[Sequence[str]], NDArray[np.float32]]
    ) -> tuple[Text, AnswerSource]:
        """Quote the best passage of which a quotation may be shown; if there is none, say so.

        :param passages: those to quote from, best first.
        :param embed: returns unit vectors, shape (texts, dimension).
        """
        first: Refusal | None = None
        left = list(passages)
        while left:
            quoted = await asyncio.to_thread(extractive.quotation, question, left, embed)
            refusal = await self.refusal(quoted.text, "passage", left)
            if refusal is None:
                return replace(quoted, citations=await self.citations(quoted.citations)), "passage"
            first = first or refusal
            if refusal.failed:
                return instead(refusal), "none"
            refused = quoted.citations[0].chunk_id
            left = [each for each in left if each.chunk_id != refused and extractive.tells(each.text)]
        return instead(first), "none"

    async def nearest(self, title: str, passages: Sequence[Passage]) -> tuple[Text, AnswerSource]:
        """Say that the documents don't answer it, and name the nearest pages that may be shown.

        If they are in another language than the question, none of them is near, and that is said instead.
        """
        if detection.other_language(self._question.text, (f"{each.heading}\n{each.text}" for each in passages)):
            return extractive.other_language(title), "none"
        pages = extractive.nearest_pages(passages)
        allowed = await self._allowed(list(map(_page, pages)))
        return extractive.not_found(title, [*compress(pages, allowed)]), "none"

    async def citations(self, citations: Sequence[Citation]) -> tuple[Citation, ...]:
        """Return the sources as they may be shown: without a text or a title that a guard refuses.

        A source keeps its number, because the answer's text names it.
        """
        shown = list(citations)
        for hidden in (_without_text, _without_title):
            allowed = await self._allowed([_source(each) for each in shown])
            shown = [each if ok else hidden(each) for each, ok in zip(shown, allowed, strict=True)]
            if all(allowed):
                break
        return tuple(shown)

    async def problems(self, problems: Sequence[str]) -> str:
        """Return what is said of attached files that couldn't be read. These messages name the files."""
        if not problems:
            return ""
        text = "\n".join(problems)
        return text if await self.refusal(text, "none") is None else HIDDEN_PROBLEM

    async def _allowed(self, texts: Sequence[str]) -> list[bool]:
        """Return which of these texts may be shown. Where all may, the guards are asked once."""
        if not texts:
            return []
        refusal = await self.refusal("\n\n".join(texts), "passage")
        allowed = [refusal is None] * len(texts)
        if refusal is None or len(texts) == 1:
            return allowed
        for index, text in enumerate(texts):
            if refusal is not None and refusal.failed:  # it would fail for each of them
                return [False] * len(texts)
            refusal = await self.refusal(text, "passage")
            allowed[index] = refusal is None
        return allowed


def instead(refusal: Refusal | None) -> Text:
    """Return what is shown instead of a refused text: the guard's own words, if it has any."""
    return Text((refusal and refusal.replacement) or NOT_SHOWN, known=False)


def _without_text(citation: Citation) -> Citation:
    return replace(citation, text="", quote="")


def _without_title(citation: Citation) -> Citation:
    return replace(citation, document="", heading=HIDDEN_SOURCE)


def _source(citation: Citation) -> str:
    return "\n".join(filter(None, [citation.document, citation.heading, citation.text]))


def _page(passage: Passage) -> str:
    return "\n".join(filter(None, [passage.title, passage.document, passage.heading, passage.text]))
