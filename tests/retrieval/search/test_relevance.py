from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from bot.domain.people import Audience
from retrieval.search import relevance
from retrieval.search.hybrid import HybridRetriever

if TYPE_CHECKING:
    from pathlib import Path

    from bot.app import Mentee
    from retrieval.ingest.documents import Documents

    DocumentsHome = tuple[Mentee, Documents, Path]

PAGES = {
    "leave": "Employees earn four hours of annual leave each pay period and may carry over 240 hours.",
    "hotel": "Book hotels in Concur below the per diem rate for the city.",
    "laptop": "Laptops are encrypted; report a lost laptop to the service desk within one hour.",
}


@pytest.fixture
def small(documents_home: DocumentsHome) -> HybridRetriever:
    mentee, documents, folder = documents_home
    for path in folder.iterdir():
        path.unlink()
    for name, text in PAGES.items():
        (folder / f"{name}.md").write_text(f"# {name.title()}\n\n{text}\n")
    documents.add([str(folder)], "travel")
    assert isinstance(mentee.retriever, HybridRetriever)
    return mentee.retriever


@pytest.mark.parametrize(
    "question",
    ["How many hours of annual leave do employees earn each pay period?", "Where do I report a lost laptop?"],
)
def test_three_documents_are_enough_to_know(small: HybridRetriever, question: str) -> None:
    assert small.search(question, "travel", Audience())[0].relevance >= 0.5


@pytest.mark.parametrize(
    "question",
    ["What is the capital of France?", "How do I cancel my magazine subscription?", "Who won the world cup in 1998?"],
)
def test_other_topics_are_not_known(small: HybridRetriever, question: str) -> None:
    assert all(passage.relevance < 0.5 for passage in small.search(question, "travel", Audience()))


def test_every_family_of_embedders_has_one_weight_per_feature() -> None:
    assert {len(weights) for weights in relevance.COEFFICIENTS.values()} == {len(relevance.FEATURES) + 1}
    assert np.isfinite(list(relevance.COEFFICIENTS.values())).all()
