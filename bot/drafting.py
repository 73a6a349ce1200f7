"""The draft of an answer while the model writes it: nothing is shown before the guards have passed its sentence."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

from bot.fallback import Cited
from bot.messages import Verdict
from bot.quotes import as_it_stands, in_full, next_sentences, source_of
from bot.sentences import split_finished

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bot.app import Mentee
    from bot.messages import Passage, Question
    from bot.protocols import AdapterRef

FENCE = "```"
TELLING_WORDS = 4
"""A sentence of fewer words, such as "Yes.", may come again later."""
REFUSES = re.compile(
    r"\bI (?:don['\u2019]t|do not|can['\u2019]t|cannot|could not|couldn['\u2019]t) find\b", re.IGNORECASE
)


class Draft:
    """Collects pieces into sentences and has each judged by the guards of the department.

    A guard that says no, or that fails, ends the draft (``stopped``). What was passed before has been shown and stays
    in ``text`` and, as it was shown, in ``cited``, unless the guard gave a ``replacement``.
    """

    def __init__(
        self, mentee: Mentee, question: Question, passages: Sequence[Passage], adapter: AdapterRef | None
    ) -> None:
        self._mentee = mentee
        self._question = question
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

    async def finish(self) -> list[str]:
        """Judge what is left when the model has ended; a reader's quotation then goes on as its passage does."""
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
            if self.passages and REFUSES.search(sentence):
                self.refused = self.stopped = not self.text
                break
            shown = as_it_stands(sentence, self.passages)
            if self._repeats(shown):
                self.stopped, self.reason = True, "the model repeats itself"
                break
            verdict = await asyncio.to_thread(self._judge, shown)
            if verdict.ok:
                self.text += shown
                passed.append(self.cited.add(shown) if self.passages else shown)
            else:
                self.stopped, self.reason = True, verdict.reason
                self.replacement = verdict.replacement or ""
        return passed

    def _repeats(self, sentence: str) -> bool:
        """Return whether the model goes round in circles; lines of code may well be the same."""
        said, last = sentence.strip(), self._last
        self._last = said
        if said.startswith(FENCE):
            self._in_code = not self._in_code
            return False
        return not self._in_code and (said == last or (len(said.split()) >= TELLING_WORDS and said in self.text))

    def _judge(self, sentence: str) -> Verdict:
        department = self._question.department
        guards = self._mentee.plugins.call(
            "check_answer",
            department,
            question=self._question,
            draft=sentence,
            passages=self.passages,
            adapter=self._adapter.version if self._adapter else None,
        )
        for result in guards:
            if result.error is not None:
                return Verdict(ok=False, reason=f"the guard {result.plugin} failed")
            if not isinstance(result.value, Verdict):
                error = self._mentee.plugins.fail(
                    result.plugin, "check_answer", f"returned {result.value!r}, not a Verdict"
                )
                return Verdict(ok=False, reason=error.text)
            if not result.value.ok:
                return result.value
        return Verdict(ok=True)
