"""A modified index is rejected by name and never unpickled; the loaded one keeps serving, and a metric counts it."""

from __future__ import annotations

import json
import pickle
from typing import TYPE_CHECKING, Any

import pytest

from bot.domain.errors import ArtifactError
from bot.domain.people import Audience
from bot.observability.metrics import REGISTRY
from bot.storage.artifacts import MANIFEST, hash_file
from retrieval.assembly import open_documents
from retrieval.search.hybrid import HybridRetriever

if TYPE_CHECKING:
    from pathlib import Path

    from bot.testing.homes import MakeHome


class Trap:
    """Says so when it is unpickled."""

    sprung = False

    def __reduce__(self) -> Any:
        return (setattr, (Trap, "sprung", True))


def flip(folder: Path) -> None:
    data = bytearray((folder / "index.faiss").read_bytes())
    data[-5] ^= 4
    (folder / "index.faiss").write_bytes(data)


def truncate(folder: Path) -> None:
    data = (folder / "chunks.jsonl").read_bytes()
    (folder / "chunks.jsonl").write_bytes(data[: len(data) // 2])


def other_dimension(folder: Path) -> None:
    manifest = json.loads((folder / MANIFEST).read_text())
    manifest["meta"]["dimension"] = 99
    (folder / MANIFEST).write_text(json.dumps(manifest))


def pickle_beside(folder: Path) -> None:
    (folder / "index.pkl").write_bytes(pickle.dumps(Trap()))


def pickle_in_place(folder: Path) -> None:
    """Put a pickle where an array belongs, with a manifest that vouches for it."""
    (folder / "lexical" / "data.npy").write_bytes(pickle.dumps(Trap()))
    manifest = json.loads((folder / MANIFEST).read_text())
    manifest["files"]["lexical/data.npy"]["sha256"] = hash_file(folder / "lexical" / "data.npy")
    (folder / MANIFEST).write_text(json.dumps(manifest))


def missing(folder: Path) -> None:
    (folder / "lexical" / "vocab.json").unlink()


DAMAGES = {
    flip: "altered index.faiss",
    truncate: "altered chunks.jsonl",
    other_dimension: "has dimension 512, 99 expected",
    pickle_beside: r"does not list: index\.pkl",
    pickle_in_place: "contradicts itself",
    missing: r"lacks files its manifest lists: lexical/vocab\.json",
}


def refusals() -> Any:
    return REGISTRY.get_sample_value("mentee_artifact_refusals_total", {"kind": "index"}) or 0


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_a_damaged_snapshot_is_refused_and_the_old_one_stays(make_home: MakeHome, tmp_path: Path, damage: Any) -> None:
    mentee = make_home(departments=("travel",), built_in=("retrieval.plugin", "plugins.sources"))
    documents = open_documents(mentee, actor="test")
    page = tmp_path / "leave.md"
    page.write_text("# Leave\n\nThe old rules of annual leave.\n")
    documents.add([str(page)], "travel")
    running = HybridRetriever(mentee.store, mentee.settings)
    assert "old rules" in running.search("annual leave", "travel", Audience())[0].text

    page.write_text("# Leave\n\nThe new rules of annual leave.\n")
    report = documents.add([str(page)], "travel")
    assert report.snapshot is not None
    damage(running.snapshots.folder("travel") / report.snapshot)
    before = refusals()
    assert "old rules" in running.search("annual leave", "travel", Audience())[0].text
    assert refusals() == before + 1

    started_later = HybridRetriever(mentee.store, mentee.settings)
    with pytest.raises(ArtifactError, match=DAMAGES[damage]) as refused:
        started_later.search("annual leave", "travel", Audience())
    assert report.snapshot in refused.value.text
    assert "mentee documents sync --department travel" in refused.value.hint
    assert not Trap.sprung

    mentee.__dict__["retriever"] = started_later
    open_documents(mentee, actor="test").sync("travel")
    assert "new rules" in running.search("annual leave", "travel", Audience())[0].text
