"""How an operator sets what Mentee does in a channel, from Slack."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from bot.access.people import People
from bot.domain.people import Role
from bot.storage.tables.access import AuditRow
from plugins.slack.copy import channels as texts
from plugins.slack.settings import SlackSettings
from plugins.slack.setup import manifest
from plugins.slack.workspaces.channels import Channels

if TYPE_CHECKING:
    from collections.abc import Iterator

    from plugins.slack.testing import FakeSlack
    from plugins.slack.testing.fixtures import MakeSlackProject, SlackProject

TRANSPORTS = pytest.mark.parametrize("transport", ["socket", "http"])


@pytest.fixture(autouse=True)
def granted(fake_slack: FakeSlack) -> Iterator[None]:
    """Grant what the manifest asks for, and see that it was enough."""
    fake_slack.web_api.granted = set(manifest.scopes())
    yield
    assert [call.method for call in fake_slack.calls if call.answer == "missing_scope"] == []


def channels_of(project: SlackProject) -> Channels:
    mentee = project.mentee
    return Channels(mentee.places, SlackSettings.of(mentee.settings))


@TRANSPORTS
async def test_an_operator_sets_in_slack_what_mentee_does_in_a_channel(
    slack_project: MakeSlackProject, fake_slack: FakeSlack, transport: str
) -> None:
    project = await slack_project(transport)
    People(project.mentee.store).add("slack:U7", role=Role.OPERATOR, password=None, actor="test")
    assert texts.form_operators_only() in (await fake_slack.command("channel", user="U1")).body["text"]
    assert texts.form_where() in (await fake_slack.command("channel", user="U7", channel="D7")).body["text"]
    await fake_slack.command("channel", user="U7", channel="C1")
    view = await fake_slack.wait_until(lambda: fake_slack.views and fake_slack.views[-1])
    chosen: dict[str, Any] = {"departments": ["travel"], "answers": "all", "follow_ups": "false", "quiet": "react"}
    rest: dict[str, Any] = {"private_first": "false", "train_eligible": "null"}
    wrong = await fake_slack.submit_view(view, user="U7", askers="@admins", **chosen, **rest)
    assert list(wrong.body["errors"]) == ["askers"]
    await fake_slack.submit_view(view, user="U7", askers="S1, S2", **chosen, **rest)
    await project.settled()
    settings = channels_of(project).get("C1")
    assert settings.model_dump(exclude_defaults=True) == {
        "departments": ("travel",), "answers": "all", "follow_ups": False, "quiet": "react", "askers": ("S1", "S2"),
    }  # fmt: skip
    with project.mentee.store.read() as session:
        row = session.scalars(select(AuditRow).where(AuditRow.action == "place.configure")).one()
    assert (row.actor, row.subject, row.detail["config"]["answers"]) == ("slack:U7", "slack:C1", "all")


async def test_who_is_no_operator_any_more_changes_nothing(
    slack_project: MakeSlackProject, fake_slack: FakeSlack
) -> None:
    project = await slack_project()
    people = People(project.mentee.store)
    people.add("slack:U7", role=Role.OPERATOR, password=None, actor="test")
    await fake_slack.command("channel", user="U7", channel="C1")
    view = await fake_slack.wait_until(lambda: fake_slack.views and fake_slack.views[-1])
    people.remove("slack:U7", actor="test")
    await fake_slack.submit_view(view, user="U7", answers="all", follow_ups="true", quiet="off")
    await project.settled()
    assert channels_of(project).all() == {}
