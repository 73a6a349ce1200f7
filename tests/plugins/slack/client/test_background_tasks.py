from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy.exc import OperationalError

from bot.domain.errors import MenteeError
from plugins.slack.client.background_tasks import MAX_RUNNING, MAX_TASKS, BackgroundTasks

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture
async def tasks() -> AsyncIterator[BackgroundTasks]:
    tasks = BackgroundTasks()
    yield tasks
    await tasks.close()


async def test_they_are_bounded_and_a_full_house_leaves_the_rest_out(tasks: BackgroundTasks) -> None:
    gate, begun = asyncio.Event(), []

    async def work(number: int) -> None:
        begun.append(number)
        await gate.wait()

    for number in range(MAX_TASKS + 5):
        tasks.run("work", partial(work, number))
    await asyncio.sleep(0)
    assert begun == list(range(MAX_RUNNING))
    gate.set()
    async with asyncio.timeout(5):
        while len(begun) < MAX_TASKS:  # noqa: ASYNC110 - nothing tells of each
            await asyncio.sleep(0)
    assert begun == list(range(MAX_TASKS))


@pytest.mark.parametrize(
    "failure", [MenteeError("no"), OperationalError("insert", {"text": "marker-of-a-question"}, Exception())]
)
async def test_one_that_fails_is_logged_without_what_people_wrote(
    tasks: BackgroundTasks, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture, failure: Any
) -> None:
    done = asyncio.Event()

    async def fail() -> None:
        done.set()
        raise failure

    tasks.run("failing work", fail)
    await done.wait()
    await asyncio.sleep(0)
    printed = capfd.readouterr()
    assert "failing work" in printed.out + caplog.text
    assert "marker-of-a-question" not in printed.out + printed.err + caplog.text


async def test_closing_ends_what_runs_and_begins_nothing_more() -> None:
    tasks, ended, begun = BackgroundTasks(), [], []

    async def work() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append(True)

    async def late() -> None:
        begun.append(True)

    tasks.run("work", work)
    await asyncio.sleep(0)
    await tasks.close()
    tasks.run("late", late)
    await asyncio.sleep(0)
    assert (ended, begun) == ([True], [])
