"""The worker of rounds carries one on from where another left it, and leaves its own in time."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest
from sqlalchemy.exc import OperationalError

from bot.app import open_mentee
from bot.storage.tables.training import RoundRow
from tuning import services
from tuning.rounds.stages import STAGES, Stages, next_stage
from tuning.rounds.worker import RoundWorker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bot.app import Mentee
    from bot.testing.homes import MakeHome
    from tuning.rounds.stages import Carried
    from tuning.rounds.store import RoundStore


@pytest.fixture
def mentee(make_home: MakeHome) -> Mentee:
    return make_home(departments=("support",), settings={"limits": {"lease_seconds": 1.0}})


@pytest.fixture
def rounds(mentee: Mentee) -> RoundStore:
    return services.rounds(mentee)


def wait_until(condition: Callable[[], bool], seconds: float = 25) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "timed out"
        time.sleep(0.02)


class Slow(Stages):
    """Stages whose training goes on until the worker is to leave."""

    began = threading.Event()

    def _dataset(self, _: Carried) -> Carried:
        return {"dataset": "d"}

    def _train(self, _: Carried) -> Carried:
        self.began.set()
        while True:
            self._check_in()
            time.sleep(0.02)


class Hanging(Slow):
    """Stages that hear nothing."""

    go_on = threading.Event()

    def _train(self, _: Carried) -> Carried:
        self.began.set()
        self.go_on.wait(60)
        return {}


@pytest.fixture
def make_worker(mentee: Mentee) -> Iterator[Callable[..., RoundWorker]]:
    workers: list[RoundWorker] = []
    Slow.began.clear()
    Hanging.began.clear()
    Hanging.go_on.clear()

    def make(kind: type[Stages], drain_seconds: float = 20.0, instance: Mentee = mentee) -> RoundWorker:
        def stages(round_id: str, stopping: Callable[[], bool]) -> Stages:
            return kind(services.stages(instance, round_id)._services, round_id, stopping)

        workers.append(RoundWorker(services.rounds(instance), stages, drain_seconds=drain_seconds))
        workers[-1].launch()
        return workers[-1]

    yield make
    Hanging.go_on.set()
    for worker in workers:
        worker.shut_down()


async def test_the_plugin_serves_the_gpu_queue_and_says_so(mentee: Mentee, rounds: RoundStore) -> None:
    from tuning.plugin import register_services

    assert [each for each in register_services(mentee, ["other"]) if each.name == "rounds"] == []
    (service,) = (each for each in register_services(mentee, ["gpu"]) if each.name == "rounds")
    await service.start()
    try:
        assert rounds.worker_alive()
        row = rounds.start("support", actor="test")
        await mentee.store.run(wait_until, lambda: rounds.get(row.id).state == "finished")
    finally:
        await service.stop()
    assert not rounds.worker_alive()
    assert rounds.get(row.id).verdict == "refused"


def test_a_round_left_by_a_worker_of_another_machine_is_taken_up(mentee: Mentee, rounds: RoundStore) -> None:
    row = rounds.start("support", actor="test")
    other = open_mentee(mentee.settings, discover=False)
    assert services.rounds(other).take() is not None  # and is lost
    other.close()
    worker = services.round_worker(mentee)
    worker.launch()
    try:
        wait_until(lambda: rounds.get(row.id).state == "finished")
    finally:
        worker.shut_down()
    assert rounds.get(row.id).verdict == "refused"
    assert rounds.get(row.id).interruptions == 1


def test_told_to_stop_it_leaves_its_round_where_it_is_for_another(
    rounds: RoundStore, make_worker: Callable[..., RoundWorker]
) -> None:
    row = rounds.start("support", actor="test")
    worker = make_worker(Slow)
    assert Slow.began.wait(10)
    time.sleep(1.5)  # longer than the lease
    assert rounds.get(row.id).interruptions == 0
    started = time.monotonic()
    worker.shut_down()
    assert time.monotonic() - started < 3
    left = rounds.get(row.id)
    assert (left.state, left.leased_by, left.stage, left.results) == (
        "queued",
        None,
        "train",
        {"dataset": {"dataset": "d"}},
    )
    assert (left.interruptions, left.strikes) == (0, 0)
    assert rounds.take() is not None


def test_a_stage_that_hears_nothing_does_not_hold_the_process(
    rounds: RoundStore, make_worker: Callable[..., RoundWorker]
) -> None:
    row = rounds.start("support", actor="test")
    worker = make_worker(Hanging, drain_seconds=0.5)
    assert Hanging.began.wait(10)
    started = time.monotonic()
    worker.shut_down()
    assert time.monotonic() - started < 3
    assert rounds.get(row.id).state == "running"
    wait_until(lambda: rounds.take() is not None)  # its lease runs out
    assert rounds.get(row.id).interruptions == 1


def test_a_worker_that_lost_its_round_leaves_it_to_the_other(
    mentee: Mentee, rounds: RoundStore, make_worker: Callable[..., RoundWorker]
) -> None:
    row = rounds.start("support", actor="test")
    make_worker(Slow)
    assert Slow.began.wait(10)
    other = open_mentee(mentee.settings, discover=False)
    try:
        with mentee.store.write() as session:
            session.get_one(RoundRow, row.id).leased_by = other.worker
        wait_until(lambda: services.rounds(other).held(row.id))
        time.sleep(0.3)
        services.rounds(other).update(row.id, stage="train")
        services.rounds(other).end(row.id, "finished")
    finally:
        other.close()
    assert rounds.get(row.id).state == "finished"


def test_a_cancelled_round_is_left_within_a_second_and_announced(
    mentee: Mentee, rounds: RoundStore, make_worker: Callable[..., RoundWorker], monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[str] = []
    monkeypatch.setattr(mentee.plugins, "on_round_finished", lambda event: heard.append(event.verdict))
    row = rounds.start("support", actor="test")
    make_worker(Slow)
    assert Slow.began.wait(10)
    rounds.cancel(row.id, actor="ada")
    wait_until(lambda: bool(heard), seconds=1)
    assert heard == ["cancelled"]
    assert rounds.get(row.id).state == "cancelled"


def test_a_database_that_is_away_is_a_strike_and_no_verdict(
    rounds: RoundStore, make_worker: Callable[..., RoundWorker]
) -> None:
    class Unlucky(Slow):
        def _train(self, _: Carried) -> Carried:
            raise OperationalError("select 1", {}, OSError("connection lost"))

    row = rounds.start("support", actor="test")
    make_worker(Unlucky)
    wait_until(lambda: rounds.get(row.id).strikes == 1)
    left = rounds.get(row.id)
    assert (left.state, left.verdict, left.results) == ("queued", None, {"dataset": {"dataset": "d"}})
    assert "connection lost" in left.error


def test_stages_come_in_order_and_an_early_end_skips_to_the_report() -> None:
    done: dict[str, Carried] = {}
    order = []
    while stage := next_stage(done):
        order.append(stage)
        done[stage] = {}
    assert tuple(order) == STAGES
    assert next_stage({"dataset": {"end": "finished", "verdict": "refused"}}) == "report"
    assert next_stage({"dataset": {"end": "finished"}, "report": {}}) is None
    assert next_stage({"dataset": {}, "train": {"end": "failed"}}) is None
