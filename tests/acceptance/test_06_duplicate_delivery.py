"""However often Slack delivers an event, at once, over both transports or again later, it is answered once."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import func, select

from bot.store.models import InboxRow


def inbox_rows(project):
    with project.mentee.store.read() as session:
        return session.scalar(select(func.count()).select_from(InboxRow))


@pytest.fixture
async def both(slack_project, fake_slack):
    """An instance that receives over HTTP and over a socket."""
    from bot.testing.slack.server import APP_TOKEN
    from plugins.slack.client import tokens, web_client
    from plugins.slack.transport.intake import Intake
    from plugins.slack.transport.socket import Socket

    project = await slack_project("http")
    settings = project.mentee.settings
    intake = Intake(project.mentee, lambda: web_client(settings, tokens(settings).bot))
    socket = Socket(settings, intake, APP_TOKEN)
    await socket.start()
    await fake_slack.wait_for_socket()
    yield project
    await socket.stop()
    await intake.close()


async def test_one_event_delivered_four_times_over_both_transports_is_one_answer(both, fake_slack):
    first = await fake_slack.mention("Are hotels tax exempt?")
    again = [
        fake_slack.redeliver(first, retry=(number, "http_timeout"), transport=transport)
        for number, transport in ((1, "http"), (2, "socket"), (3, "http"))
    ]
    deliveries = await asyncio.gather(*again)
    assert [delivery.status for delivery in deliveries] == [200, 200, 200]
    await both.settled()
    await fake_slack.redeliver(first, retry=(3, "http_timeout"), transport="socket")
    await both.settled()
    assert inbox_rows(both) == 1
    assert len(fake_slack.posts("C1")) == 1


async def test_four_deliveries_at_once_are_one_answer(both, fake_slack):
    from bot.testing.slack import Delivery, payloads

    message = payloads.message("app_mention", text="Are hotels tax exempt?", channel="C1", user="U1", ts="9.000001")
    payload = payloads.event(message)
    deliveries = [Delivery(payload, "events_api") for _ in range(4)]
    await asyncio.gather(
        *(
            fake_slack.redeliver(delivery, retry=None, transport=transport)
            for delivery, transport in zip(deliveries, ["http", "socket", "http", "socket"], strict=True)
        )
    )
    assert all(delivery.acknowledged for delivery in deliveries)
    await both.settled()
    assert inbox_rows(both) == 1
    assert len(fake_slack.posts("C1")) == 1
