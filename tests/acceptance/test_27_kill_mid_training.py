"""A round whose process is killed with -9 goes on where it was: same adapter, one round, each vote used once."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import func, select

from bot.app import open_mentee
from bot.store.models import AdapterRow, DatasetRowRow, RoundRow
from tuning.round_book import RoundBook

MENTEE = Path(sys.executable).with_name("mentee")
START = [MENTEE, "round", "start", "--department", "support", "--wait", "--json"]


@pytest.fixture
def make_trainee(make_home, tiny_model, import_made_up_votes):
    """Make homes with the same votes, ready for a round with the tiny model."""

    def make():
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


def wait_for(condition, seconds=240):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "timed out"
        time.sleep(0.01)


def steps(mentee):
    """Return how many steps the trainer of the home's only round has made."""
    found = list((mentee.settings.artifacts_dir / "rounds").glob("*/work/progress.jsonl"))
    return found[0].read_text().count('"loss"') if found else 0


def weights(mentee):
    with mentee.store.read() as session:
        return session.scalars(select(AdapterRow.sha256)).all()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_round_killed_in_training_and_again_later_ends_with_the_same_adapter(make_trainee):
    straight = make_trainee()
    done = subprocess.run(START, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    expected = json.loads(done.stdout)

    killed = make_trainee()
    for condition in (
        lambda: steps(killed) >= 4,
        lambda: any(row.stage not in ("", "dataset", "train") for row in RoundBook(killed).all()),
    ):
        process = subprocess.Popen(START, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(condition)
        process.kill()
        process.wait()
        assert weights(killed) == []  # nothing half-made is published, so nothing half-made is served
    done = subprocess.run(START, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)

    assert weights(killed) == weights(straight)
    assert (result["verdict"], result["reason"]) == (expected["verdict"], expected["reason"])
    assert result["interruptions"] == 2
    with killed.store.read() as session:
        assert session.scalar(select(func.count()).select_from(RoundRow)) == 1
        rows = session.execute(select(DatasetRowRow.dataset, DatasetRowRow.example)).all()
    assert {dataset for dataset, _ in rows} == {result["dataset"]}
    with straight.store.read() as session:
        once = session.scalars(select(DatasetRowRow.example)).all()
    assert sorted(example for _, example in rows) == sorted(once)


def test_two_schedulers_at_one_tick_start_one_round(make_home, time_machine):
    time_machine.move_to("2026-02-03T04:00:30+00:00", tick=True)
    mentee = make_home(departments=("support", "travel"), settings={"tuning": {"schedule": "0 4 * * *"}})
    others = [open_mentee(mentee.settings, discover=False) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        started = list(pool.map(lambda other: RoundBook(other).start_due(), others))
    for other in others:
        other.close()
    assert sorted(len(round_ids) for round_ids in started if round_ids) in ([2], [1, 1])
    assert sorted(row.department for row in RoundBook(mentee).all()) == ["support", "travel"]

    # The tick stays used after its round has ended, and the next day has a tick of its own.
    for row in RoundBook(mentee).all():
        RoundBook(mentee).update(row.id, state="finished")
    assert RoundBook(mentee).start_due() == []
    time_machine.move_to("2026-02-04T04:00:10+00:00", tick=True)
    assert len(RoundBook(mentee).start_due()) == 2
