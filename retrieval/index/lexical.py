"""The lexical part of an index: terms, and BM25 over them (Lucene's variant; Robertson & Zaragoza 2009).

A term is a folded word, stemmed by the rules of its script: those of English for Latin letters, of Russian for Cyrillic
ones. Chinese, Japanese, Korean and the languages of South-East Asia have pairs of characters instead of words.
"""

from __future__ import annotations

import json
import logging
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import bm25s
import numpy as np
import regex
import Stemmer
from bm25s.stopwords import STOPWORDS_EN

from bot.domain.errors import ArtifactError
from bot.language.words import find_words, words
from retrieval.index.similar import SimilarWords, may_be_meant

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

K1 = 1.5
B = 0.75
NAMES = {
    "data_name": "data.npy",
    "indices_name": "indices.npy",
    "indptr_name": "indptr.npy",
    "vocab_name": "vocab.json",
    "params_name": "params.json",
    "nnoc_name": "nonoccurrence.npy",
}
"""File names, none of them a pickle. Lucene's variant writes no ``nonoccurrence.npy``."""
FORMS = "forms.json"
"""The words as they were written, but folded, by which misspelled ones are corrected."""

logging.getLogger("bm25s").setLevel(logging.WARNING)  # it tells every step of an index at debug level

_STEMMERS = {
    "arabic": "arabic",
    "armenian": "armenian",
    "cyrillic": "russian",
    "devanagari": "hindi",
    "greek": "greek",
    "latin": "english",
    "tamil": "tamil",
}
"""Snowball's stemmers by script. A script stands for its most common language."""

_SCRIPT = regex.compile("|".join(rf"(?P<{script}>\p{{{script}}})" for script in _STEMMERS))
_QUESTION_WORDS = frozenset({
    "do", "does", "did", "how", "what", "when", "where", "which", "who", "whom", "whose", "why", "can", "could",
    "should", "would", "may", "might", "me", "my", "we", "our", "i",
})  # fmt: skip
STOP_WORDS = frozenset(STOPWORDS_EN) | _QUESTION_WORDS
_NO_WORDS = "\u2205"


@lru_cache(maxsize=2_000)
def terms_of(text: str) -> tuple[str, ...]:
    """Return the stemmed content words of a text; a hyphenated word is followed by its parts."""
    found: list[str] = []
    for token in find_words(text, compounds=True):
        word = token.text.replace("\u2019", "'").removesuffix("'s")
        parts = word.split("-") if "-" in word else []
        found += [stem(part) for part in (word, *parts) if part and part not in STOP_WORDS]
    return tuple(found)


@lru_cache(maxsize=50_000)
def stem(word: str) -> str:
    """Return the stem of a folded word."""
    script = _SCRIPT.search(word)
    return str(_stemmer(_STEMMERS[script.lastgroup or ""]).stemWord(word)) if script else word


class LexicalIndex:
    """BM25 scores of one snapshot's chunks."""

    def __init__(self, model: Any, size: int, forms: Sequence[str]) -> None:
        self._model = model
        self._forms = forms
        self._similar: SimilarWords | None = None
        self.size = size

    @classmethod
    def build(cls, texts: Iterable[str]) -> LexicalIndex:
        """Index the texts, in order."""
        tokens, forms = [], set[str]()
        for text in texts:
            tokens.append(list(terms_of(text)) or [_NO_WORDS])
            forms.update(word for word in words(text) if may_be_meant(word))
        model = bm25s.BM25(k1=K1, b=B, method="lucene")
        model.index(tokens, show_progress=False)
        return cls(model, len(tokens), sorted(forms))

    @classmethod
    def load(cls, folder: Path) -> LexicalIndex:
        """Load what :meth:`save` wrote.

        :raises ArtifactError: the files do not fit together.
        """
        try:
            model = bm25s.BM25.load(folder, **NAMES, allow_pickle=False, show_progress=False, verbosity=0)
            forms = json.loads((folder / FORMS).read_text(encoding="utf-8"))
            return cls(model, int(model.scores["num_docs"]), forms)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ArtifactError(f"Can't load the BM25 index in {folder}: {error}.") from error

    def save(self, folder: Path) -> None:
        """Write the index as ``.npy`` and ``.json`` files."""
        self._model.save(folder, **NAMES, allow_pickle=False, show_progress=False)
        (folder / FORMS).write_text(json.dumps(self._forms, ensure_ascii=False), encoding="utf-8")

    def scores(self, terms: Sequence[str], allowed: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Return the BM25 score of each chunk, shape ``(size,)``; those not ``allowed`` score 0."""
        known = [term for term in terms if term in self._model.vocab_dict]
        if not known:
            return np.zeros(self.size, dtype=np.float32)
        found = self._model.get_scores(known, weight_mask=allowed.astype(np.float32))
        return np.asarray(found, dtype=np.float32)

    def holding(self, term: str, allowed: NDArray[np.bool_]) -> int:
        """Return how many of the allowed chunks have a term."""
        return int(allowed[self._rows(term)].sum())

    def having(self, term: str, allowed: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Return the rows of the allowed chunks that have a term."""
        rows = self._rows(term)
        return rows[allowed[rows]]

    def similar(self, word: str, allowed: NDArray[np.bool_]) -> list[str]:
        """Return the words that a misspelled one may stand for, the likeliest first."""
        if self._similar is None:
            self._similar = SimilarWords(self._forms)
        return self._similar.near(word, lambda form: self.holding(stem(form), allowed))

    def _rows(self, term: str) -> NDArray[np.int64]:
        number = self._model.vocab_dict.get(term)
        if number is None:
            return np.zeros(0, dtype=np.int64)
        start, end = self._model.scores["indptr"][number : number + 2]
        return np.asarray(self._model.scores["indices"][start:end], dtype=np.int64)


@lru_cache
def _stemmer(algorithm: str) -> Any:
    return Stemmer.Stemmer(algorithm)
