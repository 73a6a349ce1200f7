"""An event is answered once, however often Slack delivers it: at the same time, over both transports, or later."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Literal

import pytest
from sqlalchemy import func, select

from bot.storage.tables.delivery import InboxRow

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from plugins.slack.testing import FakeSlack
    from plugins.slack.testing.fixtures import MakeSlackProject, SlackProject


def inbox_rows(project: SlackProject) -> int:
    with project.mentee.store.read() as session:
        return session.scalar(select(func.count()).select_from(InboxRow)) or 0


@pytest.fixture
async def both(slack_project: MakeSlackProject, fake_slack: FakeSlack) -> AsyncIterator[SlackProject]:
    """An instance that receives over HTTP and over a socket."""
    from plugins.slack.assembly.build import Assembly
    from plugins.slack.inbound.socket import Socket
    from plugins.slack.settings import SlackSettings
    from plugins.slack.testing.server import APP_TOKEN

    project = await slack_project("http")
    intake = Assembly(project.mentee).intake()
    socket = Socket(SlackSettings.of(project.mentee.settings), intake, APP_TOKEN)
    await socket.start()
    await fake_slack.wait_for_socket()
    yield project
    await socket.stop()
    await intake.close()


async def test_one_event_delivered_four_times_over_both_transports_is_one_answer(
    both: Any, fake_slack: FakeSlack
) -> None:
    first = await fake_slack.mention("Are hotels tax exempt?")
    transports: list[Literal["socket", "http"]] = ["http", "socket", "http"]
    again = [
        fake_slack.redeliver(first, retry=(number, "http_timeout"), transport=transport)
        for number, transport in enumerate(transports, start=1)
    ]
    deliveries = await asyncio.gather(*again)
    assert [delivery.status for delivery in deliveries] == [200, 200, 200]
    await both.settled()
    await fake_slack.redeliver(first, retry=(3, "http_timeout"), transport="socket")
    await both.settled()
    assert inbox_rows(both) == 1
    assert len(fake_slack.posts("C1")) == 1


async def test_four_deliveries_at_once_are_one_answer(both: Any, fake_slack: FakeSlack) -> None:
    from plugins.slack.testing import Delivery, payloads

    message = payloads.message("app_mention", text="Are hotels tax exempt?", channel="C1", user="U1", ts="9.000001")
    payload = payloads.event(message)
    deliveries = [Delivery(payload, "events_api") for _ in range(4)]
    transports: list[Literal["socket", "http"]] = ["http", "socket", "http", "socket"]
    await asyncio.gather(
        *(
            fake_slack.redeliver(delivery, retry=None, transport=transport)
            for delivery, transport in zip(deliveries, transports, strict=True)
        )
    )
    assert all(delivery.acknowledged for delivery in deliveries)
    await both.settled()
    assert inbox_rows(both) == 1
    assert len(fake_slack.posts("C1")) == 1
