"""Voters hear what became of their feedback: once, and only of what was done about it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from bot.messages import Answer, Correction, Person, Question, Role, Vote, now
from bot.store.models import (
    AdapterRow,
    ChampionRow,
    CorrectionRow,
    DatasetRowRow,
    NewsRow,
    OutboxRow,
    RoundRow,
    VoteRow,
)
from bot.testing.notes import make_plugin

ADA, BOB, CY = Person("user:ada"), Person("user:bob"), Person("user:cy")
GUS = Person("user:gus", role=Role.AGENT)
IMPORTED = Person("import:kim")


def reachable(target):
    return {"to": target} if target.startswith("user:") else None


@pytest.fixture
def mentee(make_mentee):
    return make_mentee({"post": make_plugin(find_address=reachable)})


def answered(mentee, text="Are hotels tax exempt?", said="Yes.", department="travel"):
    question = Question(text, ADA)
    answer = Answer(question.id, said, known=True, department=department)
    mentee.pipeline.record(question, answer)
    return answer.id


def vote(mentee, answer_id, person, value="down"):
    mentee.votes.record(Vote(answer_id, person, value))


def correct(mentee, answer_id, person=GUS, text="In 12 states."):
    mentee.votes.correct(Correction(answer_id, person, text))


def told(mentee):
    """Return the news on its way, as (person, what, answers)."""
    with mentee.store.read() as session:
        rows = session.scalars(select(OutboxRow).where(OutboxRow.kind == "news"))
        found = [(row.address["to"], row.payload["what"], sorted(row.payload["answers"])) for row in rows]
    return sorted(found)


def promote(mentee, rows, *, number=1, department="travel"):
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


# --- a correction goes live --------------------------------------------------------------------------------------


def test_who_voted_down_hears_that_a_correction_is_live(mentee):
    answer_id = answered(mentee)
    vote(mentee, answer_id, BOB)
    vote(mentee, answer_id, CY, "up")
    mentee.news.tell()
    assert told(mentee) == []
    correct(mentee, answer_id)
    mentee.news.tell()
    assert told(mentee) == [("user:bob", "live", [answer_id])]


def test_each_answer_is_told_of_once_however_often_it_is_corrected(mentee):
    answer_id = answered(mentee)
    vote(mentee, answer_id, BOB)
    correct(mentee, answer_id)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: mentee.news.tell(), range(4)))
    correct(mentee, answer_id, text="In 13 states.")
    correct(mentee, answer_id, Person("user:eve", role=Role.AGENT), "In 14 states.")
    vote(mentee, answer_id, BOB)
    mentee.news.tell()
    assert [person for person, _, _ in told(mentee)].count("user:bob") == 1


def test_several_corrections_come_in_one_message(mentee):
    ids = [answered(mentee, f"Question {n}?") for n in range(3)]
    for answer_id in ids:
        vote(mentee, answer_id, BOB)
        correct(mentee, answer_id)
    mentee.news.tell()
    assert told(mentee) == [("user:bob", "live", sorted(ids))]


def test_who_votes_down_after_the_correction_hears_too(mentee):
    answer_id = answered(mentee)
    correct(mentee, answer_id)
    mentee.news.tell()
    vote(mentee, answer_id, BOB)
    mentee.news.tell()
    assert told(mentee) == [("user:bob", "live", [answer_id])]


def test_a_proposal_an_old_correction_and_ones_own_are_no_news(mentee):
    proposed, old, own = (answered(mentee, f"{name}?") for name in ("proposed", "old", "own"))
    vote(mentee, proposed, BOB)
    correct(mentee, proposed, CY)
    vote(mentee, old, BOB)
    correct(mentee, old)
    correct(mentee, own)
    with mentee.store.write() as session:
        long_ago = update(CorrectionRow).where(CorrectionRow.answer_id == old)
        session.execute(long_ago.values(at=now() - timedelta(days=15)))
    mentee.news.tell()
    assert told(mentee) == []


def test_who_asked_for_a_person_and_got_the_correction_needs_no_news_of_it(mentee):
    answer_id = answered(mentee)
    vote(mentee, answer_id, ADA)
    vote(mentee, answer_id, BOB)
    mentee.escalations.open(answer_id, ADA)
    correct(mentee, answer_id)
    mentee.news.tell()
    assert [person for person, _, _ in told(mentee)] == ["user:bob"]


# --- a round learns ----------------------------------------------------------------------------------------------


def test_who_stands_behind_a_promoted_rounds_rows_hears_once_of_all_of_them(mentee):
    first, second = answered(mentee), answered(mentee, "May I fly business?")
    for answer_id in (first, second):
        vote(mentee, answer_id, BOB)
        correct(mentee, answer_id)
    mentee.news.tell()
    promote(mentee, [(first, [GUS]), (second, [GUS])])
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: mentee.news.tell(), range(4)))
    both = sorted([first, second])
    assert told(mentee) == [("user:bob", "learned", both), ("user:bob", "live", both), ("user:gus", "learned", both)]


def test_a_lone_thumb_down_is_told_when_it_is_among_the_rows_people(mentee):
    answer_id = answered(mentee)
    vote(mentee, answer_id, BOB)
    promote(mentee, [(answer_id, [BOB])])
    mentee.news.tell()
    assert told(mentee) == [("user:bob", "learned", [answer_id])]


def test_a_thumb_down_that_others_outvoted_was_not_learned(mentee):
    answer_id = answered(mentee)
    vote(mentee, answer_id, BOB)
    for person in (CY, GUS):
        vote(mentee, answer_id, person, "up")
    promote(mentee, [(answer_id, [CY, GUS])])
    mentee.news.tell()
    assert told(mentee) == []


def test_the_same_answer_given_twice_is_one_piece_of_evidence(mentee):
    first, again = answered(mentee), answered(mentee, " ARE hotels tax exempt? ")
    other = answered(mentee, said="No.")
    vote(mentee, again, BOB)
    vote(mentee, other, CY)
    correct(mentee, first)
    promote(mentee, [(first, [GUS])])
    mentee.news.tell()
    learned = [row for row in told(mentee) if row[1] == "learned"]
    assert learned == [("user:bob", "learned", [again]), ("user:gus", "learned", [first])]


def test_a_vote_after_the_rounds_start_waits_for_the_next_round(mentee):
    answer_id = answered(mentee)
    correct(mentee, answer_id)
    vote(mentee, answer_id, BOB)
    with mentee.store.write() as session:
        session.execute(update(VoteRow).where(VoteRow.person_id == BOB.id).values(at=now() + timedelta(hours=1)))
    promote(mentee, [(answer_id, [GUS])])
    mentee.news.tell()
    assert ("user:bob", "learned", [answer_id]) not in told(mentee)


def test_an_adapter_that_was_rolled_back_and_one_that_was_refused_are_no_news(mentee):
    answer_id = answered(mentee)
    vote(mentee, answer_id, BOB)
    version = promote(mentee, [(answer_id, [BOB])])
    with mentee.store.write() as session:
        session.get_one(AdapterRow, version).state = "retired"
    mentee.news.tell()
    assert told(mentee) == []
    with mentee.store.write() as session:
        session.get_one(AdapterRow, version).state = "champion"
        session.add(ChampionRow(department="travel", adapter=version, action="promote", actor="test"))
    mentee.news.tell()
    mentee.news.tell()
    assert told(mentee) == [("user:bob", "learned", [answer_id])]


def test_the_next_round_is_told_of_again(mentee):
    answer_id = answered(mentee)
    vote(mentee, answer_id, BOB)
    promote(mentee, [(answer_id, [BOB])])
    mentee.news.tell()
    promote(mentee, [(answer_id, [BOB])], number=2)
    mentee.news.tell()
    with mentee.store.read() as session:
        told_of = [row.payload["adapter"] for row in session.scalars(select(OutboxRow).order_by(OutboxRow.created_at))]
    assert told_of == ["travel-1", "travel-2"]


# --- who hears nothing -------------------------------------------------------------------------------------------


def test_who_opted_out_and_who_cannot_be_reached_hear_nothing_then_or_later(mentee):
    answer_id = answered(mentee)
    for person in (BOB, CY, IMPORTED):
        vote(mentee, answer_id, person)
    correct(mentee, answer_id)
    mentee.news.switch(BOB.id, on=False)
    mentee.news.tell()
    assert told(mentee) == [("user:cy", "live", [answer_id])]
    mentee.news.switch(BOB.id, on=True)
    mentee.news.tell()
    assert [person for person, _, _ in told(mentee)] == ["user:cy"]
    another = answered(mentee, "May I fly business?")
    vote(mentee, another, BOB)
    correct(mentee, another)
    mentee.news.tell()
    assert ("user:bob", "live", [another]) in told(mentee)


def test_a_department_may_keep_silent(mentee):
    mentee.departments.configure("travel", {"feedback.tell_voters": False}, actor="test")
    ids = [answered(mentee), answered(mentee, "Where is my laptop?", department="it")]
    for answer_id in ids:
        vote(mentee, answer_id, BOB)
        correct(mentee, answer_id)
    promote(mentee, [(ids[0], [GUS])])
    mentee.news.tell()
    assert told(mentee) == [("user:bob", "live", [ids[1]])]
    with mentee.store.read() as session:
        assert session.get(NewsRow, ("", "round:r_1")) is not None, "not told later either, when it is switched on"


async def test_the_server_looks_by_itself(mentee, monkeypatch):
    import asyncio

    from bot import followups

    monkeypatch.setattr(followups, "SECONDS", 0.01)
    answer_id = answered(mentee)
    vote(mentee, answer_id, BOB)
    correct(mentee, answer_id)
    service = followups.Followups(mentee)
    looked = []

    def failing_first():
        looked.append(1)
        if len(looked) == 1:
            raise RuntimeError("the database is away")
        mentee.news.tell()

    monkeypatch.setattr(service, "look", failing_first)
    await service.start()
    async with asyncio.timeout(10):
        while not told(mentee):  # noqa: ASYNC110 - the database tells nobody
            await asyncio.sleep(0.01)
    await service.stop()
    assert told(mentee) == [("user:bob", "live", [answer_id])]
