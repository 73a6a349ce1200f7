"""Token vectors of recent texts are kept, in the order in which they are asked for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bot.domain.ports import TokenVectors
from retrieval.embed import CachedEmbedder, HashingEmbedder, SentenceEmbedder

if TYPE_CHECKING:
    from collections.abc import Sequence


class _Counting(SentenceEmbedder):
    def __init__(self) -> None:
        super().__init__(Path("unused"), "counting")
        self.asked: list[str] = []

    def encode_tokens(self, texts: Sequence[str]) -> list[TokenVectors]:
        self.asked += texts
        return [TokenVectors(np.full((1, 2), len(text), dtype=np.float32), ((0, len(text)),)) for text in texts]


def test_token_vectors_are_computed_once() -> None:
    inner = _Counting()
    embedder = CachedEmbedder(inner)
    for texts in (["a", "bb"], ["ccc", "bb", "a", "a"]):
        found = embedder.encode_tokens(texts)
        assert found is not None
        assert [each.spans[0][1] for each in found] == [len(text) for text in texts]
    assert inner.asked == ["a", "bb", "ccc"]


def test_an_embedder_without_token_vectors_has_none() -> None:
    assert CachedEmbedder(HashingEmbedder()).encode_tokens(["a"]) is None
