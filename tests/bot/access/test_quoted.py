"""Erasing a person reaches their words in the questions of others, and nothing of anybody else."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from bot.domain.answers import Answer
from bot.domain.deliveries import InboxItem, OutboxItem
from bot.domain.errors import MenteeError
from bot.domain.people import Person
from bot.domain.questions import Question, Turn
from bot.storage.tables.answers import QuestionRow
from bot.storage.tables.delivery import InboxRow, OutboxRow

if TYPE_CHECKING:
    from bot.domain.answers import Exchange
    from bot.testing.homes import MakeHome, Mentee

SAID = "My cousin Wilhelmina wants to travel to Lyon by train."
HERS, OTHERS = "web:jürgen", "web:bob"


@pytest.fixture
def mentee(make_home: MakeHome) -> Mentee:
    return make_home(departments=("it",))


def question(text: str, person: str = OTHERS, **fields: Any) -> Question:
    return Question(text, Person(person), department="it", channel="chat", place="room", **fields)


def record(mentee: Mentee, asked: Question) -> Exchange:
    mentee.recorder.record(asked, Answer(asked.id, "By train.", known=True, department="it"))
    found = mentee.history.exchange(asked.id)
    assert found is not None
    return found


def places(mentee: Mentee) -> list[str]:
    return list(mentee.erasing.orphans(lambda text: "Wilhelmina" in text))


def test_a_follow_up_carries_whose_words_it_repeats(mentee: Mentee) -> None:
    record(mentee, question(SAID, quotes=(HERS,), thread="t"))
    (turn,) = mentee.history.turns("chat", {"t"}, place="room", limit=6)
    assert turn.quotes == (HERS,)
    moved = replace(question("And by bus?", history=(turn,), thread="t"), place="elsewhere")
    recorded = record(mentee, moved)
    assert recorded.question.history[0].quotes == (HERS,)

    assert mentee.erasing.person(HERS, actor="test").left == ()
    assert places(mentee) == []
    left = mentee.history.exchange(moved.id)
    assert left is not None
    assert left.question.history == ()


def test_what_is_answered_while_its_author_is_erased_is_recorded_without_it(mentee: Mentee) -> None:
    turn = Turn(SAID, "By train.", person_id=OTHERS, quotes=(HERS,))
    follow_up, pointing = question("And by bus?", history=(turn,)), question(SAID, quotes=(HERS,))
    record(mentee, question("What do I pack?", person=HERS))
    mentee.erasing.person(HERS, actor="test")
    assert record(mentee, follow_up).question.history == ()
    with pytest.raises(MenteeError, match="message was erased"):
        record(mentee, pointing)
    assert places(mentee) == []


def test_names_beyond_ascii_are_found_in_json(mentee: Mentee) -> None:
    record(mentee, question("And by bus?", history=(Turn(SAID, "", person_id=HERS),)))
    mentee.departments.set_member("it", f"user:{HERS}", member=True, actor=HERS)
    assert mentee.erasing.person(HERS, actor="test").left == ()
    assert places(mentee) == []


def test_somebody_whose_name_begins_alike_keeps_what_waits_for_them(mentee: Mentee) -> None:
    for person in ("web:anna", "web:annabel"):
        record(mentee, question("What do I pack?", person=person))
        mentee.inbox.accept(InboxItem("chat", "question", {"person": person}, person))
        mentee.outbox.add_once(OutboxItem("chat", "notice", {"to": f"user:{person}"}, {}), lane="one")
    mentee.erasing.person("web:anna", actor="test")
    with mentee.store.read() as session:
        assert [row.payload["person"] for row in session.scalars(select(InboxRow))] == ["web:annabel"]
        assert [row.address["to"] for row in session.scalars(select(OutboxRow))] == ["user:web:annabel"]


def test_the_same_id_in_another_workspace_stays_somebody_else(make_home: MakeHome) -> None:
    mentee = make_home(departments=("it",), built_in=("plugins.slack",))
    one, two = "slack:T0ALPHA:U024BE7LH", "slack:T0BETA:U024BE7LH"
    record(mentee, question("What do I pack?", person=one))
    kept = record(mentee, question(SAID, person=two))
    mentee.erasing.person(one, actor="test")
    with mentee.store.read() as session:
        assert [row.person_id for row in session.scalars(select(QuestionRow))] == [two]
    mentee.erasing.person(two, actor="test")
    assert mentee.history.exchange(kept.question.id) is None
    assert places(mentee) == []
