from __future__ import annotations

import pytest

from bot.errors import ArtifactError, BusyError
from bot.messages import Audience
from bot.metrics import REGISTRY
from retrieval.generations import KEPT
from retrieval.search import HybridRetriever


def refusals():
    return REGISTRY.get_sample_value("mentee_artifact_refusals_total", {"kind": "index"}) or 0


def spoil(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def test_the_last_generations_stay_and_older_ones_go(shelf):
    mentee, documents, folder = shelf
    for number in range(KEPT + 2):
        (folder / "leave.md").write_text(f"# Leave\n\nVersion {number} of the leave rules.\n")
        documents.add([str(folder)], "travel")
    kept = [path.name for path in mentee.retriever.generations.folder("travel").iterdir() if path.is_dir()]
    assert len(kept) == KEPT
    assert mentee.retriever.generation("travel") in kept
    assert "Version 4" in mentee.retriever.search("leave version", "travel", Audience())[0].text


def test_strays_are_swept_at_start_but_not_under_a_builder(shelf):
    mentee, documents, folder = shelf
    documents.add([str(folder)], "travel")
    home = mentee.retriever.generations.folder("travel")
    (home / "travel-unfinished").mkdir()
    (home / ".aside-draft").mkdir()
    with mentee.retriever.generations.building("it"):
        (mentee.retriever.generations.folder("it") / ".aside-busy").mkdir()
        fresh = HybridRetriever(mentee.store, mentee.settings)
        assert (mentee.retriever.generations.folder("it") / ".aside-busy").exists()
    assert sorted(path.name for path in home.iterdir() if path.is_dir()) == [fresh.generation("travel")]


def test_a_second_builder_waits_and_then_gives_up(shelf):
    generations = shelf[0].retriever.generations
    again = generations.building("travel", wait=0.3)
    with generations.building("travel"), pytest.raises(BusyError, match="'travel' is being built"):
        again.__enter__()
    with generations.building("travel", wait=0.3):
        pass


def test_sync_rebuilds_a_damaged_index(shelf):
    mentee, documents, folder = shelf
    first = documents.add([str(folder)], "travel")
    spoil(mentee.retriever.generations.folder("travel") / first.generation / "index.faiss")
    fresh = HybridRetriever(mentee.store, mentee.settings)
    before = refusals()
    with pytest.raises(ArtifactError, match=r"altered index\.faiss.*documents sync --department travel"):
        fresh.search("leave", "travel", Audience())
    assert refusals() == before + 1
    mentee.__dict__["retriever"] = fresh
    type(documents)(mentee, actor="test").sync("travel")
    assert fresh.generation("travel") != first.generation
    assert fresh.search("annual leave", "travel", Audience())[0].document.endswith("leave.md")


def test_an_index_of_another_embedder_is_refused_and_sync_rebuilds_it(shelf):
    mentee, documents, folder = shelf

    from retrieval.embed import HashingEmbedder

    documents.add([str(folder)], "travel")
    other = HashingEmbedder()
    other.identity = "hashing-2"
    fresh = HybridRetriever(mentee.store, mentee.settings, embedder=other)
    with pytest.raises(ArtifactError, match="made with embedder hashing-1, the settings name hashing-2"):
        fresh.search("leave", "travel", Audience())
    mentee.__dict__["retriever"] = fresh
    type(documents)(mentee, actor="test").sync("travel")
    assert fresh.search("annual leave", "travel", Audience())
