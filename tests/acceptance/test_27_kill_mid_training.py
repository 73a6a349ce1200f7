"""A round whose process is killed with -9 resumes where it stopped: same adapter, one round, each vote used once."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import func, select

from bot.app import open_mentee
from bot.storage.tables.training import AdapterRow, DatasetRowRow, RoundRow
from tuning import services

if TYPE_CHECKING:
    from collections.abc import Callable

    from time_machine import TimeMachineFixture

    from bot.app import Mentee
    from bot.testing.homes import MakeHome
    from bot.testing.votes import ImportVotes

MENTEE = str(Path(sys.executable).with_name("mentee"))
START = [MENTEE, "round", "start", "--department", "support", "--wait", "--json"]
KILLS_IN_TRAINING = 8  # and one before it, and one after it
SEED = 27


@pytest.fixture
def make_trainee(make_home: MakeHome, tiny_model: Path, import_made_up_votes: ImportVotes) -> Callable[[], Mentee]:
    """Make homes with the same votes, ready for a round with the tiny model."""

    def make() -> Mentee:
        mentee = make_home(
            departments=("support",),
            settings={
                "model": {"name": tiny_model.name, "max_new_tokens": 8, "dtype": "float32", "threads": 1},
                "tuning": {"min_examples": 20, "min_questions": 8, "epochs": 3, "lora_rank": 2, "person_share": 0.2},
            },
            secrets={"MODELS_DIR": str(tiny_model.parent)},
        )
        import_made_up_votes(mentee, 60)
        return mentee

    return make


def progress(mentee: Mentee) -> set[tuple[str, int]]:
    """Return the steps that the trainer of the home's only round has made so far, each once."""
    found = list((mentee.settings.artifacts_dir / "rounds").glob("*/work/progress.jsonl"))
    lines = found[0].read_text().splitlines(keepends=True) if found else []
    entries = [json.loads(line) for line in lines if line.endswith("\n")]
    return {(entry["phase"], entry["step"]) for entry in entries if "loss" in entry}


