"""The ledger over both databases: what is counted, by how many statements, and who sees what."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from datetime import timedelta
from itertools import permutations
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import event, insert

from bot.domain.errors import ForbiddenError
from bot.domain.feedback import Correction, Vote
from bot.domain.identifiers import now
from bot.domain.outcomes.figures import FIGURES, Share
from bot.domain.people import Basis
from bot.domain.questions import Attachment
from bot.feedback.transfer import import_votes
from bot.storage.tables.answers import AnswerRow, QuestionRow
from bot.storage.tables.feedback import VoteRow
from tests.bot.feedback.outcomes.conftest import ADA, BOB, CITED, EVER, GUS, OLGA

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.bot.feedback.outcomes.conftest import Ledger

HOUR = timedelta(hours=1)


def vote(ledger: Ledger, answer_id: str, person: Any, value: Any) -> None:
    ledger.mentee.votes.record(Vote(answer_id, person, value))


def hand_over(ledger: Ledger, answer_id: str, outcome: Any = None) -> None:
    found, _ = ledger.mentee.escalations.open(answer_id, ADA)
    if outcome is not None:
        ledger.mentee.escalations.resolve(found.id, OLGA, outcome, "In 12 states.")


def test_each_outcome_follows_from_what_is_stored(ledger: Ledger) -> None:
    asked = {name: ledger.ask(f"Question {name}?") for name in ("liked", "silent", "disliked", "replied", "closed")}
    asked["fresh"] = ledger.ask("A fresh question?", ago=HOUR)
    asked["uncited"] = ledger.ask("Uncited?", citations=())
    asked["curated"] = ledger.ask("From a colleague?", citations=(), source="curated")
    asked["refused"] = ledger.ask("Unknown?", known=False, source="none")
    asked["guessed"] = ledger.ask("A guess?", known=False, citations=())
    asked["waiting"] = ledger.ask("Waiting?", ago=HOUR)
    asked["liked by others"] = ledger.ask("Liked by others?", citations=())
    asked["withdrawn"] = ledger.ask("Withdrawn?", ago=HOUR)
    asked["corrected"] = ledger.ask("Corrected?")
    vote(ledger, asked["liked"], ADA, "up")
    vote(ledger, asked["disliked"], BOB, "down")
    vote(ledger, asked["liked by others"], BOB, "up")
    for value in ("up", None):
        vote(ledger, asked["withdrawn"], ADA, value)
    hand_over(ledger, asked["replied"], "replied")
    hand_over(ledger, asked["closed"], "closed")
    hand_over(ledger, asked["waiting"])
    hand_over(ledger, asked["corrected"])
    ledger.mentee.votes.correct(Correction(asked["corrected"], OLGA, "In 13 states."))
    found = ledger.outcomes()
    assert {name: found[answer_id] for name, answer_id in asked.items()} == {
        "liked": "confirmed", "silent": "assumed", "disliked": "abandoned", "replied": "escalated-resolved",
        "closed": "abandoned", "fresh": "open", "uncited": "abandoned", "curated": "assumed", "refused": "refused",
        "guessed": "abandoned", "waiting": "open", "liked by others": "abandoned", "withdrawn": "open",
        "corrected": "escalated-resolved",
    }  # fmt: skip


def test_the_order_of_events_does_not_matter(ledger: Ledger) -> None:
    def confirm(answer_id: str) -> None:
        vote(ledger, answer_id, ADA, "up")

    def object_to(answer_id: str) -> None:
        vote(ledger, answer_id, BOB, "down")

    def close(answer_id: str) -> None:
        hand_over(ledger, answer_id, "closed")

    def reply(answer_id: str) -> None:
        hand_over(ledger, answer_id, "replied")

    for events, outcome in (
        ((confirm, object_to, close), "confirmed"),
        ((confirm, object_to, reply), "escalated-resolved"),
    ):
        for number, order in enumerate(permutations(events)):
            answer_id = ledger.ask(f"Question {outcome} {number}?")
            for act in order:
                act(answer_id)
            assert ledger.outcomes()[answer_id] == outcome


def test_one_person_voting_on_everything_confirms_only_what_they_asked(ledger: Ledger) -> None:
    own, others = ledger.ask("Ada's?", ADA), [ledger.ask(f"Question {number}?", BOB) for number in range(5)]
    for answer_id in (own, *others):
        vote(ledger, answer_id, ADA, "up")
    found = ledger.outcomes()
    assert found.pop(own) == "confirmed"
    assert set(found.values()) == {"assumed"}


def test_what_nobody_asked_is_not_counted(make_ledger: Callable[..., Ledger], tmp_path: Path) -> None:
    ledger = make_ledger(outcomes={"leave_out": ["web:probe"]})
    ledger.ask("Thanks!", known=False, source="courtesy")
    ledger.ask("Are you there?", replace(ADA, id="web:probe"))
    file = tmp_path / "votes.jsonl"
    row = {"question": "Taxed?", "answer": "Yes.", "vote": "up", "user": "ada", "department": "travel"}
    file.write_text(json.dumps(row) + "\n")
    import_votes(ledger.mentee.store, ledger.mentee.departments, file)
    assert ledger.outcomes() == {}
    counted = ledger.ask()
    assert ledger.outcomes() == {counted: "assumed"}


def test_a_selection_narrows_by_time_department_channel_and_adapter(ledger: Ledger) -> None:
    ledger.ask("One?", adapter="travel-1", channel="web")
    ledger.ask("Two?", department="it", channel="slack")
    ledger.ask("Three?", ago=timedelta(days=40))
    since = now() - timedelta(days=30)

    def count(**more: Any) -> int:
        return ledger.mentee.outcomes.report(OLGA, replace(EVER, **more), "week").total.counts["asked"]

    assert count() == 3
    assert count(since=since) == 2
    assert count(until=since) == 1
    assert count(departments=["it"]) == 1
    assert count(channel="web") == 1
    assert count(adapter="travel-1") == 1
    assert count(adapter="none") == 2
    assert ledger.mentee.outcomes.choices(OLGA) == (["it", "travel"], ["cli", "slack", "web"], ["none", "travel-1"])
    report = ledger.mentee.outcomes.report(OLGA, EVER, "week")
    assert report.uncompared == 3
    assert {name: each.counts["asked"] for name, each in report.adapters.items()} == {"none": 2, "travel-1": 1}
    assert report.departments["it"].share("assumed") == Share(0, 0)


def test_questions_of_a_removed_department_stay_in_the_ledger_for_operators(ledger: Ledger) -> None:
    answer_id = ledger.ask("One?", department="it")
    ledger.mentee.departments.remove("it", actor="test")
    assert ledger.outcomes() == {answer_id: "assumed"}


def test_ten_thousand_questions_take_as_many_statements_as_one(ledger: Ledger) -> None:
    mentee, at = ledger.mentee, now() - timedelta(days=5)
    with mentee.store.write() as session:
        ids = range(10_000)
        cited = [asdict(each) for each in CITED]
        asked = {"department": "travel", "channel": "web", "person_id": ADA.id, "place": "", "thread": ""}
        empty = {"history": [], "attachments": [], "quotes": [], "train_eligible": True, "compared": True}
        session.execute(
            insert(QuestionRow), [{"id": f"q{n}", "text": "?", "asked_at": at, **asked, **empty} for n in ids]
        )
        session.execute(
            insert(AnswerRow),
            [
                {"id": f"a{n}", "question_id": f"q{n}", "department": "travel", "text": "Yes.", "known": True,
                 "citations": cited, "provenance": {"source": "model"}, "rests_on": [], "created_at": at}
                for n in ids
            ],
        )  # fmt: skip
        votes = [{"answer_id": f"a{n}", "person_id": ADA.id, "role": "employee", "value": "up"} for n in ids[::4]]
        session.execute(insert(VoteRow), [{**each, "reason": "", "comment": "", "at": at} for each in votes])
    statements: list[str] = []
    event.listen(mentee.store.engine, "before_cursor_execute", lambda *found: statements.append(found[2]))
    report = mentee.outcomes.report(OLGA, EVER, "week")
    assert report.total.counts["confirmed"] == 2_500
    assert report.total.counts["assumed"] == 7_500
    assert len([each for each in statements if each.startswith("SELECT")]) == 1
    statements.clear()
    listed, number = mentee.outcomes.questions(OLGA, EVER, "assumed", start=100, limit=50)
    assert (len(listed), number) == (50, 7_500)
    assert len([each for each in statements if each.startswith("SELECT")]) <= 6


def test_an_agent_sees_their_own_departments_only(ledger: Ledger) -> None:
    ledger.ask("A trip?", department="travel")
    ledger.ask("A laptop?", department="it")
    outcomes = ledger.mentee.outcomes
    assert list(outcomes.report(GUS, EVER, "week").departments) == ["travel"]
    assert outcomes.choices(GUS).departments == ["travel"]
    assert outcomes.report(ADA, EVER, "week").total.counts["asked"] == 0
    for departments in (["it"], ["travel", "it"], ["board"]):
        with pytest.raises(ForbiddenError, match="agent of"):
            outcomes.report(GUS, replace(EVER, departments=departments), "week")
        with pytest.raises(ForbiddenError, match="agent of"):
            outcomes.questions(GUS, replace(EVER, departments=departments), "asked", limit=10)


def test_a_text_is_hidden_from_those_who_may_not_read_what_the_answer_rests_on(ledger: Ledger) -> None:
    page = "travel/lodging.md"
    ledger.retriever.readers[page] = frozenset({"user:bob"})
    ledger.ask("Secret?", rests_on=(Basis("travel", page, ("user:bob",)),))
    ledger.ask("With a file?", attachments=(Attachment("cv.pdf"),))
    ledger.ask("Plain?")
    shown = {
        person.id: [each.text for each in ledger.mentee.outcomes.questions(person, EVER, "asked", limit=10)[0]]
        for person in (GUS, OLGA)
    }
    assert shown == {GUS.id: ["Plain?", None, None], OLGA.id: ["Plain?", "With a file?", "Secret?"]}


def test_each_figure_has_its_questions(ledger: Ledger) -> None:
    for number in range(3):
        vote(ledger, ledger.ask(f"Question {number}?"), ADA, "up")
    hand_over(ledger, ledger.ask("For a person?"), "replied")
    ledger.ask("Fresh?", ago=HOUR)
    ledger.mentee.outcomes.compare()
    total = ledger.mentee.outcomes.report(OLGA, EVER, "week").total
    for figure in FIGURES:
        listed, number = ledger.mentee.outcomes.questions(OLGA, EVER, figure, limit=10)
        assert len(listed) == number == total.counts[figure], figure
    assert total.handling.number == 1


def test_an_erased_person_takes_their_questions_and_votes_out_of_the_figures(ledger: Ledger) -> None:
    ledger.ask("Ada's?", ADA)
    ledger.ask("Ada's?", ADA, ago=timedelta(days=4, minutes=-1))
    of_bob = ledger.ask("Bob's?", BOB)
    vote(ledger, of_bob, ADA, "down")
    assert sorted(ledger.outcomes().values()) == ["abandoned", "assumed", "rephrased"]
    ledger.mentee.erasing.person(ADA.id, actor="test")
    assert ledger.outcomes() == {of_bob: "assumed"}
