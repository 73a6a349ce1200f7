"""Embedders: text to unit vectors. One is a fetched sentence-transformers model, the other needs no weights at all."""

from __future__ import annotations

import hashlib
import logging
import os
import re
import threading
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from bot.errors import ArtifactError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from bot.settings import Settings

HASHING = "hashing"
BATCH = 32


class Embedder(Protocol):
    """Turns text into unit vectors.

    ``identity`` names the weights, not only the model: vectors are comparable and reusable exactly when it is equal.
    """

    identity: str

    @property
    def dimension(self) -> int:
        """The length of a vector."""

    @property
    def max_tokens(self) -> int:
        """How many tokens of a text are seen; the rest is cut."""

    def count_tokens(self, text: str) -> int:
        """Return the length of a text in the embedder's own tokens."""

    def encode(self, texts: Sequence[str], *, progress: Callable[[int], None] | None = None) -> NDArray[np.float32]:
        """Return unit vectors, shape ``(len(texts), dimension)``; ``progress`` hears how many texts are newly done."""


class HashingEmbedder:
    """Signed feature hashing of words and word pairs (Weinberger et al. 2009): deterministic, no weights.

    It knows no synonyms, so it is for tests and for machines that may not hold a model.
    """

    identity = "hashing-1"
    dimension = 512
    max_tokens = 256
    _PAIR_WEIGHT = 0.5

    def count_tokens(self, text: str) -> int:
        """Return the number of words and marks."""
        return len(re.findall(r"\w+|[^\w\s]", text))

    def encode(self, texts: Sequence[str], *, progress: Callable[[int], None] | None = None) -> NDArray[np.float32]:
        """Return unit vectors; an empty text gives the zero vector."""
        vectors = np.zeros((len(texts), self.dimension), dtype=np.float32)
        for row, text in enumerate(texts):
            words = re.findall(r"\w+", text.lower())
            for word in words:
                self._add(vectors[row], word, 1.0)
            for first, second in pairwise(words):
                self._add(vectors[row], f"{first} {second}", self._PAIR_WEIGHT)
            if progress:
                progress(1)
        return _unit(vectors)

    def _add(self, vector: NDArray[np.float32], feature: str, weight: float) -> None:
        digest = hashlib.blake2b(feature.encode(), digest_size=8).digest()
        sign = 1.0 if digest[0] & 1 else -1.0
        vector[int.from_bytes(digest[1:], "little") % self.dimension] += sign * weight


class SentenceEmbedder:
    """A sentence-transformers model from a verified local folder, loaded at first use and never from a network.

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
        """The length of a vector."""
        return int(self._model().get_embedding_dimension())

    @property
    def max_tokens(self) -> int:
        """How many tokens of a text the model sees; the rest is cut."""
        return int(self._model().max_seq_length)

    def count_tokens(self, text: str) -> int:
        """Return the length in word pieces, without the special ones."""
        return len(self._model().tokenizer.encode(text, add_special_tokens=False, verbose=False))

    def encode(self, texts: Sequence[str], *, progress: Callable[[int], None] | None = None) -> NDArray[np.float32]:
        """Return unit vectors. Texts of like length are batched together, so that padding costs little."""
        model = self._model()
        vectors = np.zeros((len(texts), self.dimension), dtype=np.float32)
        order = sorted(range(len(texts)), key=lambda row: -len(texts[row]))
        for start in range(0, len(order), BATCH):
            rows = order[start : start + BATCH]
            with self._lock:
                found = model.encode([texts[row] for row in rows], batch_size=BATCH, show_progress_bar=False)
            vectors[rows] = np.asarray(found, dtype=np.float32)
            if progress:
                progress(len(rows))
        return _unit(vectors)

    def _model(self) -> Any:
        with self._lock:
            if self._loaded is None:
                self._loaded = _load_model(self._path)
            return self._loaded


def open_embedder(settings: Settings) -> Embedder:
    """Return the embedder that the settings name.

    :raises ArtifactError: the model has not been fetched, or its files are not what was fetched.
    """
    name = settings.model.embedder
    if name == HASHING:
        return HashingEmbedder()
    from bot.artifacts import read_manifest
    from bot.models import model_path

    path = model_path(settings, name)
    return SentenceEmbedder(path, f"{name}@{read_manifest(path, 'model').sha256[:16]}")


def _load_model(path: Path) -> Any:
    os.environ.setdefault(
        "HF_HUB_OFFLINE", "1"
    )  # read when the hub library is imported: nothing is fetched at run time
    import torch
    from sentence_transformers import SentenceTransformer
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    logging.getLogger("sentence_transformers").setLevel(logging.WARNING)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        model = SentenceTransformer(str(path), device=device, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError, KeyError) as error:
        raise ArtifactError(
            f"The embedder in {path} cannot be loaded: {error}.", hint="Fetch it again with `mentee model fetch`."
        ) from error
    if _bfloat16_pays(device):
        model.to(torch.bfloat16)
    return model.eval()


def _bfloat16_pays(device: str) -> bool:
    """Return whether this machine multiplies bfloat16 in hardware: twice as fast, same top ten."""
    import torch

    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())  # noqa: SLF001 - torch has no public name for it


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, 1e-12), dtype=np.float32)
