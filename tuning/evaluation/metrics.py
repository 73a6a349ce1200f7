"""What an answer is measured by, against a reference answer and against the passages it was given.

Every function takes plain texts and returns a number. Overlap with the *passages* follows people's judgement of
faithfulness better than overlap with the reference (MTRAG: Spearman 0.65 against 0.51 for ROUGE-L), so ROUGE-L decides
and grounded precision guards (:mod:`tuning.evaluation.gate`).
"""

from __future__ import annotations

import math
import re
import string
from collections import Counter
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from bot.language.words import count_words, words

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

METRIC_NAMES = {
    "rouge_l": "ROUGE-L",
    "token_f1": "token F1",
    "exact_match": "exact match",
    "grounded_precision": "grounded precision",
    "length_ratio": "length ratio",
    "length_error": "length error",
    "empty": "empty answers",
    "endless": "endless answers",
    "private": "private data",
}
"""The metrics in the order in which they are shown, and what people call them."""

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)


def normalise(text: str) -> str:
    """Return the text as SQuAD compares it: lower case, without punctuation, articles and extra spaces.

    Source: ``normalize_answer`` of SQuAD's evaluate-v1.1.py (Rajpurkar et al., 2016).
    """
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split())


def exact_match(answer: str, reference: str) -> float:
    """Return 1.0 when both are equal after :func:`normalise`, else 0.0 (SQuAD, Rajpurkar et al., 2016)."""
    return float(normalise(answer) == normalise(reference))


def token_f1(answer: str, reference: str) -> float:
    """Return the harmonic mean of word precision and recall, 0..1 (SQuAD, Rajpurkar et al., 2016).

    Two texts without a word are equal (1.0); one without a word shares nothing (0.0), as in SQuAD 2.0's script.
    """
    said, wanted = Counter(_tokens(answer)), Counter(_tokens(reference))
    if not said or not wanted:
        return float(said == wanted)
    shared = (said & wanted).total()
    return 2 * shared / (said.total() + wanted.total())


def rouge_l(answer: str, reference: str) -> float:
    """Return the F-measure of ROUGE-L, 0..1, with the Porter stemmer on (package rouge-score; Lin, 2004)."""
    return float(_rouge().score(reference, answer)["rougeL"].fmeasure)


def grounded_precision(answer: str, passages: Sequence[str]) -> float | None:
    """Return the share of the answer's words that occur in the passages, 0..1 (K-Precision, Adlakha et al., 2024).

    ``None`` when there are no passages or the answer has no word: then there is nothing to be grounded.
    """
    said = Counter(_tokens(answer))
    known = Counter(_tokens(" ".join(passages)))
    if not said or not known:
        return None
    return (said & known).total() / said.total()


def length_ratio(answer: str, reference: str) -> float:
    """Return the answer's length over the reference's, in words; a reference without a word counts as one word."""
    return _length(answer) / max(1, _length(reference))


def length_error(answer: str, reference: str) -> float:
    """Return how far the length is off, as the absolute natural logarithm of :func:`length_ratio`.

    0 is the reference's length; 0.69 is twice or half of it. An empty answer counts as one word.
    """
    return abs(math.log(max(length_ratio(answer, reference), 1 / max(1, _length(reference)))))


def score(
    answer: str, reference: str, passages: Sequence[str] = (), *, endless: bool = False
) -> Mapping[str, float | None]:
    """Return every metric of one answer; ``None`` where one does not apply.

    :param endless: the answer was cut at the length limit although its reference is shorter: the model does not end.
    """
    return {
        "rouge_l": rouge_l(answer, reference),
        "token_f1": token_f1(answer, reference),
        "exact_match": exact_match(answer, reference),
        "grounded_precision": grounded_precision(answer, passages),
        "length_ratio": length_ratio(answer, reference),
        "length_error": length_error(answer, reference),
        "empty": float(not answer.strip()),
        "endless": float(endless),
    }


def _tokens(text: str) -> list[str]:
    """Return the words as SQuAD counts them; of other scripts, ours."""
    normal = normalise(text)
    return normal.split() if normal.isascii() else words(normal)


def _length(text: str) -> int:
    return len(text.split()) if text.isascii() else count_words(text)


@lru_cache(maxsize=1)
def _rouge() -> Any:
    from rouge_score.rouge_scorer import RougeScorer  # slow to import: it brings nltk
    from rouge_score.tokenizers import DefaultTokenizer

    class Tokenizer(DefaultTokenizer):  # type: ignore[misc] # rouge-score has no types
        def tokenize(self, text: str) -> list[str]:
            return list(super().tokenize(text)) if text.isascii() else words(text)

    return RougeScorer(["rougeL"], tokenizer=Tokenizer(use_stemmer=True))
