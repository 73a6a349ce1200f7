"""A sentence is shown only if a passage holds it: its numbers and names must occur there, and most of its words.

One passage must hold them, and half of the sentence's neighbouring words must be neighbours there, too: the same words
in another order, or picked from several passages, make a sentence that nobody wrote.

Precision of the answer's words over the retrieved passages ("K-precision") follows people's judgement of faithfulness
better than overlap with a reference does (Adlakha et al., "Evaluating Correctness and Faithfulness of
Instruction-Following Models for Question Answering", TACL 2024).
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING

from pydantic import BaseModel, Field

from bot.hookspecs import hookimpl
from bot.messages import Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bot.messages import Passage, Question

LONG = 5
"""Content words from which a sentence must share one with the question; a short answer may be just the fact."""
STEM = 5
_CITATION = re.compile(r"\[\d+\]")
_STEP = re.compile(r"^\d+[.)]\s+")
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")
_APOSTROPHE = re.compile(r"['’]")
_NUMBER = re.compile(r"\d+(?:[.,:/]\d+)*")
_NAME = re.compile(r"(?<![.!?:]\s)(?<!^)\b[A-Z][\w-]*[A-Za-z]\b")
_COMMON = frozenset(
    [
        "a",
        "an",
        "and",
        "any",
        "are",
        "as",
        "at",
        "be",
        "been",
        "but",
        "by",
        "can",
        "could",
        "do",
        "does",
        "for",
        "from",
        "had",
        "has",
        "have",
        "here",
        "how",
        "i",
        "if",
        "in",
        "into",
        "is",
        "it",
        "its",
        "may",
        "more",
        "must",
        "my",
        "no",
        "not",
        "of",
        "on",
        "or",
        "our",
        "should",
        "so",
        "such",
        "than",
        "that",
        "the",
        "their",
        "them",
        "then",
        "there",
        "these",
        "they",
        "this",
        "those",
        "to",
        "was",
        "we",
        "were",
        "what",
        "when",
        "where",
        "which",
        "who",
        "will",
        "with",
        "would",
        "yes",
        "you",
        "your",
    ]
)


class GroundingSettings(BaseModel):
    """Settings of the grounding guard."""

    words: float = Field(0.8, ge=0, le=1, description="Share of a sentence's words that one passage must hold.")
    pairs: float = Field(0.5, ge=0, le=1, description="Share of its neighbouring words that must be neighbours there.")


@hookimpl
def register_settings() -> type[BaseModel]:
    """Declare the settings."""
    return GroundingSettings


@hookimpl
def check_answer(
    question: Question, draft: str, passages: Sequence[Passage], adapter: str | None, settings: GroundingSettings
) -> Verdict | None:
    """Refuse a sentence that no passage holds. Without passages there is nothing to check.

    The base model alone talks beside the question, too; an adapter was measured on what it says before it went live.
    """
    if not passages:
        return None
    sentence = _STEP.sub("", _CITATION.sub("", draft).strip())
    if adapter is None and _beside(sentence, question.text):
        return Verdict(ok=False, reason="it is beside the question")
    verdicts = [_held(sentence, f"{passage.heading} {passage.text}", question.text, settings) for passage in passages]
    return next((verdict for verdict in verdicts if verdict.ok), verdicts[0])


def _held(sentence: str, passage: str, question: str, settings: GroundingSettings) -> Verdict:
    """Judge a sentence against one passage. Names may also come from the question; nothing else may."""
    there, said = _words(passage), _words(sentence)
    held = set(there)
    names = {part for word in (*there, *_words(question)) for part in (word, *_APOSTROPHE.split(word))}
    numbers = set(_NUMBER.findall(passage))
    for number in _NUMBER.findall(sentence):
        if number not in numbers:
            return Verdict(ok=False, reason=f"the number {number} is in no passage")
    for name in _NAME.findall(sentence):
        if not set(_words(name)) <= names:
            return Verdict(ok=False, reason=f"the name {name} is in no passage")
    words = _content(sentence)
    share = sum(word in held for word in words) / len(words) if words else 1.0
    if share < settings.words:
        return Verdict(ok=False, reason=f"a passage holds only {share:.0%} of its words")
    pairs, known = list(pairwise(said)), set(pairwise(there))
    together = sum(pair in known for pair in pairs) / len(pairs) if len(pairs) >= LONG else 1.0
    if together < settings.pairs:
        return Verdict(ok=False, reason=f"a passage holds its words, but only {together:.0%} of them side by side")
    return Verdict(ok=True)


def _beside(sentence: str, question: str) -> bool:
    """Return whether a long sentence shares no content word with the question, as an untaught model's often do."""
    said, asked = ({word[:STEM] for word in _content(text)} for text in (sentence, question))
    return len(said) >= LONG and bool(asked) and said.isdisjoint(asked)


def _content(text: str) -> list[str]:
    return [word for word in _words(text) if word not in _COMMON]


def _words(text: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(text)]
