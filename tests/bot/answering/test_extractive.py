from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from bot.answering import extractive
from bot.answering.sentences import split_finished
from bot.domain.documents.blocks import Paragraph, Span
from bot.domain.documents.rendering import rendered
from bot.domain.questions import Passage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


def passage(document: str, text: str, relevance: float = 0.9) -> Passage:
    return Passage(f"{document}#0", "d", document, f"{document} › Part", text, relevance, "hr", "g", relevance)


def embed(texts: Sequence[str]) -> NDArray[np.float32]:
    """One axis for each word of a tiny vocabulary."""
    words = ["leave", "sick", "laptop", "denver"]
    vectors = np.array([[word in text.lower() for word in words] for text in texts], dtype=np.float32) + 1e-3
    normed: NDArray[np.float32] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return normed


def test_the_nearest_pages_are_named_once_each() -> None:
    pages = [passage("a.md", "x"), passage("a.md", "y"), passage("b.md", "z")]
    text = extractive.not_found("HR", pages)
    assert text.text == "I don't find this in the HR documents. The nearest pages: a.md [1], b.md [2]."
    assert not text.known


def test_a_page_is_named_by_its_title_before_its_heading() -> None:
    pages = [replace(passage("sf.md", "x"), title="San Francisco"), replace(passage("dc.md", "y"), heading="")]
    assert extractive.not_found("HR", pages).text.endswith("The nearest pages: San Francisco [1], dc.md [2].")


def test_a_source_says_a_heading_that_repeats_the_title_once() -> None:
    page = replace(passage("pw.md", "x"), title="Requirements for Passwords")
    headings = ("Requirements for passwords", "Requirements for passwords \u203a Length", "Length")
    found = extractive.not_found("IT", [replace(page, document=heading, heading=heading) for heading in headings])
    assert [each.heading for each in found.citations] == [
        "Requirements for Passwords",
        "Requirements for Passwords \u203a Length",
        "Requirements for Passwords \u203a Length",
    ]


def test_a_quotation_leaves_out_what_is_crossed_out_and_keeps_links() -> None:
    fee = Span("45", "struck"), Span(" 60 dollars, see "), Span("Travel", link="https://t.example")
    page = rendered((Paragraph((Span("The sick leave limit is "), *fee)),))
    best = replace(passage("a.md", page.text), marks=page.marks, markdown=page.markdown)
    found = extractive.quotation("sick leave?", [best], embed)
    assert "The sick leave limit is 60 dollars, see [Travel](https://t.example)" in found.text
    assert "~~45~~ 60" in found.citations[0].text


def test_a_quotation_takes_the_sentences_nearest_to_the_question() -> None:
    best = passage("a.md", "Laptops come from Denver. " + "Sick leave needs a note. " + "The end. " * 80)
    text = extractive.quotation("sick leave?", [best, passage("b.md", "Denver.")], embed)
    assert "Sick leave needs a note." in text.text
    assert len(text.text) < extractive.QUOTED_CHARACTERS + 100
    assert [citation.document for citation in text.citations] == ["a.md", "b.md"]


def test_a_line_that_says_nothing_is_not_quoted() -> None:
    best = passage("a.md", "Sick leave\nSick leave needs a note from Denver.")
    text = extractive.quotation("sick leave?", [best], embed)
    assert "needs a note" in text.text
    link = passage("b.md", "Back to sick leave")
    assert extractive.quotation("sick leave?", [link, best], embed).citations[0].document == "a.md"


@pytest.mark.parametrize(
    ("draft", "text", "documents"),
    [
        ("Sick leave needs a note [2].", "Sick leave needs a note [1].", ["b.md"]),
        ("One [2]. Two [1].", "One [1]. Two [2].", ["b.md", "a.md"]),
        ("Laptops come from Denver.", "Laptops come from Denver. [1]", ["a.md"]),
        ("Sick leave needs a note [1].", "Sick leave needs a note [1].", ["b.md"]),
        ("Made up [7].", "Made up .", ["a.md"]),
    ],
)
def test_sources_are_renumbered_found_or_taken_out(draft: str, text: str, documents: Any) -> None:
    pages = [passage("a.md", "Laptops come from Denver."), passage("b.md", "Sick leave needs a note.")]
    made = extractive.Cited(pages)
    finished, rest = split_finished(draft)
    shown = "".join(made.add(sentence) for sentence in (*finished, rest))
    cited = made.finish()
    assert cited.text.startswith(shown), "what was shown while it was written stays"
    assert cited.text.removesuffix(" [1]") == text.removesuffix(" [1]")
    assert [citation.document for citation in cited.citations] == documents
