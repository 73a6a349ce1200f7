"""Embedders turn text into unit vectors: a fetched sentence-transformers model, or feature hashing without a model.

A model knows the languages that it was trained on. Text in a script that its tokenizer only spells is hashed instead,
so that its vectors compare words: a cosine of spelled text says nothing.
"""

from __future__ import annotations

import hashlib
import logging
import os
import threading
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import regex
from cachetools import LRUCache

from bot.config.extras import require
from bot.domain.errors import ArtifactError
from bot.domain.ports import TokenVectors
from bot.language.words import count_words, words

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from bot.config.settings import Settings

HASHING = "hashing"
BATCH = 32
CACHED_TEXTS = 4096
CACHED_TOKENS = 512
"""Texts whose token vectors are kept: 20 kB each."""

SPELLED = 0.5
"""Share of unknown and one-letter tokens above which a model doesn't know the language of a text."""
_PUNCTUATION = regex.compile(r"[^\w\s\p{M}]")
_LETTER = regex.compile(r"[\p{L}\p{M}--\p{Han}]", regex.VERSION1)
"""A token of one Chinese character may be a word; one of a single other letter says that a word was spelled."""


class Embedder(Protocol):
    """Turns text into unit vectors.

    ``identity`` names the weights, not only the model: vectors are comparable and reusable exactly when it is equal.
    """

    identity: str

    @property
    def dimension(self) -> int:
        """The length of a vector."""

    def count_tokens(self, text: str) -> int:
        """Return the length of a text in the embedder's own tokens."""

    def counts_words(self, text: str) -> bool:
        """Return whether the text's vector only counts its words, so that a cosine says how many two texts share."""

    def encode(self, texts: Sequence[str], *, progress: Callable[[int], None] | None = None) -> NDArray[np.float32]:
        """Return unit vectors, shape ``(len(texts), dimension)``; ``progress`` gets the number newly done."""


class HashingEmbedder:
    """Signed feature hashing of words and word pairs (Weinberger et al. 2009): deterministic, no weights.

    It knows no synonyms. Use it in tests, and on machines that may not hold a model.
    """

    identity = "hashing-2"
    dimension = 512
    _PAIR_WEIGHT = 0.5

    def __init__(self, dimension: int = dimension) -> None:
        self.dimension = dimension

    def count_tokens(self, text: str) -> int:
        """Return the number of words and punctuation marks."""
        return count_words(text) + len(_PUNCTUATION.findall(text))

    def counts_words(self, text: str) -> bool:  # noqa: ARG002 - of all texts
        return True

    def encode(self, texts: Sequence[str], *, progress: Callable[[int], None] | None = None) -> NDArray[np.float32]:
        """Return unit vectors; an empty text gives the zero vector."""
        vectors = np.zeros((len(texts), self.dimension), dtype=np.float32)
        for row, text in enumerate(texts):
            found = words(text)
            for word in found:
                self._add(vectors[row], word, 1.0)
            for first, second in pairwise(found):
                self._add(vectors[row], f"{first} {second}", self._PAIR_WEIGHT)
            if progress:
                progress(1)
        return _unit(vectors)

    def _add(self, vector: NDArray[np.float32], feature: str, weight: float) -> None:
        digest = hashlib.blake2b(feature.encode(), digest_size=8).digest()
        sign = 1.0 if digest[0] & 1 else -1.0
        vector[int.from_bytes(digest[1:], "little") % self.dimension] += sign * weight


class SentenceEmbedder:
    """A sentence-transformers model from a verified local folder, loaded at first use.

    :param path: the model's folder.
    :param identity: name and hash of the model, see :class:`Embedder`.
    """

    def __init__(self, path: Path, identity: str) -> None:
        self.identity = identity
        self._path = path
        self._loaded: Any = None
        self._lock = threading.Lock()

    @property
    def dimension(self) -> int:
        return int(self._model().get_embedding_dimension())

    def count_tokens(self, text: str) -> int:
        """Return the length in word pieces, without the special ones; at least the number of words.

        A tokenizer that doesn't know a script may take a whole line of it for one unknown word.
        """
        return max(len(self._tokens(text)), count_words(text))

    def counts_words(self, text: str) -> bool:
        """Return whether the model doesn't know the text's language: its tokenizer spells most of it."""
        if text.isascii():
            return False
        tokenizer = self._model().tokenizer
        tokens = tokenizer.convert_ids_to_tokens(self._tokens(text))
        told = [token == tokenizer.unk_token or bool(_LETTER.fullmatch(token.removeprefix("##"))) for token in tokens]
        lettered = sum(spelled or any(map(str.isalpha, token)) for token, spelled in zip(tokens, told, strict=True))
        return bool(sum(told) > SPELLED * lettered)

    def encode(self, texts: Sequence[str], *, progress: Callable[[int], None] | None = None) -> NDArray[np.float32]:
        """Return unit vectors. Texts of similar length are batched together to save padding."""
        model = self._model()
        vectors = np.zeros((len(texts), self.dimension), dtype=np.float32)
        hashed = [row for row, text in enumerate(texts) if self.counts_words(text)]
        if hashed:
            vectors[hashed] = HashingEmbedder(self.dimension).encode([texts[row] for row in hashed], progress=progress)
        order = sorted({*range(len(texts))} - {*hashed}, key=lambda row: -len(texts[row]))
        for start in range(0, len(order), BATCH):
            rows = order[start : start + BATCH]
            with self._lock:
                found = model.encode([texts[row] for row in rows], batch_size=BATCH, show_progress_bar=False)
            vectors[rows] = np.asarray(found, dtype=np.float32)
            if progress:
                progress(len(rows))
        return _unit(vectors)

    def _tokens(self, text: str) -> list[int]:
        found: list[int] = self._model().tokenizer.encode(text, add_special_tokens=False, verbose=False)
        return found

    def encode_tokens(self, texts: Sequence[str]) -> list[TokenVectors]:
        """Return the tokens of each text with unit vectors in context, without the special tokens."""
        model = self._model()
        with self._lock:
            found = model.encode(list(texts), output_value="token_embeddings", show_progress_bar=False)
        return [_tokens(text, vectors, model.tokenizer) for text, vectors in zip(texts, found, strict=True)]

    def _model(self) -> Any:
        with self._lock:
            if self._loaded is None:
                self._loaded = _load_model(self._path)
            return self._loaded


