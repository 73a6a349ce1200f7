"""Which questions were asked again: by whom, how soon, and in which order they are found."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import func, select

from bot.access.erasure import erase_questions
from bot.domain.errors import MenteeError
from bot.domain.questions import Attachment
from bot.feedback.outcomes.rephrasing import NEIGHBOURS, Rephrasings
from bot.feedback.sameness.comparing import Sameness
from bot.storage.tables.answers import QuestionRow, RephrasingRow
from tests.bot.feedback.outcomes.conftest import BOB, EVER, OLGA

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.bot.feedback.outcomes.conftest import Ledger

DAYS, MINUTE = timedelta(days=4), timedelta(minutes=1)


def pairs(ledger: Ledger) -> int:
    with ledger.mentee.store.read() as session:
        return session.scalar(select(func.count()).select_from(RephrasingRow)) or 0


@pytest.mark.parametrize(
    ("more", "outcome"),
    [
        ({}, "rephrased"),
        ({"text": "are hotels taxed"}, "rephrased"),
        ({"department": "it"}, "rephrased"),  # moved to another department
        ({"channel": "slack", "thread": "other"}, "rephrased"),
        ({"text": "When does a new laptop come?"}, "assumed"),
        ({"person": BOB}, "assumed"),
        ({"ago": DAYS - 10 * MINUTE - timedelta(seconds=5)}, "assumed"),
        ({"ago": DAYS - 10 * MINUTE + timedelta(seconds=5)}, "rephrased"),
        ({"attachments": (Attachment("cv.pdf"),)}, "assumed"),
        ({"source": "courtesy", "known": False}, "assumed"),
    ],
)
def test_the_same_asker_soon_with_the_same_meaning(ledger: Ledger, more: dict[str, Any], outcome: str) -> None:
    first = ledger.ask(ago=DAYS)
    ledger.ask(**{"ago": DAYS - 3 * MINUTE, **more})
    assert ledger.outcomes()[first] == outcome


def test_it_does_not_matter_which_is_answered_or_compared_first(ledger: Ledger) -> None:
    second = ledger.ask(ago=DAYS - 3 * MINUTE)
    assert ledger.outcomes()[second] == "assumed"
    first = ledger.ask(ago=DAYS)  # its answer took longer
    third = ledger.ask(ago=DAYS - 6 * MINUTE)
    assert ledger.outcomes() == {first: "rephrased", second: "rephrased", third: "assumed"}
    counts = ledger.mentee.outcomes.report(OLGA, EVER, "week").total.counts
    assert (counts["first-contacts"], counts["first-contact-assumed"], counts["assumed"]) == (1, 0, 1)


def test_of_two_at_the_same_moment_only_one_is_rephrased(ledger: Ledger) -> None:
    ids = [ledger.ask(), ledger.ask()]
    with ledger.mentee.store.write() as session:
        first, second = session.scalars(select(QuestionRow))
        second.asked_at = first.asked_at
    found = ledger.outcomes()
    assert sorted(found[each] for each in ids) == ["assumed", "rephrased"]


def test_comparing_again_finds_the_same(ledger: Ledger) -> None:
    ledger.ask(ago=DAYS)
    ledger.ask(ago=DAYS - MINUTE)
    before = ledger.outcomes()
    with ledger.mentee.store.write() as session:
        for row in session.scalars(select(QuestionRow)):
            row.compared = False
    assert ledger.outcomes() == before
    assert pairs(ledger) == 1


def test_a_deleted_question_takes_its_rephrasing_with_it(ledger: Ledger) -> None:
    first, second = ledger.ask(ago=DAYS), ledger.ask(ago=DAYS - MINUTE)
    assert ledger.outcomes()[first] == "rephrased"
    with ledger.mentee.store.write() as session:
        erase_questions(session, [ledger.question_of(second)], actor="test")
    assert ledger.outcomes() == {first: "assumed"}
    assert pairs(ledger) == 0


def test_a_question_erased_while_it_is_compared_is_no_error(ledger: Ledger) -> None:
    first, second = ledger.ask(ago=DAYS), ledger.ask(ago=DAYS - MINUTE)
    gone = ledger.question_of(second)
    embed = ledger.retriever.embed

    def erase_meanwhile(texts: Sequence[str]) -> Any:
        with ledger.mentee.store.write() as session:
            erase_questions(session, [gone], actor="test")
        return embed(texts)

    same = Rephrasings(ledger.mentee.store, erase_meanwhile, lambda _: None)
    assert same.compare() == 2
    assert ledger.outcomes() == {first: "assumed"}


def test_without_an_embedder_questions_stay_open(ledger: Ledger) -> None:
    def fail(_texts: Sequence[str]) -> Any:
        raise MenteeError("The model is missing.")

    answers = [ledger.ask(ago=DAYS), ledger.ask(ago=DAYS - MINUTE)]
    assert Rephrasings(ledger.mentee.store, fail, lambda _: None).compare() == 0
    report = ledger.mentee.outcomes.report(OLGA, EVER, "week")
    assert (report.uncompared, report.total.counts["open"]) == (2, 2)
    assert ledger.outcomes() == dict(zip(answers, ["rephrased", "assumed"], strict=True))


def test_who_asks_without_end_is_compared_a_bounded_number_of_times(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    number, compared = 120, 0
    for each in range(number):
        ledger.ask(ago=DAYS - each * timedelta(seconds=1))
    plain = Sameness.compare

    def counting(self: Sameness, question: str, others: Sequence[str], cosines: Sequence[float]) -> Any:
        nonlocal compared
        compared += len(others)
        return plain(self, question, others, cosines)

    monkeypatch.setattr(Sameness, "compare", counting)
    assert list(ledger.outcomes().values()).count("rephrased") == number - 1
    assert compared <= number * NEIGHBOURS
