"""Voters hear what became of their feedback: once, and only of what was done about it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import update

from bot.domain.answers import Answer
from bot.domain.identifiers import now
from bot.domain.people import Person, Role
from bot.domain.questions import Question
from bot.storage.tables.feedback import CorrectionRow
from bot.testing.notes import make_plugin
from bot.testing.votes import ADA, BOB, CY, GUS, answered, correct, reachable, told, vote

if TYPE_CHECKING:
    from collections.abc import Callable

    from bot.testing.homes import Mentee


IMPORTED = Person("import:kim")


@pytest.fixture
def mentee(make_mentee: Callable[..., Mentee]) -> Mentee:
    return make_mentee({"post": make_plugin(find_address=reachable)})


# --- a correction goes live --------------------------------------------------------------------------------------


def test_who_voted_down_hears_that_a_correction_is_live(mentee: Mentee) -> None:
    answer_id = answered(mentee)
    vote(mentee, answer_id, BOB)
    vote(mentee, answer_id, CY, "up")
    mentee.notifications.tell_live()
    assert told(mentee) == []
    correct(mentee, answer_id)
    mentee.notifications.tell_live()
    assert told(mentee) == [("user:bob", "live", [answer_id])]


def test_each_answer_is_told_of_once_however_often_it_is_corrected(mentee: Mentee) -> None:
    answer_id = answered(mentee)
    vote(mentee, answer_id, BOB)
    correct(mentee, answer_id)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: mentee.notifications.tell_live(), range(4)))
    correct(mentee, answer_id, text="In 13 states.")
    correct(mentee, answer_id, Person("user:eve", role=Role.AGENT), "In 14 states.")
    vote(mentee, answer_id, BOB)
    mentee.notifications.tell_live()
    assert [person for person, _, _ in told(mentee)].count("user:bob") == 1


def test_several_corrections_come_in_one_message(mentee: Mentee) -> None:
    ids = [answered(mentee, f"Question {n}?") for n in range(3)]
    for answer_id in ids:
        vote(mentee, answer_id, BOB)
        correct(mentee, answer_id)
    mentee.notifications.tell_live()
    assert told(mentee) == [("user:bob", "live", sorted(ids))]


def test_who_votes_down_after_the_correction_hears_too(mentee: Mentee) -> None:
    answer_id = answered(mentee)
    correct(mentee, answer_id)
    mentee.notifications.tell_live()
    vote(mentee, answer_id, BOB)
    mentee.notifications.tell_live()
    assert told(mentee) == [("user:bob", "live", [answer_id])]


def test_a_proposal_an_old_correction_and_ones_own_are_no_news(mentee: Mentee) -> None:
    proposed, old, own = (answered(mentee, f"{name}?") for name in ("proposed", "old", "own"))
    vote(mentee, proposed, BOB)
    correct(mentee, proposed, CY)
    vote(mentee, old, BOB)
    correct(mentee, old)
    correct(mentee, own)
    with mentee.store.write() as session:
        long_ago = update(CorrectionRow).where(CorrectionRow.answer_id == old)
        session.execute(long_ago.values(at=now() - timedelta(days=15)))
    mentee.notifications.tell_live()
    assert told(mentee) == []


def test_who_asked_for_a_person_and_got_the_correction_needs_no_news_of_it(mentee: Mentee) -> None:
    answer_id = answered(mentee)
    vote(mentee, answer_id, ADA)
    vote(mentee, answer_id, BOB)
    mentee.escalations.open(answer_id, ADA)
    correct(mentee, answer_id)
    mentee.notifications.tell_live()
    assert [person for person, _, _ in told(mentee)] == ["user:bob"]


# --- a proposal is decided ----------------------------------------------------------------------------------------


def proposed(mentee: Mentee, person: Person = BOB, channel: str = "user") -> str:
    question = Question("Are hotels tax exempt?", ADA, channel=channel)
    answer = Answer(question.id, "Yes.", known=True, department="travel")
    mentee.recorder.record(question, answer)
    correct(mentee, answer.id, person, "In 11 states.")
    return answer.id


def reject(mentee: Mentee) -> None:
    mentee.reviews.reject(mentee.reviews.queue(GUS)[0], GUS, "The page says 12.")


def test_who_proposed_hears_of_each_decision_once(mentee: Mentee) -> None:
    answer_id = proposed(mentee)
    mentee.notifications.tell()
    assert told(mentee) == []
    for text in ("In 13 states.", "In 14 states."):
        reject(mentee)
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda _: mentee.notifications.tell(), range(4)))
        correct(mentee, answer_id, BOB, text)
        mentee.notifications.tell()
    assert told(mentee) == [("user:bob", "decided", [answer_id])] * 2
    correct(mentee, answer_id)
    vote(mentee, answer_id, CY)
    for _ in range(2):
        mentee.notifications.tell()
    assert told(mentee) == [("user:bob", "decided", [answer_id])] * 3 + [("user:cy", "live", [answer_id])]


def test_a_decision_is_told_only_where_it_was_proposed_and_to_who_wants_it(mentee: Mentee) -> None:
    proposed(mentee, channel="web")
    reject(mentee)
    proposed(mentee, CY)
    mentee.notifications.switch(CY.id, on=False)
    reject(mentee)
    mentee.departments.configure("travel", {"feedback.tell_voters": False}, actor="test")
    proposed(mentee)
    reject(mentee)
    mentee.notifications.tell()
    assert told(mentee) == []


# --- who hears nothing -------------------------------------------------------------------------------------------


def test_who_opted_out_and_who_cannot_be_reached_hear_nothing_then_or_later(mentee: Mentee) -> None:
    answer_id = answered(mentee)
    for person in (BOB, CY, IMPORTED):
        vote(mentee, answer_id, person)
    correct(mentee, answer_id)
    mentee.notifications.switch(BOB.id, on=False)
    mentee.notifications.tell_live()
    assert told(mentee) == [("user:cy", "live", [answer_id])]
    mentee.notifications.switch(BOB.id, on=True)
    mentee.notifications.tell_live()
    assert [person for person, _, _ in told(mentee)] == ["user:cy"]
    another = answered(mentee, "May I fly business?")
    vote(mentee, another, BOB)
    correct(mentee, another)
    mentee.notifications.tell_live()
    assert ("user:bob", "live", [another]) in told(mentee)


def test_a_department_may_keep_silent(mentee: Mentee) -> None:
    mentee.departments.configure("travel", {"feedback.tell_voters": False}, actor="test")
    ids = [answered(mentee), answered(mentee, "Where is my laptop?", department="it")]
    for answer_id in ids:
        vote(mentee, answer_id, BOB)
        correct(mentee, answer_id)
    mentee.notifications.tell_live()
    mentee.notifications.tell_learned("r_1", "travel", "travel-1", {BOB.id: [ids[0]]})
    assert told(mentee) == [("user:bob", "live", [ids[1]])]
    assert mentee.notifications.not_told(["r_1", "r_2"]) == {"r_2"}, "nor told later, once it is switched on"