def killed_at(reached: Callable[[], bool], seconds: float = 240) -> None:
    """Work on the round in a process of its own, and kill that with -9 as soon as the point is reached."""
    process = subprocess.Popen(START, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + seconds
        while not reached():
            assert process.poll() is None, "the round ended before the point was reached"
            assert time.monotonic() < end, "timed out"
            time.sleep(0.005)
    finally:
        process.kill()
    assert process.wait() == -signal.SIGKILL


def until(reached: Callable[[], bool], *running: subprocess.Popen[Any], seconds: float = 200) -> None:
    """Wait for a point that the processes reach while they run."""
    end = time.monotonic() + seconds
    while not reached():
        assert all(process.poll() is None for process in running), "a process ended before the point was reached"
        assert time.monotonic() < end, "timed out"
        time.sleep(0.01)


def weights(mentee: Mentee) -> list[str]:
    with mentee.store.read() as session:
        return list(session.scalars(select(AdapterRow.sha256)))


@pytest.mark.full
@pytest.mark.timeout(900)
def test_a_round_killed_at_ten_points_ends_with_the_same_adapter(
    make_trainee: Callable[[], Mentee],
) -> None:
    straight = make_trainee()
    done = subprocess.run(START, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    expected = json.loads(done.stdout)

    killed = make_trainee()
    chance = random.Random(SEED)
    total = len(progress(straight))
    killed_at(lambda: any(row.stage == "dataset" for row in services.rounds(killed).all()))
    for step in sorted(chance.sample(range(1, total - KILLS_IN_TRAINING), KILLS_IN_TRAINING)):
        further = max(step, len(progress(killed)) + 1)
        killed_at(lambda further=further: len(progress(killed)) >= further)  # type: ignore[misc] # bound at once
        assert weights(killed) == []  # nothing half-made is published, so nothing half-made is served
    killed_at(lambda: any(row.stage not in ("", "dataset", "train") for row in services.rounds(killed).all()))
    assert weights(killed) == []
    done = subprocess.run(START, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)

    assert weights(killed) == weights(straight)
    assert (result["verdict"], result["reason"]) == (expected["verdict"], expected["reason"])
    assert result["interruptions"] == KILLS_IN_TRAINING + 2
    with killed.store.read() as session:
        assert session.scalar(select(func.count()).select_from(RoundRow)) == 1
        rows = session.execute(select(DatasetRowRow.dataset, DatasetRowRow.example)).all()
    assert {dataset for dataset, _ in rows} == {result["dataset"]}
    with straight.store.read() as session:
        once = session.scalars(select(DatasetRowRow.example)).all()
    assert sorted(example for _, example in rows) == sorted(once)


@pytest.mark.full
@pytest.mark.timeout(300)
def test_a_person_erased_while_a_round_trains_is_in_nothing_that_it_leaves(make_trainee: Callable[[], Mentee]) -> None:
    mentee = make_trainee()
    process = subprocess.Popen(START, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        until(lambda: len(progress(mentee)) >= 2, process)
        (row,) = services.rounds(mentee).all()
        voter = services.rounds(mentee).voters(row.dataset)[0]
        erased = mentee.erasing.person(voter, actor="test")
        _, said = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 1
    assert "cancelled" in said
    assert erased.left == ()
    assert services.rounds(mentee).get(row.id).state == "cancelled"
    assert weights(mentee) == []
    assert list((mentee.settings.artifacts_dir / "datasets").glob("*")) == []
    assert list((mentee.settings.artifacts_dir / "rounds").glob("*")) == []
    assert list(mentee.erasing.orphans()) == []


@pytest.mark.full
@pytest.mark.timeout(300)
def test_of_two_workers_the_other_goes_on_when_one_is_killed(make_trainee: Callable[[], Mentee]) -> None:
    mentee = make_trainee()
    command = [MENTEE, "worker", "--queue", "gpu"]
    workers = [subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for _ in range(2)]
    rounds = services.rounds(mentee)
    try:
        round_id = rounds.start("support", actor="test").id
        until(lambda: len(progress(mentee)) >= 2, *workers)
        holder = rounds.get(round_id).leased_by or ""
        killed = next(worker for worker in workers if f"-{worker.pid}-" in holder)
        killed.kill()
        other = next(worker for worker in workers if worker is not killed)
        until(lambda: rounds.get(round_id).state == "finished", other)
        row = rounds.get(round_id)
        assert (row.interruptions, row.strikes) == (1, 0)
        assert len(weights(mentee)) == (1 if row.adapter else 0)
        assert len(rounds.all()) == 1
    finally:
        for worker in workers:
            worker.terminate()
        assert [worker.wait(60) for worker in workers].count(0) == 1


def test_two_schedulers_at_one_tick_start_one_round(make_home: MakeHome, time_machine: TimeMachineFixture) -> None:
    time_machine.move_to("2026-02-03T04:00:30+00:00", tick=True)
    mentee = make_home(departments=("support", "travel"), settings={"tuning": {"schedule": "0 4 * * *"}})
    others = [open_mentee(mentee.settings, discover=False) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        started = list(pool.map(lambda other: services.schedule(other).start_due(), others))
    for other in others:
        other.close()
    assert sorted(len(round_ids) for round_ids in started if round_ids) in ([2], [1, 1])
    assert sorted(row.department for row in services.rounds(mentee).all()) == ["support", "travel"]

    # The tick stays used after its round has ended, and the next day has a tick of its own.
    rounds = services.rounds(mentee)
    while row := rounds.take():
        rounds.end(row.id, "finished")
    assert services.schedule(mentee).start_due() == []
    time_machine.move_to("2026-02-04T04:00:10+00:00", tick=True)
    assert len(services.schedule(mentee).start_due()) == 2
