"""Answers are grounded in the passages: a sentence of the model is shown only if one passage supports it.

The sentence's numbers and names must occur in the passage, and so must most of its words. At least half of its pairs of
neighbouring words must be neighbours there too: the same words in another order, or picked from several passages, are a
claim that no page makes.

The share of an answer's words that occur in the passages ("K-precision") agrees better with people's judgement of
faithfulness than overlap with a reference answer (Adlakha et al., "Evaluating Correctness and Faithfulness of
Instruction-Following Models for Question Answering", TACL 2024).
"""

from __future__ import annotations

import re
import unicodedata
from itertools import pairwise
from typing import TYPE_CHECKING

import regex
from pydantic import BaseModel, Field

from bot.domain.answers import Verdict
from bot.hooks.specs import hookimpl
from bot.language.words import count_words, words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bot.domain.answers import AnswerSource
    from bot.domain.questions import Passage, Question

LONG = 5
"""A sentence with this many content words must share one with the question; a shorter one may be just the fact."""
STEM = 5
ASKED_BEFORE = 2
"""Earlier questions that a sentence may be about: "and for contractors?" leans on one."""
_CITATION = re.compile(r"\[\d+\]")
_LINK = re.compile(r"\]\(((?:https?|mailto|tel):[^()\s]{1,2000})\)")
_STRUCK = re.compile(r"~~[^~\n]{1,500}~~")
_STEP = re.compile(r"^\d+[.)]\s+")
_NUMBER = re.compile(r"\d+(?:[.,:/]\d+)*")
_NAME = regex.compile(r"(?<![.!?:]\s)(?<!^)\b\p{Lu}[\w-]{0,80}\p{L}\b")
_COMMON = frozenset({
    "a", "an", "and", "any", "are", "as", "at", "be", "been", "but", "by", "can", "could", "do", "does", "for",
    "from", "had", "has", "have", "here", "how", "i", "if", "in", "into", "is", "it", "its", "may", "more",
    "must", "my", "no", "not", "of", "on", "or", "our", "s", "should", "so", "such", "t", "than", "that", "the",
    "their", "them", "then", "there", "these", "they", "this", "those", "to", "was", "we", "were", "what", "when",
    "where", "which", "who", "will", "with", "would", "yes", "you", "your",
})  # fmt: skip


class GroundingSettings(BaseModel):
    """Settings of the grounding guard."""

    words: float = Field(0.8, ge=0, le=1, description="Minimum share of a sentence's words that occur in one passage.")
    pairs: float = Field(
        0.5, ge=0, le=1, description="Minimum share of neighbouring words that are neighbours there too."
    )


@hookimpl
def register_settings() -> type[BaseModel]:
    return GroundingSettings


@hookimpl
def check_answer(  # noqa: PLR0913, PLR0917 - all that tells whether a sentence is grounded
    question: Question,
    draft: str,
    passages: Sequence[Passage],
    adapter: str | None,
    source: AnswerSource,
    settings: GroundingSettings,
) -> Verdict | None:
    """Refuse a sentence of the model that no passage supports. Without passages there is nothing to check.

    A quotation may hold the links of its passage, and what is crossed out there, which supports nothing.

    The base model also gives long sentences that miss the question; adapters were evaluated before they went live.
    """
    if source != "model" or not passages:
        return None
    for address in _LINK.findall(draft):
        if not any(address in passage.shown for passage in passages):
            return Verdict(ok=False, reason=f"the link {address:.100} is in no passage")
    sentence = _plain(_STEP.sub("", _CITATION.sub("", _LINK.sub("]", _STRUCK.sub("", draft))).strip()))
    asked = " ".join([*(turn.question for turn in question.history[-ASKED_BEFORE:]), question.text])
    if adapter is None and _misses(sentence, asked):
        return Verdict(ok=False, reason="it misses the question")
    verdicts = [
        _judge(sentence, _plain(f"{passage.heading} {passage.text}"), question.text, settings) for passage in passages
    ]
    return next((verdict for verdict in verdicts if verdict.ok), verdicts[0])


def _judge(sentence: str, passage: str, question: str, settings: GroundingSettings) -> Verdict:
    """Check a sentence against one passage. Only names may also come from the question."""
    passage_words, sentence_words = words(passage), words(sentence)
    known_words = set(passage_words)
    names = known_words | set(words(question))
    numbers = set(_NUMBER.findall(passage))
    for number in _NUMBER.findall(sentence):
        if number not in numbers:
            return Verdict(ok=False, reason=f"the number {number} is in no passage")
    for name in _NAME.findall(sentence):
        if not set(words(name)) <= names:
            return Verdict(ok=False, reason=f"the name {name} is in no passage")
    content = _content(sentence)
    share = sum(word in known_words for word in content) / len(content) if content else 1.0
    if share < settings.words:
        return Verdict(ok=False, reason=f"only {share:.0%} of its words are in the passage")
    pairs, known_pairs = list(pairwise(sentence_words)), set(pairwise(passage_words))
    together = sum(pair in known_pairs for pair in pairs) / len(pairs) if len(pairs) >= LONG else 1.0
    if together < settings.pairs:
        return Verdict(ok=False, reason=f"its words are in the passage, but only {together:.0%} of them side by side")
    return Verdict(ok=True)


def _misses(sentence: str, question: str) -> bool:
    """Return whether a long sentence shares no content word with the question, as an untrained model's often do."""
    said, asked = ({word[:STEM] for word in _content(text)} for text in (sentence, question))
    return min(len(said), count_words(sentence)) >= LONG and bool(asked) and said.isdisjoint(asked)


def _content(text: str) -> list[str]:
    return [word for word in words(text) if word not in _COMMON]


def _plain(text: str) -> str:
    """Return the text with full-width digits and letters as the ordinary ones."""
    return unicodedata.normalize("NFKC", text)
