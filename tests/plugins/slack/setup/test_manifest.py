"""The app manifest: it asks a workspace for what the plugin uses, all of it and nothing else."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from slack_bolt.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from bot.access.people import People
from bot.cli.main import run
from bot.config.settings import load_settings
from bot.domain.departments import DepartmentSpec
from bot.domain.people import Person, Role
from plugins.slack.assembly.build import Assembly
from plugins.slack.setup import manifest
from plugins.slack.testing import FakeSlack, drop

if TYPE_CHECKING:
    from bot.testing.homes import MakeHome
    from plugins.slack.testing.fixtures import MakeSlackProject

ROOT = Path(__file__).parents[4]
HELPERS = {"chat_stream": {"chat.startStream", "chat.appendStream", "chat.stopStream"}}
"""Functions of the SDK's client that call several methods."""
OLDER = {"assistant_thread_started"}
"""Events of apps made with ``assistant_view``, which new apps cannot have and our manifest does not."""
IN_CHANNELS = {"chat.delete", "conversations.info", "reactions.add", "usergroups.users.list"}
"""Called in the scenarios of channels and of revisions, which grant what the manifest asks for."""
IN_STREAMS = {"chat.startStream", "chat.appendStream", "chat.stopStream", "chat.update"}
"""Called in the scenarios of streaming; here answers are posted whole."""
EXTEND = "extend the tables in plugins/slack/setup/manifest.py"


def methods_called() -> set[str]:
    """Return the Web API methods in the plugin's code, found by the names that the SDK's client gives them."""
    called = set()
    for path in (ROOT / "plugins" / "slack").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            name = node.attr if isinstance(node, ast.Attribute) else ""
            if "_" in name and not name.startswith("_") and hasattr(AsyncWebClient, name):
                called |= HELPERS.get(name, {name.replace("_", ".")})
    return called


@pytest.fixture
def registered(make_home: MakeHome, monkeypatch: pytest.MonkeyPatch) -> dict[str, list[Any]]:
    """Return what the plugin registers with Bolt, by kind."""
    seen: dict[str, list[Any]] = {
        "event": [],
        "command": [],
        "shortcut": [],
        "global_shortcut": [],
        "message_shortcut": [],
    }

    def spy(kind: str) -> None:
        original = getattr(AsyncApp, kind)

        def register(self: Any, constraint: Any, *more: Any, **named: Any) -> Any:
            seen[kind].append(constraint)
            return original(self, constraint, *more, **named)

        monkeypatch.setattr(AsyncApp, kind, register)

    for kind in seen:
        spy(kind)
    Assembly(make_home()).requests()
    return seen


def test_it_knows_every_method_the_plugin_calls() -> None:
    assert methods_called() == set(manifest.METHODS), EXTEND


def test_it_subscribes_to_what_the_plugin_hears(registered: dict[str, list[Any]]) -> None:
    heard = {name for name in registered["event"] if isinstance(name, str)}
    assert {event.partition(".")[0] for event in manifest.EVENTS} == heard - OLDER, EXTEND


def test_it_offers_the_commands_and_shortcuts_that_the_plugin_answers(registered: dict[str, list[Any]]) -> None:
    assert len(manifest.COMMANDS) == len(registered["command"]), EXTEND
    for entry, answered in zip(manifest.COMMANDS, registered["command"], strict=True):
        assert re.fullmatch(answered, entry.command), EXTEND
    shortcuts = {kind: registered["shortcut"] + registered[f"{kind}_shortcut"] for kind in ("global", "message")}
    assert all(entry.callback_id in shortcuts[entry.type] for entry in manifest.SHORTCUTS), EXTEND
    assert len(manifest.SHORTCUTS) == sum(len(registered[kind]) for kind in registered if "shortcut" in kind), EXTEND


def test_the_one_in_deploy_is_the_one_printed(make_home: MakeHome) -> None:
    make_home()
    printed = manifest.as_yaml(manifest.manifest(load_settings()))
    shipped = (ROOT / "deploy" / "slack-manifest.yaml").read_text(encoding="utf-8")
    assert printed == shipped, "mentee slack manifest > deploy/slack-manifest.yaml"


