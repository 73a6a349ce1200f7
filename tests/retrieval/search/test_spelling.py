from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.documents.blocks import paragraphs
from bot.domain.documents.parsed import ParsedDocument, ParsedSection
from bot.domain.people import Audience
from retrieval.assembly import open_documents
from retrieval.embed import HashingEmbedder
from retrieval.index.similar import SimilarWords, edit_distance
from retrieval.index.snapshot import IndexedDocument, build_snapshot
from retrieval.search.spelling import corrected

if TYPE_CHECKING:
    from pathlib import Path

    from bot.testing.homes import MakeHome
    from retrieval.index.snapshot import Snapshot

PAGES = (
    "Reimbursement of travel takes five days. Interviewers review the resume.",
    "The Überstunden are approved by the director. Загрузите чеки.",
    "The secret project is called bluebird.",
)


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    documents = [
        IndexedDocument(f"d{n}", str(n), str(n), ParsedDocument("", (ParsedSection((), paragraphs(text)),)))
        for n, text in enumerate(PAGES)
    ]
    return build_snapshot(tmp_path_factory.mktemp("index") / "g1", documents, HashingEmbedder())


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        ("When is my reinbursement due?", "When is my reimbursement due?"),
        ("How long takes riembursemnet?", "How long takes reimbursement?"),
        ("Who are the interviwers?", "Who are the interviewers?"),
        ("Who approves \u00dcberstnden?", "Who approves uberstunden?"),
        ("When is my reimbursement due?", "When is my reimbursement due?"),
        ("Загрузите чекк?", "Загрузите чеки?"),
        ("What is Kubernetes?", "What is Kubernetes?"),
        ("Where is the bay?", "Where is the bay?"),
        ("Is there a cave?", "Is there a cave?"),
        ("What about 12345 and abc123?", "What about 12345 and abc123?"),
        ("\u5e74\u5047\u600e\u4e48\u7528", "\u5e74\u5047\u600e\u4e48\u7528"),
    ],
)
def test_only_words_that_no_document_has_are_corrected(snapshot: Snapshot, asked: str, meant: str) -> None:
    assert corrected(asked, snapshot, np.ones(len(snapshot.chunks), dtype=bool)) == meant


def test_no_word_is_taken_from_a_document_that_the_audience_may_not_read(snapshot: Snapshot) -> None:
    everything, readable = np.ones(3, dtype=bool), np.array([True, True, False])
    assert corrected("What is bluebrid?", snapshot, everything) == "What is bluebird?"
    assert corrected("What is bluebrid?", snapshot, readable) == "What is bluebrid?"


def test_a_misspelled_question_finds_its_page(make_home: MakeHome, tmp_path: Path) -> None:
    mentee = make_home(departments=("travel",), built_in=("retrieval.plugin", "plugins.sources"))
    for name, text in {"rules": "The director signs it.", "money": "Reimbursement takes five days."}.items():
        (tmp_path / f"{name}.md").write_text(f"# Page\n\n{text}\n")
    open_documents(mentee, actor="test").add([str(tmp_path / "rules.md"), str(tmp_path / "money.md")], "travel")
    right, wrong = (
        mentee.retriever.search(text, "travel", Audience())[0] for text in ("reimbursement?", "reinbursement?")
    )
    assert right.document == wrong.document == str(tmp_path / "money.md")
    assert right.relevance == wrong.relevance


@pytest.mark.parametrize(
    ("one", "other", "distance"),
    [
        ("laptop", "laptop", 0),
        ("lpatop", "laptop", 1),
        ("lapto", "laptop", 1),
        ("laptip", "laptop", 1),
        ("a", "abcd", 3),
    ],
)
def test_letters_swapped_left_out_or_wrong_count_one(one: str, other: str, distance: int) -> None:
    assert edit_distance(one, other, 2) == distance


@given(st.text("abcd", max_size=8), st.text("abcd", max_size=8))
def test_the_distance_is_symmetric_and_bounded(one: str, other: str) -> None:
    assert edit_distance(one, other, 2) == edit_distance(other, one, 2) <= 3
    assert (edit_distance(one, other, 2) == 0) == (one == other)


def test_of_many_words_the_likeliest_is_found() -> None:
    words = [f"word{letter}{other}" for letter in "abcdefghij" for other in "abcdefghij"] + ["reimburse"]
    assert SimilarWords(words).near("riemburse", lambda _: 1) == ["reimburse"]
    assert SimilarWords(words).near("riemburse", lambda _: 0) == []
    assert SimilarWords([]).near("riemburse", lambda _: 1) == []
