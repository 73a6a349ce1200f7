"""What an operator does: the manifest, the tokens, the start."""

from __future__ import annotations

import logging
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from bot.errors import SettingsError
from bot.testing.slack import error
from plugins.slack.client import LOGGER, tokens

ROOT = Path(__file__).parents[3]
MANIFEST = yaml.safe_load((ROOT / "deploy" / "slack-manifest.yaml").read_text(encoding="utf-8"))
SCOPES = {
    "auth_test": set(),
    "apps_connections_open": set(),  # the app-level token's connections:write
    "chat_postMessage": {"chat:write"},
    "chat_postEphemeral": {"chat:write"},
    "conversations_replies": {"channels:history", "groups:history", "im:history", "mpim:history"},
    "users_info": {"users:read"},
    "views_open": set(),
}
"""The bot scopes of each method that the plugin calls, from Slack's method pages."""
EVENTS = {
    "app_mention": {"app_mentions:read"},
    "message.channels": {"channels:history"},
    "message.groups": {"groups:history"},
    "message.im": {"im:history"},
    "message.mpim": {"mpim:history"},
    "reaction_added": {"reactions:read"},
    "reaction_removed": {"reactions:read"},
}


def test_the_manifest_grants_every_method_the_plugin_calls():
    source = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "plugins" / "slack").glob("*.py"))
    called = set(
        re.findall(r"(?:client|_web|_client\(\))\.((?:apps|auth|chat|conversations|users|views|reactions)_\w+)", source)
    )
    assert called == set(SCOPES)
    granted = set(MANIFEST["oauth_config"]["scopes"]["bot"])
    assert set().union(*SCOPES.values()) <= granted


def test_the_manifest_subscribes_to_what_the_plugin_hears_and_may_hear_it():
    assert set(MANIFEST["settings"]["event_subscriptions"]["bot_events"]) == set(EVENTS)
    assert set().union(*EVENTS.values()) <= set(MANIFEST["oauth_config"]["scopes"]["bot"])
    assert MANIFEST["settings"]["socket_mode_enabled"] is True
    assert MANIFEST["settings"]["interactivity"]["is_enabled"] is True
    assert MANIFEST["features"]["agent_view"]["agent_description"]


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
