from __future__ import annotations

import numpy as np

from bot.domain.questions import Turn
from retrieval.embed import HashingEmbedder
from retrieval.index.lexical import terms_of
from retrieval.search.query import CARRIED, make_query

EMBEDDER = HashingEmbedder()


def test_without_history_the_question_alone_counts() -> None:
    query = make_query("hotel rates", (), EMBEDDER)
    assert query.terms == ((("hotel", "rate"), 1.0),)
    assert np.allclose(query.vector, EMBEDDER.encode(["hotel rates"])[0], atol=1e-6)


def test_turns_that_a_question_leans_on_are_carried_with_falling_weight() -> None:
    turns = [Turn("Are hotels in Ohio tax exempt?", "No."), Turn("and in Utah?", "Yes.")]
    query = make_query("and in Boston?", turns, EMBEDDER)
    assert [round(weight, 6) for _, weight in query.terms] == [round(CARRIED**2, 6), round(CARRIED * 0.4, 6), 0.4]
    assert np.isclose(np.linalg.norm(query.vector), 1.0, atol=1e-5)


def test_words_are_stemmed_without_stop_words_and_split_at_hyphens() -> None:
    assert terms_of("What are the employees' follow-up policies?") == ("employe", "follow-up", "follow", "up", "polici")
    assert terms_of("Über den Wolken 東京") == ("uber", "den", "wolken", "東京")