def test_by_socket_mode_it_names_no_address(make_home: MakeHome, capsys: pytest.CaptureFixture[str]) -> None:
    make_home(settings={"slack": {"transport": "socket"}})
    assert run(["slack", "manifest"]) == 0
    printed = capsys.readouterr().out
    assert "- users:read  # bots.info, users.info\n" in printed
    made = yaml.safe_load(printed)
    assert made["settings"]["socket_mode_enabled"] is True
    assert "request_url" not in printed
    assert made["features"]["agent_view"]["agent_description"]
    assert made["settings"]["interactivity"]["is_enabled"] is True
    assert len(made["display_information"]["description"]) <= 140
    assert run(["slack", "manifest", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == made


def test_by_http_it_names_the_public_address(
    make_home: MakeHome, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = manifest.SlashCommand("/ask", "Ask.", "[question]")
    shortcut = manifest.Shortcut("Correct", "correct", "Say what would have been right.", "message")
    monkeypatch.setattr(manifest, "COMMANDS", (command,))
    monkeypatch.setattr(manifest, "SHORTCUTS", (shortcut,))
    make_home(settings={"slack": {"transport": "http"}, "web": {"public_url": "https://mentee.example/"}})
    assert run(["slack", "manifest", "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    address = "https://mentee.example/slack/events"
    assert made["settings"]["event_subscriptions"]["request_url"] == address
    assert made["settings"]["interactivity"]["request_url"] == address
    assert made["settings"]["socket_mode_enabled"] is False
    assert made["features"]["slash_commands"] == [
        {"command": "/ask", "description": "Ask.", "usage_hint": "[question]", "url": address, "should_escape": True}
    ]
    assert made["features"]["shortcuts"][0]["callback_id"] == "correct"
    assert "commands" in made["oauth_config"]["scopes"]["bot"]


def test_for_several_workspaces_it_names_where_slack_leads_back_to(
    make_home: MakeHome, capsys: pytest.CaptureFixture[str]
) -> None:
    several = {"transport": "socket", "workspaces": ["T1"]}
    make_home(settings={"slack": several, "web": {"public_url": "https://mentee.example/"}})
    assert run(["slack", "manifest", "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert made["oauth_config"]["redirect_urls"] == ["https://mentee.example/slack/oauth_redirect"]
    assert made["settings"]["socket_mode_enabled"] is True
    make_home(settings={"slack": several})
    assert run(["slack", "manifest"]) == 2
    assert "slack.workspaces names workspaces that install by OAuth" in capsys.readouterr().err


@pytest.mark.parametrize("public_url", ["", "http://mentee.example", "https://"])
def test_by_http_without_an_https_address_it_says_what_to_set(
    make_home: MakeHome, capsys: pytest.CaptureFixture[str], public_url: str
) -> None:
    make_home(settings={"slack": {"transport": "http"}, "web": {"public_url": public_url}})
    assert run(["slack", "manifest"]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert f'web.public_url is "{public_url}"; expected an https address' in printed.err
    assert "https://mentee.example.com" in printed.err


async def test_its_scopes_are_enough_for_all_that_people_do(
    slack_project: MakeSlackProject, fake_slack: FakeSlack
) -> None:
    fake_slack.web_api.granted = set(manifest.scopes())
    for channel in ("C1", "D1"):  # a second try looks for the first: an answer in its thread, a greeting outside
        fake_slack.fail("chat.postMessage", drop(stored=True), channel=channel)
    travel = DepartmentSpec("travel", "Travel", examples=("Are hotels tax exempt?",))
    project = await slack_project(departments=(travel,))
    await fake_slack.open_home()
    await fake_slack.open_home(tab="messages")
    await fake_slack.wait_for_post("D1")  # else another post could meet the dropped connection instead
    elsewhere = {**fake_slack.files.add("notes.md", b"Hotels"), "file_access": "check_file_info"}
    await fake_slack.mention("Are hotels tax exempt?", files=[elsewhere])
    post = await fake_slack.wait_for_post("C1")
    await fake_slack.message("Are hotels tax exempt?", channel="D1")
    await fake_slack.command("ask Are hotels tax exempt?")
    await fake_slack.react("+1", user="U1", post=post)
    await fake_slack.press("down", user="U1", post=post)
    await fake_slack.wait_until(lambda: fake_slack.views)
    People(project.mentee.store).ensure(Person("slack:U2", role=Role.AGENT))
    await fake_slack.press_button("Ask a person", user="U1", post=post)
    await fake_slack.wait_for_post("D2")
    await project.settled()
    unused_here = {"auth.revoke", "api.test", "bots.info", *IN_CHANNELS, *IN_STREAMS}
    await fake_slack.wait_until(
        lambda: set(manifest.METHODS) - unused_here <= {call.method for call in fake_slack.calls}
    )
    assert {call.method for call in fake_slack.calls if call.answer == "missing_scope"} == set()
