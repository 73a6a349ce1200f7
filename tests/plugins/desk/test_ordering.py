"""The order of the queue: first what a decision teaches most, and why."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from bot.domain.feedback import Vote
from bot.domain.identifiers import now
from bot.feedback.quality.signals import Signal
from plugins.desk.work.ordering import points, why
from tests.plugins.desk.steps import ADA, BOB, answered

if TYPE_CHECKING:
    from bot.testing.serving import ServedHome
    from tests.plugins.desk.steps import Client


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (("vote", Signal(2, 2)), ("vote", Signal(0, 3))),
        (("vote", Signal(0, 1, asked=8)), ("vote", Signal(0, 2))),
        (("vote", Signal(0, 1, weak=True)), ("vote", Signal(0, 1))),
        (("proposal", Signal(0, 1)), ("vote", Signal(0, 3))),
        (("escalation", Signal()), ("proposal", Signal())),
    ],
)
def test_what_teaches_more_comes_earlier(first: tuple[str, Signal], second: tuple[str, Signal]) -> None:
    at = now()
    assert points(*first, at) > points(*second, at)


def test_waiting_counts_until_it_is_long_enough() -> None:
    at, signal = now(), Signal(0, 1)
    assert points("vote", signal, at - timedelta(days=6)) > points("vote", Signal(0, 3), at)
    assert points("vote", signal, at - timedelta(days=400)) == points("vote", signal, at - timedelta(days=9))
    assert points("vote", signal, at + timedelta(days=400)) == pytest.approx(points("vote", signal, at), abs=0.01)


@pytest.mark.parametrize(
    ("signal", "sentence"),
    [
        (Signal(), ""),
        (Signal(asked=3), "The same question was asked 3 times in 90 days."),
        (
            Signal(1, 2, asked=3),
            "The same question was asked 3 times in 90 days, and people disagree about the answer (1 up, 2 down).",
        ),
        (
            Signal(1, 2, asked=3, weak=True),
            (
                "The same question was asked 3 times in 90 days, people disagree about the answer (1 up, 2 down), and "
                "the documents gave no full answer."
            ),
        ),
    ],
)
def test_the_reason_is_a_sentence(signal: Signal, sentence: str) -> None:
    assert why("vote", signal) == sentence


def test_the_desk_shows_the_most_useful_item_first_and_why(home: ServedHome, client: Client) -> None:
    votes = home.mentee.votes
    votes.record(Vote(answered(home, "Are trains late?"), BOB, "down", "wrong"))
    for _ in range(3):
        often = answered(home, " Are HOTELS taxed? ")
    answered(home, "Are hotels taxed?", "it")
    votes.record(Vote(often, BOB, "down", "wrong"))
    votes.record(Vote(often, ADA, "up"))
    page = client("gus").get("/desk/").text
    assert page.index("HOTELS") < page.index("Are trains late?")
    assert "asked 3 times in 90 days, and people disagree about the answer (1 up, 1 down)." in page
