from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bot.domain.people import Audience
from bot.domain.questions import Turn
from retrieval.search.hybrid import HybridRetriever

if TYPE_CHECKING:
    from pathlib import Path

    from bot.app import Mentee
    from retrieval.index.snapshot_store import SnapshotStore
    from retrieval.ingest.documents import Documents

    DocumentsHome = tuple[Mentee, Documents, Path]


def snapshots(mentee: Mentee) -> SnapshotStore:
    assert isinstance(mentee.retriever, HybridRetriever)
    return mentee.retriever.snapshots


def test_scores_are_in_range_and_fall(documents_home: DocumentsHome) -> None:
    mentee, documents, folder = documents_home
    documents.add([str(folder)], "travel")
    passages = mentee.retriever.search("annual leave hours", "travel", Audience())
    scores = [passage.score for passage in passages]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= passage.score <= 1 and 0 <= passage.relevance <= 1 for passage in passages)
    assert passages[0].heading == "Leave › Annual"
    assert passages[0].snapshot == mentee.retriever.snapshot("travel")


def test_one_section_and_one_text_do_not_fill_the_list(documents_home: DocumentsHome) -> None:
    mentee, documents, folder = documents_home
    long = "\n\n".join(f"Vouchers and vouchers, rule {n}: " + "hand in the voucher on time. " * 20 for n in range(12))
    (folder / "vouchers.md").write_text(f"# Vouchers\n\n{long}\n")
    (folder / "copy.md").write_text((folder / "leave.md").read_text())
    documents.add([str(folder)], "travel")
    passages = mentee.retriever.search("vouchers on time, annual leave hours", "travel", Audience(), k=3)
    assert len({passage.text for passage in passages}) == 3
    assert sum(passage.document.endswith("vouchers.md") for passage in passages) == 1


def test_a_passage_ends_with_a_sentence_and_knows_what_its_section_says_next(documents_home: DocumentsHome) -> None:
    mentee, documents, folder = documents_home
    rules = " ".join(f"Rule {n}: sign the voucher, {'and again, ' * 2 * n} hand it in." for n in range(14))
    (folder / "vouchers.md").write_text(f"# Vouchers\n\nThe rules:\n{rules}\n\n# Hotels\n\nAsk for the tax form.\n")
    documents.add([str(folder)], "travel")
    found = mentee.retriever.search("vouchers rules", "travel", Audience(), k=20)
    parts = [passage for passage in found if passage.heading == "Vouchers"]
    assert len(parts) > 2
    chunks = snapshots(mentee).serve("travel", parts[0].snapshot).chunks
    assert not all(chunk.text.endswith("hand it in.") for chunk in chunks if chunk.heading == "Vouchers"), (
        "some are cut"
    )
    assert all(passage.text.endswith("hand it in.") for passage in parts)
    assert sum(passage.following == "" for passage in parts) == 1, "the section's last part"
    assert mentee.retriever.passages([parts[0].chunk_id], "travel", Audience())[0].text == parts[0].text, (
        "read and learned alike"
    )


def test_the_thread_helps_a_question_that_leans_on_it(documents_home: DocumentsHome) -> None:
    mentee, documents, folder = documents_home
    (folder / "sick.md").write_text("# Sick days\n\nContractors are paid for sick days in Ohio.\n")
    (folder / "ohio.md").write_text("# Hotels in Ohio\n\nContractors pay the hotel tax in Ohio.\n")
    documents.add([str(folder)], "travel")
    history = [Turn("Who pays the hotel tax?", "Employees do not.")]
    with_thread = mentee.retriever.search("and contractors in Ohio?", "travel", Audience(), history=history)
    assert with_thread[0].document.endswith("ohio.md")


@pytest.mark.parametrize("question", ["", "   ", "zzzz qqqq", "?!", "a" * 5000, "the of and", "東京"])
def test_odd_questions_do_no_harm(documents_home: DocumentsHome, question: str) -> None:
    mentee, documents, folder = documents_home
    documents.add([str(folder)], "travel")
    assert isinstance(mentee.retriever.search(question, "travel", Audience()), list)
    assert mentee.retriever.search(question, "nowhere", Audience()) == []


def test_passages_come_by_id_in_the_order_asked(documents_home: DocumentsHome) -> None:
    mentee, documents, folder = documents_home
    documents.add([str(folder)], "travel")
    found = mentee.retriever.search("hotel leave", "travel", Audience())
    ids = [passage.chunk_id for passage in found][::-1]
    assert [passage.chunk_id for passage in mentee.retriever.passages([*ids, "c_gone"], "travel", Audience())] == ids
