"""People hear once that a promoted round learned from their feedback."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select, update

from bot.domain.identifiers import now
from bot.domain.people import Person
from bot.storage.tables.delivery import OutboxRow
from bot.storage.tables.feedback import VoteRow
from bot.storage.tables.training import AdapterRow, ChampionRow, DatasetRowRow, RoundRow
from bot.testing.notes import make_plugin
from bot.testing.votes import BOB, CY, GUS, answered, correct, reachable, told, vote
from tuning.services import learned

if TYPE_CHECKING:
    from bot.testing.homes import MakeHome, Mentee


IMPORTED = Person("import:kim")


@pytest.fixture
def mentee(make_home: MakeHome) -> Mentee:
    return make_home(departments=("travel",), built_in=(), extra_plugins={"post": make_plugin(find_address=reachable)})


def promote(mentee: Mentee, rows: Any, *, number: int = 1, department: str = "travel") -> Any:
    """Make a round's adapter the champion; ``rows`` are its dataset's (answer, people)."""
    version, dataset, round_id = f"{department}-{number}", f"dataset-{number}", f"r_{number}"
    with mentee.store.write() as session:
        session.add(RoundRow(id=round_id, department=department, state="finished", verdict="better", dataset=dataset))
        for index, (answer_id, people) in enumerate(rows):
            row = DatasetRowRow(dataset=dataset, example=f"x_{number}_{index}", answer_id=answer_id)
            row.people = [person.id for person in people]
            session.add(row)
        adapter = AdapterRow(version=version, department=department, base_model="m", sha256="0", state="champion")
        adapter.round_id, adapter.dataset = round_id, dataset
        session.add(adapter)
        session.flush()
        session.add(ChampionRow(department=department, adapter=version, action="promote", actor="test"))
    return version


def test_who_stands_behind_a_promoted_rounds_rows_hears_once_of_all_of_them(mentee: Mentee) -> None:
    first, second = answered(mentee), answered(mentee, "May I fly business?")
    for answer_id in (first, second):
        vote(mentee, answer_id, BOB)
        correct(mentee, answer_id)
    promote(mentee, [(first, [GUS]), (second, [GUS])])
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: learned(mentee).tell(), range(4)))
    both = sorted([first, second])
    assert told(mentee) == [("user:bob", "learned", both), ("user:gus", "learned", both)]


def test_a_lone_thumb_down_is_told_when_it_is_among_the_rows_people(mentee: Mentee) -> None:
    answer_id = answered(mentee)
    vote(mentee, answer_id, BOB)
    promote(mentee, [(answer_id, [BOB])])
    learned(mentee).tell()
    assert told(mentee) == [("user:bob", "learned", [answer_id])]


def test_a_thumb_down_that_others_outvoted_was_not_learned(mentee: Mentee) -> None:
    answer_id = answered(mentee)
    vote(mentee, answer_id, BOB)
    for person in (CY, GUS):
        vote(mentee, answer_id, person, "up")
    promote(mentee, [(answer_id, [CY, GUS])])
    learned(mentee).tell()
    assert told(mentee) == []


def test_the_same_answer_given_twice_is_one_piece_of_evidence(mentee: Mentee) -> None:
    first, again = answered(mentee), answered(mentee, " ARE hotels tax exempt? ")
    other = answered(mentee, said="No.")
    vote(mentee, again, BOB)
    vote(mentee, other, CY)
    correct(mentee, first)
    promote(mentee, [(first, [GUS])])
    learned(mentee).tell()
    assert told(mentee) == [("user:bob", "learned", [again]), ("user:gus", "learned", [first])]


def test_a_vote_after_the_rounds_start_waits_for_the_next_round(mentee: Mentee) -> None:
    answer_id = answered(mentee)
    correct(mentee, answer_id)
    vote(mentee, answer_id, BOB)
    with mentee.store.write() as session:
        session.execute(update(VoteRow).where(VoteRow.person_id == BOB.id).values(at=now() + timedelta(hours=1)))
    promote(mentee, [(answer_id, [GUS])])
    learned(mentee).tell()
    assert ("user:bob", "learned", [answer_id]) not in told(mentee)


def test_an_adapter_that_was_rolled_back_and_one_that_was_refused_are_no_news(mentee: Mentee) -> None:
    answer_id = answered(mentee)
    vote(mentee, answer_id, BOB)
    version = promote(mentee, [(answer_id, [BOB])])
    with mentee.store.write() as session:
        session.get_one(AdapterRow, version).state = "retired"
    learned(mentee).tell()
    assert told(mentee) == []
    with mentee.store.write() as session:
        session.get_one(AdapterRow, version).state = "champion"
        session.add(ChampionRow(department="travel", adapter=version, action="promote", actor="test"))
    learned(mentee).tell()
    learned(mentee).tell()
    assert told(mentee) == [("user:bob", "learned", [answer_id])]


def test_the_next_round_is_told_of_again(mentee: Mentee) -> None:
    answer_id = answered(mentee)
    vote(mentee, answer_id, BOB)
    promote(mentee, [(answer_id, [BOB])])
    learned(mentee).tell()
    promote(mentee, [(answer_id, [BOB])], number=2)
    learned(mentee).tell()
    with mentee.store.read() as session:
        told_of = [row.payload["adapter"] for row in session.scalars(select(OutboxRow).order_by(OutboxRow.created_at))]
    assert told_of == ["travel-1", "travel-2"]
