from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bot.domain.errors import ArtifactError, BusyError
from bot.domain.people import Audience
from bot.observability.metrics import REGISTRY
from retrieval.assembly import open_documents
from retrieval.index.snapshot_store import KEPT, SnapshotStore
from retrieval.search.hybrid import HybridRetriever

if TYPE_CHECKING:
    from pathlib import Path

    from bot.app import Mentee
    from retrieval.ingest.documents import Documents

    DocumentsHome = tuple[Mentee, Documents, Path]


def snapshots(mentee: Mentee) -> SnapshotStore:
    assert isinstance(mentee.retriever, HybridRetriever)
    return mentee.retriever.snapshots


def refusals() -> float:
    return REGISTRY.get_sample_value("mentee_artifact_refusals_total", {"kind": "index"}) or 0


def spoil(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def test_the_last_snapshots_stay_and_older_ones_go(documents_home: DocumentsHome) -> None:
    mentee, documents, folder = documents_home
    for number in range(KEPT + 2):
        (folder / "leave.md").write_text(f"# Leave\n\nVersion {number} of the leave rules.\n")
        documents.add([str(folder)], "travel")
    kept = [path.name for path in snapshots(mentee).folder("travel").iterdir() if path.is_dir()]
    assert len(kept) == KEPT
    assert mentee.retriever.snapshot("travel") in kept
    assert "Version 4" in mentee.retriever.search("leave version", "travel", Audience())[0].text


def test_strays_are_swept_at_start_but_not_under_a_builder(documents_home: DocumentsHome) -> None:
    mentee, documents, folder = documents_home
    documents.add([str(folder)], "travel")
    home = snapshots(mentee).folder("travel")
    (home / "travel-unfinished").mkdir()
    (home / ".aside-draft").mkdir()
    with snapshots(mentee).building("it"):
        (snapshots(mentee).folder("it") / ".aside-busy").mkdir()
        fresh = HybridRetriever(mentee.store, mentee.settings)
        assert (snapshots(mentee).folder("it") / ".aside-busy").exists()
    assert sorted(path.name for path in home.iterdir() if path.is_dir()) == [fresh.snapshot("travel")]


def test_a_second_builder_waits_and_then_gives_up(documents_home: DocumentsHome) -> None:
    store = snapshots(documents_home[0])
    again = store.building("travel", wait=0.3)
    with store.building("travel"), pytest.raises(BusyError, match="'travel' is being built"):
        again.__enter__()
    with store.building("travel", wait=0.3):
        pass


def test_sync_rebuilds_a_damaged_index(documents_home: DocumentsHome) -> None:
    mentee, documents, folder = documents_home
    first = documents.add([str(folder)], "travel")
    spoil(snapshots(mentee).folder("travel") / str(first.snapshot) / "index.faiss")
    fresh = HybridRetriever(mentee.store, mentee.settings)
    before = refusals()
    with pytest.raises(ArtifactError, match=r"altered index\.faiss.*documents sync --department travel"):
        fresh.search("leave", "travel", Audience())
    assert refusals() == before + 1
    mentee.__dict__["retriever"] = fresh
    open_documents(mentee, actor="test").sync("travel")
    assert fresh.snapshot("travel") != first.snapshot
    assert fresh.search("annual leave", "travel", Audience())[0].document.endswith("leave.md")


def test_an_index_of_another_embedder_is_refused_and_sync_rebuilds_it(documents_home: DocumentsHome) -> None:
    mentee, documents, folder = documents_home

    from retrieval.embed import HashingEmbedder

    documents.add([str(folder)], "travel")
    other = HashingEmbedder()
    other.identity = "hashing-3"
    fresh = HybridRetriever(mentee.store, mentee.settings, embedder=other)
    with pytest.raises(ArtifactError, match="built with the embedder hashing-2; settings say hashing-3"):
        fresh.search("leave", "travel", Audience())
    mentee.__dict__["retriever"] = fresh
    open_documents(mentee, actor="test").sync("travel")
    assert fresh.search("annual leave", "travel", Audience())
