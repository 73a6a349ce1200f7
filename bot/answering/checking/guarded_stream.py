"""An answer while the model writes it: no sentence is shown before the guards have passed it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.answering.citations import as_it_stands, in_full, next_sentences, source_of
from bot.answering.extractive import Cited
from bot.answering.refusals import refuses
from bot.answering.sentences import TELLING_WORDS, split_finished
from bot.language.words import count_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bot.answering.checking.checks import Checks
    from bot.domain.generation import AdapterRef
    from bot.domain.questions import Passage

FENCE = "```"


class GuardedStream:
    """Collects pieces into sentences and has the guards of the department judge each.

    A guard that says no, or that fails, ends the stream (``stopped``). What was passed before has been shown and stays
    in ``text`` and, as it was shown, in ``cited``, unless the guard gave a ``replacement``.
    """

    def __init__(self, checks: Checks, passages: Sequence[Passage], adapter: AdapterRef | None) -> None:
        self._checks = checks
        self._adapter = adapter
        self.passages = passages
        self._rest = ""
        self._last = ""
        self._in_code = False
        self.cited = Cited(passages)
        self.text = ""
        self.stopped = False
        self.refused = False
        self.replacement = ""
        self.reason = ""

    async def add(self, piece: str) -> list[str]:
        """Take the next piece from the model; return the sentences that may now be shown."""
        finished, self._rest = split_finished(self._rest + piece)
        return await self._pass(finished)

    def refuse(self) -> None:
        """End the answer, because the engine refuses to give it. What was shown before stays."""
        self._rest = ""
        self.stopped, self.refused = True, not self.text

    async def finish(self) -> list[str]:
        """Judge the rest when the model has ended. A reader's quotation is then continued from its passage."""
        rest, self._rest = self._rest, ""
        passed = await self._pass([rest] if rest.strip() else [])
        if self._adapter and self._adapter.starter and not self.stopped:
            passed += await self._go_on()
            # A guard that stops what the model did not say has nothing against what it did.
            self.stopped, self.reason, self.replacement = False, "", ""
        return passed

    async def _go_on(self) -> list[str]:
        read, longer = self.passages, [in_full(passage) for passage in self.passages]
        following = next_sentences(self.text, longer)
        named = source_of(following)
        # What is quoted beyond a passage is judged by what that says next, and its source shows it.
        self.passages = [longer[n - 1] if n == named else passage for n, passage in enumerate(read, start=1)]
        self.cited.passages = self.passages
        if not (passed := await self._pass(following)):
            self.passages = self.cited.passages = read
        return passed

    async def _pass(self, sentences: list[str]) -> list[str]:
        passed: list[str] = []
        for sentence in sentences:
            if self.stopped:
                break
            if self.passages and refuses(sentence, self.passages):
                self.refused = self.stopped = not self.text
                break
            shown = as_it_stands(sentence, self.passages)
            if self._repeats(shown):
                self.stopped, self.reason = True, "the model repeats itself"
                break
            version = self._adapter.version if self._adapter else None
            refusal = await self._checks.refusal(shown, "model", self.passages, version)
            if refusal is None:
                self.text += shown
                passed.append(self.cited.add(shown) if self.passages else shown)
            else:
                self.stopped, self.reason, self.replacement = True, refusal.reason, refusal.replacement
        return passed

    def _repeats(self, sentence: str) -> bool:
        """Return whether the model repeats itself. Lines of code may repeat."""
        said, last = sentence.strip(), self._last
        self._last = said
        if said.startswith(FENCE):
            self._in_code = not self._in_code
            return False
        return not self._in_code and (said == last or (count_words(said) >= TELLING_WORDS and said in self.text))
