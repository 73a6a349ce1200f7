"""Misspelt words of a question are corrected, and other words stay."""

from __future__ import annotations

import pytest

from bot.domain.ports import TokenVectors
from bot.feedback.sameness.spelling import corrected, edits, unknown
from tests.bot.feedback.sameness.test_comparing import embed_tokens


@pytest.mark.parametrize(
    ("text", "known", "expected"),
    [
        ("where is the pirnter", ["printer"], "where is the printer"),
        ("where is the kubernetse", ["kubernetes"], "where is the kubernetes"),
        ("how do i pay the invioce", [], "how do i pay the invoice"),
        ("a clear word", [], "a clear word"),
        ("where is Tocx", ["tock"], "where is Tocx"),
        ("the offboarding day", ["onboarding"], "the offboarding day"),
        ("the xqzw", ["printer"], "the xqzw"),
    ],
)
def test_a_misspelt_word_becomes_the_one_that_is_near(text: str, known: list[str], expected: str) -> None:
    misspelt = {text.rsplit(maxsplit=1)[-1].casefold(), "offboarding"}
    assert corrected(text, misspelt, known) == expected


def test_only_words_that_neither_the_lists_nor_the_vocabulary_have_are_unknown() -> None:
    text = "the printer prnter"
    (whole,) = embed_tokens([text])
    assert unknown(text, whole) == frozenset()
    pieces = TokenVectors(whole.vectors, (*whole.spans[:2], (12, 14), (14, 18)))
    assert unknown(text, pieces) == {"prnter"}


def test_swapped_neighbours_are_one_edit() -> None:
    assert (edits("printer", "pirnter"), edits("form", "from"), edits("", "abc")) == (1, 1, 3)
