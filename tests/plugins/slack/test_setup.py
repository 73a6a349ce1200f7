"""What an operator does: the tokens and the start."""

from __future__ import annotations

import logging
import subprocess
import sys

import pytest

from bot.errors import SettingsError
from bot.testing.slack import error
from bot.testing.slack.server import BOT_TOKEN
from plugins.slack.client import LOGGER, SlackRefusedError, call, tokens, web_client


@pytest.mark.parametrize(
    ("transport", "set_already", "missing"),
    [
        ("socket", {}, ["MENTEE_SLACK_BOT_TOKEN", "MENTEE_SLACK_APP_TOKEN"]),
        ("socket", {"SLACK_BOT_TOKEN": "xoxb-1"}, ["MENTEE_SLACK_APP_TOKEN"]),
        ("http", {"SLACK_BOT_TOKEN": " "}, ["MENTEE_SLACK_BOT_TOKEN", "MENTEE_SLACK_SIGNING_SECRET"]),
    ],
)
def test_every_missing_secret_is_named_with_where_to_find_it(make_home, transport, set_already, missing):
    mentee = make_home(settings={"slack": {"transport": transport}}, secrets=set_already)
    with pytest.raises(SettingsError) as caught:
        tokens(mentee.settings)
    for name in missing:
        assert name in caught.value.text
        assert f"{name}: " in caught.value.hint
    for name in {"MENTEE_SLACK_BOT_TOKEN", "MENTEE_SLACK_APP_TOKEN", "MENTEE_SLACK_SIGNING_SECRET"} - set(missing):
        assert name not in str(caught.value)


def test_serving_without_a_token_ends_with_one_screen(make_home):
    mentee = make_home(settings={"slack": {"transport": "socket"}})
    mentee.close()
    script = "from bot.cli import main; import sys; sys.argv = ['mentee', 'serve']; main()"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 2
    assert "MENTEE_SLACK_BOT_TOKEN" in ran.stderr
    assert "Traceback" not in ran.stderr + ran.stdout
    assert len(ran.stderr.splitlines()) < 24


@pytest.mark.parametrize(
    ("method", "variable"),
    [("auth.test", "MENTEE_SLACK_BOT_TOKEN"), ("apps.connections.open", "MENTEE_SLACK_APP_TOKEN")],
)
async def test_a_token_that_slack_does_not_accept_ends_the_start(slack_project, fake_slack, method, variable):
    fake_slack.fail(method, error("invalid_auth"))
    project = await slack_project(start=False)
    with pytest.raises(SettingsError, match=f"does not accept {variable}: invalid_auth"):
        await project.runtime.start()


async def test_a_missing_scope_is_named_with_the_way_to_get_it(slack_project, fake_slack):
    fake_slack.web_api.granted -= {"chat:write"}
    project = await slack_project()
    client = web_client(project.mentee.settings, BOT_TOKEN)
    with pytest.raises(SlackRefusedError, match=r"refused chat\.postMessage: missing_scope chat:write") as caught:
        await call(client.chat_postMessage, "chat.postMessage", channel="C1", text="hello")
    assert "mentee slack manifest" in caught.value.hint


async def test_an_app_token_without_its_scope_is_made_anew(slack_project, fake_slack):
    fake_slack.fail("apps.connections.open", error("missing_scope"))
    project = await slack_project(start=False)
    with pytest.raises(SettingsError, match="does not accept MENTEE_SLACK_APP_TOKEN: missing_scope") as caught:
        await project.runtime.start()
    assert "connections:write" in caught.value.hint


def test_switched_off_it_brings_nothing(make_home):
    mentee = make_home(built_in=("plugins.slack",))
    assert list(mentee.plugins.values("register_channels", mentee=mentee)) == []
    assert list(mentee.plugins.values("register_routes", mentee=mentee)) == []


def test_what_slacks_libraries_log_is_masked_and_short(caplog):
    LOGGER.warning("token xoxb-12-34-abc and %s", "x" * 10_000)
    assert "xoxb-12-34-abc" not in caplog.text
    assert len(caplog.text) < 3_000


async def test_no_word_of_a_question_is_logged_at_any_level(slack_project, fake_slack, caplog, capfd):
    for name in ("slack_bolt", "slack_sdk", "plugins", "bot", "aiohttp", "asyncio"):
        caplog.set_level(logging.DEBUG, logger=name)
    project = await slack_project()
    await fake_slack.mention("Are hotels tax exempt for marker-of-a-question?")
    await fake_slack.wait_for_post("C1")
    await project.settled()
    printed = capfd.readouterr()
    assert "marker-of-a-question" not in caplog.text + printed.out + printed.err
