from __future__ import annotations

import time
from datetime import timedelta

import pytest
from dbos import DBOS, SetWorkflowID
from sqlalchemy import text

from bot.errors import MenteeError
from bot.messages import now
from bot.store import Store
from bot.store.models import HeldOutRow, RoundRow, WorkerRow
from tuning.round_book import QUEUE, RoundBook
from tuning.rounds import SCHEMA, RoundWorker, dbos_config, run_round
from tuning.slots import Slot, is_gone


@pytest.fixture
def mentee(make_home):
    return make_home(departments=("support",))


def wait_until(condition, seconds=25):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "timed out"
        time.sleep(0.05)


def test_one_round_of_a_department_is_under_way_at_a_time(mentee):
    book = RoundBook(mentee)
    first = book.start("support", actor="test")
    with pytest.raises(MenteeError, match=first.id):
        book.start("support", actor="test")
    book.cancel(first.id, actor="test")
    assert book.start("support", actor="test").id != first.id


def test_a_cancelled_round_stays_cancelled_and_its_worker_does_nothing(mentee):
    book = RoundBook(mentee)
    row = book.start("support", actor="test")
    book.cancel(row.id, actor="ada")
    book.update(row.id, state="running")
    assert book.get(row.id).state == "cancelled"
    assert book.get(row.id).reason == "cancelled by ada"


def test_a_step_done_again_replaces_its_number(mentee):
    book = RoundBook(mentee)
    row = book.start("support", actor="test")
    book.add_metric(row.id, "sft.loss", 2, 1.5)
    book.add_metric(row.id, "sft.loss", 1, 2.5)
    book.add_metric(row.id, "sft.loss", 2, 1.25)
    assert book.metrics(row.id) == {"sft.loss": [(1, 2.5), (2, 1.25)]}


def test_looks_count_rounds_since_the_held_out_questions_last_changed(mentee):
    book = RoundBook(mentee)
    frozen = now() - timedelta(days=2)
    past = [frozen - timedelta(days=1), frozen + timedelta(days=1), frozen + timedelta(hours=1)]
    with mentee.store.write() as session:
        session.add(HeldOutRow(department="support", question="q", reference="a", frozen_at=frozen))
        for at in past:
            metrics = {"rouge_l": {"n": 30}}
            session.add(RoundRow(department="support", state="finished", policy={}, metrics=metrics, finished_at=at))
        session.add(RoundRow(department="support", state="finished", policy={}, metrics={}, finished_at=past[1]))
    assert book.looks(book.start("support", actor="test").id) == 3


def test_enough_new_votes_start_a_round_once(make_home, import_made_up_votes):
    mentee = make_home(departments=("support", "travel"), settings={"tuning": {"threshold": 8}})
    book = RoundBook(mentee)
    assert book.start_due() == []
    import_made_up_votes(mentee, 8)
    (started,) = book.start_due()
    assert book.get(started).department == "support"
    assert book.start_due() == []
    book.update(started, state="finished")
    assert book.start_due() == []  # no new votes since


def test_an_unusable_schedule_starts_nothing_and_hurts_no_other_department(make_home):
    mentee = make_home(departments=("support", "travel"))
    mentee.departments.configure("support", {"tuning.schedule": "every day"}, actor="test")
    mentee.departments.configure("travel", {"tuning.schedule": "* * * * *"}, actor="test")
    book = RoundBook(mentee)
    assert [book.get(round_id).department for round_id in book.start_due()] == ["travel"]


def test_a_worker_counts_while_it_beats_and_holds_its_slot(mentee):
    book = RoundBook(mentee)
    assert not book.worker_alive()
    slot = Slot(mentee.settings.home)
    with mentee.store.write() as session:
        session.add(WorkerRow(id=slot.name, queues=[QUEUE]))
    assert book.worker_alive()
    assert not is_gone(mentee.settings.home, slot.name)
    slot.release()
    assert is_gone(mentee.settings.home, slot.name)
    assert not book.worker_alive()
    with mentee.store.write() as session:
        session.add(WorkerRow(id="elsewhere-gpu-0", queues=[QUEUE]))
    assert book.worker_alive()
    with mentee.store.write() as session:
        session.get(WorkerRow, "elsewhere-gpu-0").heartbeat_at = now() - timedelta(minutes=2)
    assert not book.worker_alive()


def test_slots_are_held_one_each(mentee):
    first, second = Slot(mentee.settings.home), Slot(mentee.settings.home)
    assert first.name != second.name
    name = first.name
    first.release()
    third = Slot(mentee.settings.home)
    assert third.name == name
    second.release()
    third.release()


def test_a_round_left_by_a_worker_of_another_machine_is_taken_up(mentee):
    book = RoundBook(mentee)
    row = book.start("support", actor="test")
    # A worker elsewhere takes the round and is lost: its workflow is PENDING under its name, its heartbeat is old.
    DBOS(config=dbos_config(mentee.settings, "elsewhere-gpu-0"))
    DBOS.launch()
    DBOS.register_queue(QUEUE, worker_concurrency=1)
    with SetWorkflowID(row.id):
        DBOS.enqueue_workflow("a-queue-nobody-serves", run_round, row.id)
    DBOS.destroy()
    _mark_pending(mentee, row.id)
    book.update(row.id, state="running")
    worker = RoundWorker(mentee, schedule=False)
    worker.launch()
    try:
        wait_until(lambda: book.get(row.id).state == "finished")
    finally:
        worker.shut_down()
    assert book.get(row.id).verdict == "refused"
    assert book.get(row.id).interruptions == 1


def _mark_pending(mentee, round_id):
    store = Store(dbos_config(mentee.settings, "elsewhere-gpu-0")["system_database_url"])
    table = "workflow_status" if store.is_sqlite else f"{SCHEMA}.workflow_status"
    change = text(f"update {table} set status = 'PENDING', executor_id = 'elsewhere-gpu-0' where workflow_uuid = :id")
    with store.write() as session:
        assert session.execute(change, {"id": round_id}).rowcount == 1
    store.close()


async def test_the_plugin_serves_the_gpu_queue_and_says_so(mentee):
    from tuning.plugin import register_services

    assert register_services(mentee, ["other"]) == []
    (service,) = register_services(mentee, ["gpu"])
    await service.start()
    try:
        assert RoundBook(mentee).worker_alive()
        row = RoundBook(mentee).start("support", actor="test")
        await mentee.store.run(wait_until, lambda: RoundBook(mentee).get(row.id).state == "finished")
    finally:
        await service.stop()
    assert not RoundBook(mentee).worker_alive()
    assert RoundBook(mentee).get(row.id).verdict == "refused"
