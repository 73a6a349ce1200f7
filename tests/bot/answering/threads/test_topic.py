"""A new topic starts anew, and what leans on the thread carries it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bot.answering.threads.topic import leans_on
from bot.answering.threads.wording import leaning
from bot.domain.questions import Turn

if TYPE_CHECKING:
    from collections.abc import Sequence

LEAVE = Turn("How many hours of annual leave do I earn?", "4 hours.")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("and for contractors?", "yes"),
        ("ok, and for contractors?", "yes"),
        ("how do I cancel it?", "yes"),
        ("Wie ist es mit Externen?", "yes"),
        ("et pour les prestataires ?", "yes"),
        ("那个呢?", "yes"),
        ("who decides?", "maybe"),
        ("for less than a day?", "maybe"),
        ("VLTP", "maybe"),
        ("and how do I cancel my transit benefit?", "maybe"),
        ("Is there a dress code for the office?", "no"),
        ("How do I start a purchase over $10,000?", "no"),
        ("Does the handbook say that I must take it before the end of the year?", "no"),
        ("Wie beantrage ich das Ticket für die Bahn?", "no"),
        ("¿Qué es un permiso de trabajo para estudiantes extranjeros?", "no"),
    ],
)
def test_wording_says_whether_a_question_leans(text: str, says: str) -> None:
    assert leaning(text) == says


def find(alone: float, joined: float) -> object:
    def search(_text: str, topic: Sequence[Turn]) -> float:
        return joined if topic else alone

    return search


@pytest.mark.parametrize(
    ("alone", "joined", "leans"),
    [(0.9, 0.99, False), (0.3, 0.9, True), (0.5, 0.2, False)],
    ids=["it is found by itself", "it is found with the thread", "the thread is no help"],
)
def test_the_search_decides_where_wording_does_not(alone: float, joined: float, leans: bool) -> None:
    assert leans_on("who decides?", [LEAVE], find(alone, joined)) == ((LEAVE,) if leans else ())  # type: ignore[arg-type]


def test_only_the_last_topic_is_carried() -> None:
    slack, more, thanks = Turn("How do I get access to Slack?", "."), Turn("and for guests?", "."), Turn("thanks!", ".")
    history = [LEAVE, slack, more, thanks]
    assert leans_on("how long does that take?", history, find(0, 0)) == (slack, more)  # type: ignore[arg-type]


def test_without_a_thread_nothing_is_searched() -> None:
    def never(_text: str, _topic: Sequence[Turn]) -> float:
        raise AssertionError

    assert leans_on("who decides?", [Turn("hi", "Hello!")], never) == ()
