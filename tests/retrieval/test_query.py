from __future__ import annotations

import numpy as np
import pytest

from bot.messages import Turn
from retrieval.embed import HashingEmbedder
from retrieval.lexical import words
from retrieval.query import LEANING, STANDING, leans, make_query

EMBEDDER = HashingEmbedder()


@pytest.mark.parametrize(
    "text",
    [
        "and if you have 2",
        "how do i claim it",
        "is that paid",
        "annual too?",
        "what about contractors on a term appointment?",
    ],
)
def test_short_and_pointing_questions_lean(text):
    assert leans(text)


@pytest.mark.parametrize(
    "text",
    [
        "How many hours of annual leave do I earn per pay period?",
        "Who approves a purchase over $10,000 for my team?",
        "Does the handbook say that I must take it before the end of the leave year or lose the hours?",
    ],
)
def test_whole_questions_stand_alone(text):
    assert not leans(text)


def test_without_history_the_question_alone_counts():
    query = make_query("hotel rates", (), EMBEDDER)
    assert query.terms == ((("hotel", "rate"), 1.0),)
    assert np.allclose(query.vector, EMBEDDER.encode(["hotel rates"])[0], atol=1e-6)


@pytest.mark.parametrize(
    ("last", "carried"), [("and in Boston?", LEANING), ("Which hotels may I book in Boston now?", STANDING)]
)
def test_the_turn_before_counts_as_much_as_it_is_needed(last, carried):
    query = make_query(last, [Turn("Are hotels in Ohio tax exempt?", "No.")], EMBEDDER)
    assert [round(weight, 6) for _, weight in query.terms] == [carried, round(1 - carried, 6)]
    assert np.isclose(np.linalg.norm(query.vector), 1.0, atol=1e-5)


def test_words_are_stemmed_without_stop_words_and_split_at_hyphens():
    assert words("What are the employees' follow-up policies?") == ("employe", "follow-up", "follow", "up", "polici")
    assert words("Über den Wolken 東京") == ("über", "den", "wolken", "東京")
