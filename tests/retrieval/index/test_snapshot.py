from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from bot.domain.documents.blocks import paragraphs
from bot.domain.documents.parsed import ParsedDocument, ParsedSection
from bot.domain.errors import ArtifactError
from bot.storage.artifacts import MANIFEST
from retrieval.embed import HashingEmbedder
from retrieval.index.lexical import terms_of
from retrieval.index.snapshot import IndexedDocument, build_snapshot, load_snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray


def document(number: int, text: str) -> IndexedDocument:
    parsed = ParsedDocument(f"Title {number}", (ParsedSection(("Head",), paragraphs(text)),))
    return IndexedDocument(f"d{number}", f"docs/{number}.md", f"sha-{number}-{text}", parsed)


DOCUMENTS = [document(1, "hotels in concur"), document(2, "annual leave hours"), document(3, "laptop encryption")]


class Counting(HashingEmbedder):
    def __init__(self) -> None:
        self.seen: list[str] = []

    def encode(self, texts: Sequence[str], *, progress: Callable[[int], None] | None = None) -> NDArray[np.float32]:
        self.seen += texts
        return super().encode(texts, progress=progress)


def test_a_loaded_snapshot_is_the_one_that_was_built(tmp_path: Path) -> None:
    built = build_snapshot(tmp_path / "g1", DOCUMENTS, HashingEmbedder())
    loaded = load_snapshot(tmp_path / "g1")
    assert loaded.chunks == built.chunks
    assert loaded.documents == {item.document_id: item.sha256 for item in DOCUMENTS}
    everything = np.arange(3)
    assert np.array_equal(loaded.stored(everything), built.stored(everything))
    allowed = np.ones(3, dtype=bool)
    terms = terms_of("annual leave")
    assert np.array_equal(loaded.lexical.scores(terms, allowed), built.lexical.scores(terms, allowed))
    assert {path.suffix for path in (tmp_path / "g1").rglob("*") if path.is_file()} <= {
        ".json",
        ".jsonl",
        ".npy",
        ".faiss",
    }


def test_unchanged_texts_are_not_embedded_again(tmp_path: Path) -> None:
    embedder = Counting()
    first = build_snapshot(tmp_path / "g1", DOCUMENTS, embedder)
    embedder.seen.clear()
    second = build_snapshot(tmp_path / "g2", [*DOCUMENTS[1:], document(4, "visa rules")], embedder, previous=first)
    assert [text.splitlines()[-1] for text in embedder.seen] == ["visa rules"]
    fresh = build_snapshot(tmp_path / "g3", [*DOCUMENTS[1:], document(4, "visa rules")], HashingEmbedder())
    assert np.allclose(second.stored(np.arange(3)), fresh.stored(np.arange(3)), atol=1e-6)


def test_vectors_of_another_embedder_are_not_reused(tmp_path: Path) -> None:
    first = build_snapshot(tmp_path / "g1", DOCUMENTS, HashingEmbedder())
    other = Counting()
    other.identity = "another"
    build_snapshot(tmp_path / "g2", DOCUMENTS, other, previous=first)
    assert len(other.seen) == 3


def test_only_allowed_rows_are_searched(tmp_path: Path) -> None:
    snapshot = build_snapshot(tmp_path / "g1", DOCUMENTS, HashingEmbedder())
    vector = HashingEmbedder().encode(["annual leave hours"])[0]
    rows, _ = snapshot.nearest(vector, np.array([0, 2]), 10)
    assert sorted(rows) == [0, 2]
    mask = np.array([True, False, True])
    assert snapshot.lexical.scores(terms_of("annual leave"), mask)[1] == 0


def test_a_snapshot_that_contradicts_its_manifest_is_refused(tmp_path: Path) -> None:
    build_snapshot(tmp_path / "g1", DOCUMENTS, HashingEmbedder())
    manifest = tmp_path / "g1" / MANIFEST
    content = json.loads(manifest.read_text())
    content["meta"]["dimension"] = 384
    manifest.write_text(json.dumps(content))
    with pytest.raises(ArtifactError, match="has dimension 512, 384 expected"):
        load_snapshot(tmp_path / "g1")


def test_texts_without_words_and_empty_questions_do_not_break_the_lexical_half(tmp_path: Path) -> None:
    snapshot = build_snapshot(tmp_path / "g1", [document(1, "!!! ???"), document(2, "the of and")], HashingEmbedder())
    assert list(snapshot.lexical.scores(terms_of("what is the"), np.ones(2, dtype=bool))) == [0, 0]
