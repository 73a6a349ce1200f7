"""A process that is told to stop ends in time."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time

import pytest

from bot.server.stopping import stop_parts


async def test_a_part_that_hangs_or_raises_keeps_no_other_from_stopping(capfd: pytest.CaptureFixture[str]) -> None:
    stopped = []

    async def hangs() -> None:
        await asyncio.sleep(3600)

    async def raises() -> None:
        raise RuntimeError("boom")

    async def stops() -> None:
        stopped.append("well")

    began = time.monotonic()
    await stop_parts({"hangs": hangs, "raises": raises, "well": stops}, 0.2)
    assert time.monotonic() - began < 5
    assert stopped == ["well"]
    said = "".join(capfd.readouterr())
    assert "stop_hangs" in said
    assert "stop_failed" in said
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()


PROGRAM = """
import time
from concurrent.futures import ThreadPoolExecutor
from bot.server.stopping import ExitDeadline

deadline = ExitDeadline()
ThreadPoolExecutor(1).submit(time.sleep, 3600)
{then}
"""


@pytest.mark.parametrize(
    ("then", "code"),
    [("deadline.start(0.5); time.sleep(3600)", 1), ("deadline.start(60); deadline.work_is_done()", 0)],
    ids=["the work hangs", "the end hangs"],
)
def test_the_deadline_ends_what_hangs(then: str, code: int) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(then=then)], capture_output=True, timeout=25, check=False
    )
    assert ended.returncode == code
    assert b"exit_forced" in ended.stdout + ended.stderr


def test_a_process_that_was_not_told_to_stop_is_left_alone() -> None:
    then = "deadline.work_is_done(); import os; os._exit(7)"
    assert subprocess.run([sys.executable, "-c", PROGRAM.format(then=then)], timeout=25, check=False).returncode == 7
