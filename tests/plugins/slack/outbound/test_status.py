from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

import pytest

from plugins.slack.outbound import status
from plugins.slack.outbound.status import StatusLines

if TYPE_CHECKING:
    from slack_sdk.web.async_client import AsyncWebClient

THREAD = ("C1", "1.000001")


class SlowSlack:
    """Takes each status when the test lets it, and shows the last one."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.asked = asyncio.Event()
        self.shown: list[str] = []

    async def assistant_threads_setStatus(self, **arguments: Any) -> None:  # noqa: N802 - the SDK's name
        self.asked.set()
        await self.gate.wait()
        self.shown.append(arguments["status"])


@pytest.fixture
def slow() -> SlowSlack:
    return SlowSlack()


@pytest.fixture
def lines(slow: SlowSlack) -> StatusLines:
    return StatusLines(lambda: cast("AsyncWebClient", slow))


async def test_a_line_that_reaches_slack_after_the_answer_is_taken_away(lines: StatusLines, slow: SlowSlack) -> None:
    lines.begin(*THREAD)
    showing = asyncio.create_task(lines.show(*THREAD))
    await slow.asked.wait()
    lines.end(*THREAD)
    slow.gate.set()
    await showing
    assert [bool(line) for line in slow.shown] == [True, False]


async def test_once_the_answer_is_there_no_line_is_shown_until_the_next_question(
    lines: StatusLines, slow: SlowSlack
) -> None:
    slow.gate.set()
    lines.begin(*THREAD)
    lines.end(*THREAD)
    await lines.show(*THREAD)
    assert slow.shown == []
    lines.begin(*THREAD)
    await lines.show(*THREAD, "Searching the Travel documents")
    assert len(slow.shown) == 1


async def test_only_so_many_threads_are_remembered(slow: SlowSlack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status, "REMEMBERED", 1)
    lines = StatusLines(lambda: cast("AsyncWebClient", slow))
    slow.gate.set()
    lines.end(*THREAD)
    lines.end("C2", "2.000001")
    lines.end("C3", None)  # what roots a thread has no status line
    await lines.show(*THREAD)
    await lines.show("C2", "2.000001")
    assert len(slow.shown) == 1
