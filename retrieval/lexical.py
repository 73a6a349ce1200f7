"""Words of documents and questions, and BM25 over them (bm25s, Lucene's variant; Robertson & Zaragoza 2009)."""

from __future__ import annotations

import logging
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import bm25s
import numpy as np
import Stemmer
from bm25s.stopwords import STOPWORDS_EN

from bot.errors import ArtifactError

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
"""File names without a pickle among them; ``nonoccurrence.npy`` does not occur with Lucene's variant."""

logging.getLogger("bm25s").setLevel(logging.WARNING)  # it tells every step of an index at debug level

_WORD = re.compile(r"\w+(?:[.&'-]\w+)*")
_ASKING = frozenset(
    ("do", "does", "did", "how", "what", "when", "where", "which", "who", "whom", "whose", "why", "can", "could")
)
_ASKING |= {"should", "would", "may", "might", "me", "my", "we", "our", "i"}
STOP_WORDS = frozenset(STOPWORDS_EN) | _ASKING
_NO_WORDS = "\u2205"


@lru_cache(maxsize=2_000)
def words(text: str) -> tuple[str, ...]:
    """Return the stemmed content words of a text; a hyphenated word also counts by its parts."""
    found: list[str] = []
    for match in _WORD.finditer(text.lower().replace("\u2019", "'")):
        word = match[0].removesuffix("'s")
        parts = word.split("-") if "-" in word else []
        found += [part for part in (word, *parts) if part and part not in STOP_WORDS]
    return tuple(_stemmer().stemWords(found))


class LexicalIndex:
    """BM25 scores of one generation's chunks."""

    def __init__(self, model: Any, size: int) -> None:
        self._model = model
        self.size = size

    @classmethod
    def build(cls, texts: Iterable[str]) -> LexicalIndex:
        """Index the texts, in order."""
        tokens = [list(words(text)) or [_NO_WORDS] for text in texts]
        model = bm25s.BM25(k1=K1, b=B, method="lucene")
        model.index(tokens, show_progress=False)
        return cls(model, len(tokens))

    @classmethod
    def load(cls, folder: Path) -> LexicalIndex:
        """Load what :meth:`save` wrote.

        :raises ArtifactError: the files do not fit together.
        """
        try:
            model = bm25s.BM25.load(folder, **NAMES, allow_pickle=False, show_progress=False, verbosity=0)
            return cls(model, int(model.scores["num_docs"]))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ArtifactError(f"The lexical index in {folder} cannot be loaded: {error}.") from error

    def save(self, folder: Path) -> None:
        """Write the index as ``.npy`` and ``.json`` files."""
        self._model.save(folder, **NAMES, allow_pickle=False, show_progress=False)

    def scores(self, terms: Sequence[str], allowed: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Return the BM25 score of each chunk, shape ``(size,)``; those not ``allowed`` score 0."""
        known = [term for term in terms if term in self._model.vocab_dict]
        if not known:
            return np.zeros(self.size, dtype=np.float32)
        found = self._model.get_scores(known, weight_mask=allowed.astype(np.float32))
        return np.asarray(found, dtype=np.float32)


@lru_cache(maxsize=1)
def _stemmer() -> Any:
    return Stemmer.Stemmer("english")
