from __future__ import annotations

import asyncio
from functools import partial

import pytest
from sqlalchemy.exc import OperationalError

from bot.errors import MenteeError
from plugins.slack.surfaces.errands import AT_ONCE, MOST, Errands


@pytest.fixture
async def errands():
    errands = Errands()
    yield errands
    await errands.close()


async def test_they_are_bounded_and_a_full_house_leaves_the_rest_out(errands):
    gate, begun = asyncio.Event(), []

    async def work(number):
        begun.append(number)
        await gate.wait()

    for number in range(MOST + 5):
        errands.run("work", partial(work, number))
    await asyncio.sleep(0)
    assert begun == list(range(AT_ONCE))
    gate.set()
    async with asyncio.timeout(5):
        while len(begun) < MOST:  # noqa: ASYNC110 - nothing tells of each
            await asyncio.sleep(0)
    assert begun == list(range(MOST))


@pytest.mark.parametrize(
    "failure", [MenteeError("no"), OperationalError("insert", {"text": "marker-of-a-question"}, Exception())]
)
async def test_one_that_fails_is_logged_without_what_people_wrote(errands, capfd, caplog, failure):
    done = asyncio.Event()

    async def fail():
        done.set()
        raise failure

    errands.run("failing work", fail)
    await done.wait()
    await asyncio.sleep(0)
    printed = capfd.readouterr()
    assert "failing work" in printed.out + caplog.text
    assert "marker-of-a-question" not in printed.out + printed.err + caplog.text


async def test_closing_ends_what_runs_and_begins_nothing_more():
    errands, ended, begun = Errands(), [], []

    async def work():
        try:
            await asyncio.sleep(60)
        finally:
            ended.append(True)

    async def late():
        begun.append(True)

    errands.run("work", work)
    await asyncio.sleep(0)
    await errands.close()
    errands.run("late", late)
    await asyncio.sleep(0)
    assert (ended, begun) == ([True], [])
