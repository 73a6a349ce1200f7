from __future__ import annotations

from typing import TYPE_CHECKING

from bot.domain.people import Audience
from bot.domain.ports import RatesDepartments
from retrieval.assembly import open_documents
from retrieval.search.hybrid import HybridRetriever

if TYPE_CHECKING:
    from pathlib import Path

    from bot.testing.homes import MakeHome, Mentee

EVERYONE = Audience()
BOB = Audience(frozenset({"user:bob"}))


def rated(mentee: Mentee, text: str, audience: Audience = EVERYONE) -> dict[str, float]:
    retriever = mentee.retriever
    assert isinstance(retriever, RatesDepartments)
    return dict(retriever.rate_departments(text, ["travel", "it", "hr"], audience))


def home(make_home: MakeHome, folder: Path) -> Mentee:
    mentee = make_home(departments=("travel", "it", "hr"), built_in=("retrieval.plugin", "plugins.sources"))
    documents = open_documents(mentee, actor="test")
    pages = {
        "travel": "# Trips\n\nBook a hotel before the trip. Send the voucher after the trip.\n",
        "it": "# Devices\n\nA broken laptop goes to the desk. Send the form before noon.\n",
    }
    for name, text in pages.items():
        (folder / f"{name}.md").write_text(text)
        documents.add([str(folder / f"{name}.md")], name)
    return mentee


def test_words_that_one_department_has_speak_for_it(make_home: MakeHome, tmp_path: Path) -> None:
    mentee = home(make_home, tmp_path)
    found = rated(mentee, "Where does my voucher go?")
    assert found["travel"] > found["it"]
    assert rated(mentee, "Where does my laptop go?")["it"] > rated(mentee, "Where does my laptop go?")["travel"]
    assert "hr" not in found
    assert rated(mentee, "  ") == {}


def test_only_documents_that_the_audience_may_read_count(make_home: MakeHome, tmp_path: Path) -> None:
    mentee = home(make_home, tmp_path)
    folder = tmp_path / "secret"
    folder.mkdir()
    (folder / "plan.md").write_text("# Plan\n\nThe voucher is secret. Nobody may read the voucher.\n")
    before = rated(mentee, "Where does my voucher go?")
    open_documents(mentee, actor="test").add([str(folder)], "it", readers=("user:bob",))
    assert rated(mentee, "Where does my voucher go?") == before
    assert rated(mentee, "Where does my voucher go?", BOB) != before


def test_a_broken_index_keeps_no_other_from_being_rated(make_home: MakeHome, tmp_path: Path) -> None:
    mentee = home(make_home, tmp_path)
    retriever = mentee.retriever
    assert isinstance(retriever, HybridRetriever)
    name = retriever.snapshots.active_name("it")
    retriever.snapshots.forget("it")
    (retriever.snapshots.folder("it") / str(name) / "chunks.jsonl").write_text("")
    assert set(rated(mentee, "Where does my voucher go?")) == {"travel"}