class CachedEmbedder:
    """An embedder that keeps the vectors of recent texts in an LRU cache.

    Routing searches every department for the same question, and quoting embeds passages that were just retrieved.

    :param inner: the embedder without the cache, for building indexes.
    """

    def __init__(self, inner: Embedder) -> None:
        self.inner = inner
        self.identity = inner.identity
        self._cache: LRUCache[str, NDArray[np.float32]] = LRUCache(CACHED_TEXTS)
        self._tokens: LRUCache[str, TokenVectors] = LRUCache(CACHED_TOKENS)
        self._lock = threading.Lock()

    @property
    def dimension(self) -> int:
        return self.inner.dimension

    def count_tokens(self, text: str) -> int:
        return self.inner.count_tokens(text)

    def counts_words(self, text: str) -> bool:
        return self.inner.counts_words(text)

    def encode(self, texts: Sequence[str], *, progress: Callable[[int], None] | None = None) -> NDArray[np.float32]:
        with self._lock:
            vectors = {text: self._cache[text] for text in texts if text in self._cache}
        missing = [text for text in dict.fromkeys(texts) if text not in vectors]
        if missing:
            embedded = dict(zip(missing, self.inner.encode(missing, progress=progress), strict=True))
            vectors.update(embedded)
            with self._lock:
                self._cache.update(embedded)
        return np.stack([vectors[text] for text in texts]) if texts else np.zeros((0, self.dimension), dtype=np.float32)

    def encode_tokens(self, texts: Sequence[str]) -> list[TokenVectors] | None:
        """Return the tokens of each text (see :meth:`SentenceEmbedder.encode_tokens`), if the embedder has vectors."""
        if not isinstance(self.inner, SentenceEmbedder):
            return None
        with self._lock:
            found = {text: self._tokens[text] for text in texts if text in self._tokens}
        missing = [text for text in dict.fromkeys(texts) if text not in found]
        if missing:
            fresh = dict(zip(missing, self.inner.encode_tokens(missing), strict=True))
            found.update(fresh)
            with self._lock:
                self._tokens.update(fresh)
        return [found[text] for text in texts]


def open_embedder(settings: Settings) -> Embedder:
    """Return the embedder that the settings name.

    :raises ArtifactError: the model has not been fetched, or its files are not what was fetched.
    """
    name = settings.model.embedder
    if name == HASHING:
        return HashingEmbedder()
    require("local", "The embedder", instead="or set model.embedder to 'hashing'")
    from bot.inference.models.catalogue import model_path
    from bot.storage.artifacts import read_manifest

    path = model_path(settings.models_dir, name)
    return SentenceEmbedder(path, f"{name}@{read_manifest(path, 'model').sha256[:16]}")


def _load_model(path: Path) -> Any:
    os.environ.setdefault(
        "HF_HUB_OFFLINE", "1"
    )  # read when the hub library is imported: nothing is fetched at run time
    import torch
    from sentence_transformers import SentenceTransformer
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call] # transformers leaves it untyped
    logging.getLogger("sentence_transformers").setLevel(logging.WARNING)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        model = SentenceTransformer(str(path), device=device, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError, KeyError) as error:
        raise ArtifactError(
            f"Can't load the embedding model in {path}: {error}.", hint="Fetch it again with `mentee model fetch`."
        ) from error
    if _bfloat16_pays(device):
        model.to(torch.bfloat16)
    return model.eval()


def _bfloat16_pays(device: str) -> bool:
    """Return whether this machine has bfloat16 in hardware: twice as fast, with the same top ten."""
    import torch

    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())  # noqa: SLF001 - torch has no public name for it


def _tokens(text: str, vectors: Any, tokenizer: Any) -> TokenVectors:
    """Return what a model found for the tokens of a text; the model may have cut it."""
    spans = tokenizer(text, return_offsets_mapping=True)["offset_mapping"][: len(vectors)]
    kept = [row for row, (start, end) in enumerate(spans) if start < end]
    found = vectors.float().cpu().numpy()[kept]
    return TokenVectors(_unit(found), tuple((int(spans[row][0]), int(spans[row][1])) for row in kept))


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, 1e-12), dtype=np.float32)
