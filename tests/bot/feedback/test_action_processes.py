"""Actions that several processes are asked to do, on both databases."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import update

from bot.domain.identifiers import now
from bot.feedback.action_rows import INTERRUPTED
from bot.storage.tables.actions import ActionRow
from bot.testing.questions import ADA
from tests.bot.feedback import tickets
from tests.bot.feedback.offers import offered, row, run, state, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bot.domain.plugins.actions import OfferedAction

SCRIPT = Path(tickets.__file__)


@pytest.fixture
def processes() -> Iterator[Callable[[OfferedAction], subprocess.Popen[str]]]:
    started: list[subprocess.Popen[str]] = []

    def start(action: OfferedAction) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, str(SCRIPT), action.id, ADA.id], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


async def test_a_double_click_in_two_processes_is_one_call(make_tickets: Any, processes: Any, tmp_path: Path) -> None:
    calls = tmp_path / "calls"
    mentee = make_tickets()
    first, second = await offered(mentee, f"ticket {calls} 0.5")
    both = [processes(first), processes(second)]
    assert [line(each) for each in both] == ["ready", "ready"]
    for each in both:
        go(each)
    assert sorted(line(each) for each in both) in (["done", "running"], ["cancelled", "done"])
    assert len(calls.read_text().splitlines()) == 1


async def test_a_process_that_is_killed_leaves_it_unknown_and_nobody_runs_it_again(
    make_tickets: Any, processes: Any, tmp_path: Path
) -> None:
    calls = tmp_path / "calls"
    mentee = make_tickets()
    first, second = await offered(mentee, f"ticket {calls} 60")
    process = processes(first)
    assert line(process) == "ready"
    go(process)
    wait_until(calls.exists)
    process.kill()
    process.wait()
    assert run(mentee, first).state == "running"
    with mentee.store.write() as session:  # its time limit is over
        session.execute(update(ActionRow).where(ActionRow.id == first.id).values(due_at=now() - timedelta(days=1)))
    assert state(mentee, first) == ("unknown", INTERRUPTED)
    mentee.actions.settle_overdue()
    assert [row(mentee, each).state for each in (first, second)] == ["unknown", "cancelled"]
    assert run(mentee, first).state == "unknown"
    assert len(calls.read_text().splitlines()) == 1
