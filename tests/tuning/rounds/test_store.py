"""Rounds on record: one under way for each department, held by one worker, taken up when the worker is lost."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import update

from bot.app import open_mentee
from bot.domain.errors import MenteeError
from bot.domain.identifiers import now
from bot.storage.leases import STRIKES
from bot.storage.tables.training import HeldOutRow, RoundRow, WorkerRow
from tuning import services
from tuning.rounds.store import QUEUE, NotHeldError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bot.app import Mentee
    from bot.testing.homes import MakeHome
    from tuning.rounds.store import RoundStore


@pytest.fixture
def mentee(make_home: MakeHome) -> Mentee:
    return make_home(departments=("support",))


@pytest.fixture
def rounds(mentee: Mentee) -> RoundStore:
    return services.rounds(mentee)


@pytest.fixture
def elsewhere(mentee: Mentee) -> Iterator[RoundStore]:
    """Return the rounds as another process of the same instance sees them."""
    other = open_mentee(mentee.settings, discover=False)
    yield services.rounds(other)
    other.close()


def lose_leases(mentee: Mentee) -> None:
    """Let time pass as it does for a worker that was killed."""
    with mentee.store.write() as session:
        session.execute(update(RoundRow).values(leased_until=now() - timedelta(seconds=1)))


def test_one_round_of_a_department_is_under_way_at_a_time(rounds: RoundStore) -> None:
    first = rounds.start("support", actor="test")
    with pytest.raises(MenteeError, match=first.id):
        rounds.start("support", actor="test")
    rounds.cancel(first.id, actor="test")
    assert rounds.start("support", actor="test").id != first.id


def test_a_cancelled_round_stays_cancelled_and_its_worker_can_change_nothing(rounds: RoundStore) -> None:
    row = rounds.start("support", actor="test")
    assert rounds.take() is not None
    rounds.cancel(row.id, actor="ada")
    with pytest.raises(NotHeldError):
        rounds.update(row.id, stage="publish")
    with pytest.raises(NotHeldError):
        rounds.end(row.id, "finished")
    with pytest.raises(NotHeldError):
        rounds.give_back(row.id)
    assert rounds.take() is None
    assert (rounds.get(row.id).state, rounds.get(row.id).reason) == ("cancelled", "cancelled by ada")


def test_two_workers_never_hold_the_same_round(rounds: RoundStore, elsewhere: RoundStore) -> None:
    row = rounds.start("support", actor="test")
    assert [taken is not None for taken in (rounds.take(), elsewhere.take(), rounds.take())] == [True, False, False]
    assert (rounds.held(row.id), elsewhere.held(row.id)) == (True, False)
    with pytest.raises(NotHeldError):
        elsewhere.update(row.id, stage="publish")


def test_a_lost_lease_is_an_interruption_without_a_strike(
    mentee: Mentee, rounds: RoundStore, elsewhere: RoundStore
) -> None:
    row = rounds.start("support", actor="test")
    rounds.take()
    rounds.update(row.id, stage="train", results={"dataset": {"counts": {}}})
    for interruptions, worker in enumerate((elsewhere, rounds) * 8, start=1):
        lose_leases(mentee)
        taken = worker.take()
        assert taken is not None
        assert (taken.interruptions, taken.strikes, taken.results) == (interruptions, 0, {"dataset": {"counts": {}}})
    with pytest.raises(NotHeldError):
        elsewhere.end(row.id, "finished")  # it was suspended, and comes back to a round that is another's


def test_a_heartbeat_keeps_the_lease(mentee: Mentee, rounds: RoundStore, elsewhere: RoundStore) -> None:
    row = rounds.start("support", actor="test")
    rounds.take()
    lose_leases(mentee)
    rounds.beat(row.id)
    assert elsewhere.take() is None
    assert rounds.held(row.id)


def test_a_round_that_was_given_back_is_free_at_once(rounds: RoundStore, elsewhere: RoundStore) -> None:
    row = rounds.start("support", actor="test")
    rounds.take()
    rounds.give_back(row.id)
    assert rounds.get(row.id).state == "queued"
    taken = elsewhere.take()
    assert taken is not None
    assert (taken.id, taken.interruptions, taken.strikes) == (row.id, 0, 0)


def test_failures_of_the_worker_itself_count(mentee: Mentee, rounds: RoundStore) -> None:
    row = rounds.start("support", actor="test")
    for strikes in range(1, STRIKES + 1):
        assert rounds.take() is not None
        rounds.strike(row.id, "OSError: disk full")
        assert rounds.get(row.id).strikes == strikes
        assert rounds.take() is None  # not at once
        with mentee.store.write() as session:
            session.get_one(RoundRow, row.id).not_before = now()
    ended = rounds.get(row.id)
    assert (ended.state, ended.reason) == ("failed", "OSError: disk full")
    assert ended.finished_at is not None


def test_a_step_done_again_replaces_its_number(rounds: RoundStore) -> None:
    row = rounds.start("support", actor="test")
    rounds.add_metric(row.id, "sft.loss", 2, 1.5)
    rounds.add_metric(row.id, "sft.loss", 1, 2.5)
    rounds.add_metric(row.id, "sft.loss", 2, 1.25)
    assert rounds.metrics(row.id) == {"sft.loss": [(1, 2.5), (2, 1.25)]}


def test_looks_count_rounds_since_the_held_out_questions_last_changed(mentee: Mentee, rounds: RoundStore) -> None:
    frozen = now() - timedelta(days=2)
    past = [frozen - timedelta(days=1), frozen + timedelta(days=1), frozen + timedelta(hours=1)]
    with mentee.store.write() as session:
        session.add(HeldOutRow(department="support", question="q", reference="a", frozen_at=frozen))
        for at in past:
            metrics = {"rouge_l": {"n": 30}}
            session.add(RoundRow(department="support", state="finished", policy={}, metrics=metrics, finished_at=at))
        session.add(RoundRow(department="support", state="finished", policy={}, metrics={}, finished_at=past[1]))
    assert rounds.looks(rounds.start("support", actor="test").id) == 3


def test_a_worker_counts_while_it_beats(mentee: Mentee, rounds: RoundStore, elsewhere: RoundStore) -> None:
    assert not rounds.worker_alive()
    elsewhere.beat(None)
    assert rounds.worker_alive()
    elsewhere.leave()
    assert not rounds.worker_alive()
    with mentee.store.write() as session:
        session.add(WorkerRow(id="killed", queues=[QUEUE], heartbeat_at=now() - timedelta(minutes=2)))
        session.add(WorkerRow(id="other", queues=["other"]))
    assert not rounds.worker_alive()


def test_whether_a_worker_lives_is_known_once_it_beats_or_is_stale(make_home: MakeHome) -> None:
    mentee = make_home(departments=("support",), settings={"limits": {"lease_seconds": 1.0}})
    rounds = services.rounds(mentee)
    rounds.beat(None)  # and was killed right after
    assert rounds.worker_alive()
    assert not rounds.worker_answers()
    worker = services.round_worker(mentee)
    worker.launch()
    try:
        assert rounds.worker_answers()
    finally:
        worker.shut_down()
    assert not rounds.worker_answers()
