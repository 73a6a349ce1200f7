"""What the reader is taught to say: short sentences in the passage's own words, each with its number, or a refusal."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bot.answering.sentences import sentences
from tuning.evaluation.keyfacts import flat, holds

if TYPE_CHECKING:
    from collections.abc import Sequence

YES_NO = ("Yes", "No")
LONGEST = 26
"""Words of the longest sentence that is taken whole around a bare answer."""
FEWEST = 4
_CLAUSE = re.compile(r"(?<=[,;:])\s+|\s+(?=\()|(?<=\))\s+")


def coverage(said: str, text: str) -> float:
    """Return the share of the words of ``said`` that occur in ``text``, 0..1."""
    words, there = flat(said).split(), set(flat(text).split())
    return sum(word in there for word in words) / len(words) if words else 0.0


def sentence_about(passage: str, question: str, answer: str) -> str | None:
    """Turn a bare answer into the passage's own short sentence; ``None`` where there is none.

    Yes and no are followed by the sentence that shares most words with the question.
    """
    if answer in YES_NO:
        best = max(sentences(passage), key=lambda sentence: coverage(question, sentence))
        told = len(best.split()) <= LONGEST and coverage(question, best) >= 1 / 2
        return f"{answer}. {_finished(best)}" if told else None
    if len(sentences(answer)) > 1 or len(answer.split()) > LONGEST:
        return _finished(answer)
    holding = [sentence for sentence in sentences(passage) if holds(sentence, [answer])]
    if not holding:
        return None
    whole = max(holding, key=lambda sentence: coverage(question, sentence))
    if len(whole.split()) <= LONGEST:
        return _finished(whole)
    clause = _clauses_around(whole, answer)
    return _finished(clause or answer)


def quoted(passage: str, answer: str, facts: Sequence[str], longest: int) -> str | None:
    """Return the run of the passage's own sentences that answers, with the sentences around it.

    :param facts: what it must hold, as many as possible; without any, as many as possible of the answer's words.
    :param longest: characters of the longest run, unless a single sentence has more.
    :return: ``None`` where the passage holds none of the facts, or not half of the answer's words.
    """
    parts = sentences(passage)
    runs = [(i, j) for i in range(len(parts)) for j in range(i + 1, len(parts) + 1)]
    runs = [(i, j) for i, j in runs if j == i + 1 or len(" ".join(parts[i:j])) <= longest]

    def worth(run: tuple[int, int]) -> tuple[int, float, int]:
        text = " ".join(parts[slice(*run)])
        return sum(holds(text, [fact]) for fact in facts), coverage(answer, text), -len(text)

    best = max(runs, key=worth, default=None)
    if best is None or (worth(best)[0] < 1 if facts else worth(best)[1] < 1 / 2):
        return None
    start, end = best
    while end < len(parts) and len(" ".join(parts[start : end + 1])) <= longest:
        end += 1
    while start > 0 and len(" ".join(parts[start - 1 : end])) <= longest:
        start -= 1
    return _finished(" ".join(part.removeprefix("- ") for part in parts[start:end]))


def numbered(answer: str, number: int) -> str:
    """Put the number of the passage that answers before the last full stop."""
    body, end = (answer[:-1], answer[-1]) if answer[-1] in ".!?" else (answer, ".")
    return f"{body} [{number}]{end}"


def window(passage: str, answer: str, longest: int) -> str:
    """Return the whole sentences around the answer, or from the start without one.

    They have at most ``longest`` characters together, unless the first alone has more.
    """
    if len(passage) <= longest:
        return passage
    parts = sentences(passage)
    start = next((i for i, part in enumerate(parts) if answer and answer[:40].lower() in part.lower()), 0)
    end = start + 1
    while (start > 0 or end < len(parts)) and len(" ".join(parts[max(0, start - 1) : end + 1])) <= longest:
        start, end = max(0, start - 1), min(len(parts), end + 1)
    return " ".join(parts[start:end])


def _clauses_around(sentence: str, answer: str) -> str | None:
    """Return the shortest run of clauses with the answer that is long enough to say something."""
    clauses = _CLAUSE.split(sentence)
    runs = [" ".join(clauses[start:end]) for start in range(len(clauses)) for end in range(start + 1, len(clauses) + 1)]
    telling = len(answer.split()) + FEWEST
    fitting = [run for run in runs if answer.lower() in run.lower() and telling <= len(run.split()) <= LONGEST]
    return min(fitting, key=len).rstrip(",;:") if fitting else None


def _finished(text: str) -> str:
    text = text.strip()
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")
