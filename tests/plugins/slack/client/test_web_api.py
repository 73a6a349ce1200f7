"""What an operator does: the tokens and the start."""

from __future__ import annotations

import logging
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from bot.domain.errors import SettingsError
from plugins.slack.client.web_api import LOGGER, SlackRefusedError, call, tokens, web_client
from plugins.slack.settings import SlackSettings
from plugins.slack.testing import FakeSlack, error
from plugins.slack.testing.server import BOT_TOKEN

if TYPE_CHECKING:
    from bot.testing.homes import MakeHome
    from plugins.slack.testing.fixtures import MakeSlackProject


@pytest.mark.parametrize(
    ("transport", "set_already", "missing"),
    [
        ("socket", {}, ["MENTEE_SLACK_BOT_TOKEN", "MENTEE_SLACK_APP_TOKEN"]),
        ("socket", {"SLACK_BOT_TOKEN": "xoxb-1"}, ["MENTEE_SLACK_APP_TOKEN"]),
        ("http", {"SLACK_BOT_TOKEN": " "}, ["MENTEE_SLACK_BOT_TOKEN", "MENTEE_SLACK_SIGNING_SECRET"]),
    ],
)
def test_every_missing_secret_is_named_with_where_to_find_it(
    make_home: MakeHome, transport: str, set_already: Any, missing: Any
) -> None:
    mentee = make_home(settings={"slack": {"transport": transport}}, secrets=set_already)
    with pytest.raises(SettingsError) as caught:
        tokens(SlackSettings.of(mentee.settings))
    for name in missing:
        assert name in caught.value.text
        assert f"{name}: " in caught.value.hint
    for name in {"MENTEE_SLACK_BOT_TOKEN", "MENTEE_SLACK_APP_TOKEN", "MENTEE_SLACK_SIGNING_SECRET"} - set(missing):
        assert name not in str(caught.value)


def test_serving_without_a_token_ends_with_one_screen(make_home: MakeHome) -> None:
    mentee = make_home(settings={"slack": {"transport": "socket"}})
    mentee.close()
    script = "from bot.cli.main import main; import sys; sys.argv = ['mentee', 'serve']; main()"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=100, check=False)
    assert ran.returncode == 2
    assert "MENTEE_SLACK_BOT_TOKEN" in ran.stderr
    assert "Traceback" not in ran.stderr + ran.stdout
    assert len(ran.stderr.splitlines()) < 24


@pytest.mark.parametrize(
    ("method", "variable"),
    [("auth.test", "MENTEE_SLACK_BOT_TOKEN"), ("apps.connections.open", "MENTEE_SLACK_APP_TOKEN")],
)
async def test_a_token_that_slack_does_not_accept_ends_the_start(
    slack_project: MakeSlackProject, fake_slack: FakeSlack, method: str, variable: str
) -> None:
    fake_slack.fail(method, error("invalid_auth"))
    project = await slack_project(start=False)
    with pytest.raises(SettingsError, match=f"does not accept {variable}: invalid_auth"):
        await project.runtime.start()


async def test_a_missing_scope_is_named_with_the_way_to_get_it(
    slack_project: MakeSlackProject, fake_slack: FakeSlack
) -> None:
    fake_slack.web_api.granted -= {"chat:write"}
    project = await slack_project()
    client = web_client(SlackSettings.of(project.mentee.settings), BOT_TOKEN)
    with pytest.raises(SlackRefusedError, match=r"refused chat\.postMessage: missing_scope chat:write") as caught:
        await call(client.chat_postMessage, "chat.postMessage", channel="C1", text="hello")
    assert "mentee slack manifest" in caught.value.hint


async def test_an_app_token_without_its_scope_is_made_anew(
    slack_project: MakeSlackProject, fake_slack: FakeSlack
) -> None:
    fake_slack.fail("apps.connections.open", error("missing_scope"))
    project = await slack_project(start=False)
    with pytest.raises(SettingsError, match="does not accept MENTEE_SLACK_APP_TOKEN: missing_scope") as caught:
        await project.runtime.start()
    assert "connections:write" in caught.value.hint


def test_switched_off_it_brings_nothing(make_home: MakeHome) -> None:
    mentee = make_home(built_in=("plugins.slack",))
    assert mentee.plugins.register_channels(mentee) == []
    assert mentee.plugins.register_routes(mentee) == []


def test_what_slacks_libraries_log_is_masked_and_short(caplog: pytest.LogCaptureFixture) -> None:
    LOGGER.warning("token xoxb-12-34-abc and %s", "x" * 10_000)
    assert "xoxb-12-34-abc" not in caplog.text
    assert len(caplog.text) < 3_000


async def test_no_word_of_a_question_is_logged_at_any_level(
    slack_project: MakeSlackProject,
    fake_slack: FakeSlack,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    for name in ("slack_bolt", "slack_sdk", "plugins", "bot", "aiohttp", "asyncio"):
        caplog.set_level(logging.DEBUG, logger=name)
    project = await slack_project()
    await fake_slack.mention("Are hotels tax exempt for marker-of-a-question?")
    await fake_slack.wait_for_post("C1")
    await project.settled()
    printed = capfd.readouterr()
    assert "marker-of-a-question" not in caplog.text + printed.out + printed.err
