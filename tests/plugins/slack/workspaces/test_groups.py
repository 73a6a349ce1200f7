"""Who is in a user group: asked once in a while, and refused where Slack does not tell."""

from __future__ import annotations

import asyncio

import pytest
from slack_sdk.web.async_client import AsyncWebClient

from bot.domain.errors import BusyError
from plugins.slack.testing import FakeSlack, rate_limited
from plugins.slack.testing.server import BOT_TOKEN
from plugins.slack.workspaces.groups import REMEMBERED_SECONDS, Groups


@pytest.fixture
def clock() -> list[float]:
    return [0.0]


@pytest.fixture
def groups(fake_slack: FakeSlack, clock: list[float]) -> Groups:
    fake_slack.workspace.groups = {"S1": {"U1"}, "S2": {"U2"}}
    return Groups(lambda: AsyncWebClient(BOT_TOKEN, base_url=fake_slack.api_url), clock=lambda: clock[0])


async def test_any_of_the_groups_will_do_and_a_burst_asks_once(groups: Groups, fake_slack: FakeSlack) -> None:
    held = await asyncio.gather(*(groups.hold(["S1", "S2"], user) for user in ("U1", "U2", "U3") * 5))
    assert held == [True, True, False] * 5
    assert len(fake_slack.calls) == 2


async def test_who_joins_is_known_after_a_while(groups: Groups, fake_slack: FakeSlack, clock: list[float]) -> None:
    assert not await groups.hold(["S1"], "U3")
    fake_slack.workspace.groups["S1"].add("U3")
    assert not await groups.hold(["S1"], "U3")
    clock[0] += REMEMBERED_SECONDS
    assert await groups.hold(["S1"], "U3")


async def test_a_group_that_is_gone_holds_nobody(groups: Groups) -> None:
    assert not await groups.hold(["S9"], "U1")
    assert await groups.hold(["S9", "S1"], "U1")


async def test_a_busy_slack_decides_nothing(groups: Groups, fake_slack: FakeSlack) -> None:
    fake_slack.fail("usergroups.users.list", rate_limited(3))
    with pytest.raises(BusyError):
        await groups.hold(["S1"], "U1")
