"""Commands of plugins never replace others, and those of a plugin that is off say so."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import click
import pytest

from bot.cli.main import cli as core
from bot.cli.main import run
from bot.hooks import specs
from bot.hooks.host import PluginHost
from bot.testing.notes import make_plugin

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bot.testing.homes import MakeHome

    Register = Callable[[click.Group], object]


class AlwaysOn:
    def enabled(self, *_: Any) -> bool:
        return True


@pytest.fixture
def registered(request: pytest.FixtureRequest) -> Iterator[Callable[..., PluginHost]]:
    """Return a function that lets plugins add commands to a group."""

    def register(cli: click.Group, **plugins: Register) -> PluginHost:
        extra = {name: make_plugin(register_commands=function) for name, function in plugins.items()}
        host = PluginHost(AlwaysOn(), specs, built_in=(), extra=extra, discover=False)  # type: ignore[arg-type] # what registration needs
        request.addfinalizer(host.close)
        owners.append(host.register_commands(cli))
        return host

    yield register
    owners.clear()


owners: list[Any] = []


def test_a_command_that_replaces_another_is_refused_by_name(registered: Callable[..., PluginHost]) -> None:
    own = click.Command("ask")
    cli = click.Group("mentee", commands={"ask": own})

    def thief(cli: click.Group) -> None:
        cli.add_command(click.Command("ask"))
        cli.add_command(click.Command("tickets"))

    host = registered(cli, thief=thief)
    assert cli.commands["ask"] is own
    assert owners == [{("tickets",): "thief"}]
    assert "the command 'ask' exists already" in host.problems["thief"]


def test_a_plugin_cannot_replace_or_remove_what_another_has_in_its_group(
    registered: Callable[..., PluginHost],
) -> None:
    open_, close = click.Command("open"), click.Command("close")

    def first(cli: click.Group) -> None:
        cli.add_command(click.Group("tickets", commands={"open": open_, "close": close}))

    def second(cli: click.Group) -> None:
        tickets = cli.commands["tickets"]
        assert isinstance(tickets, click.Group)
        tickets.add_command(click.Command("open"))
        tickets.add_command(click.Command("merge"))
        tickets.commands.pop("close")
        cli.commands["three"] = 3  # type: ignore[assignment] # what a plugin may do

    cli = click.Group("mentee")
    host = registered(cli, first=first, second=second)
    tickets = cli.commands["tickets"]
    assert isinstance(tickets, click.Group)
    assert sorted(tickets.commands) == ["close", "merge", "open"]
    assert (tickets.commands["open"], tickets.commands["close"]) == (open_, close)
    assert owners == [{("tickets",): "first", ("tickets", "merge"): "second"}]
    told = sorted(failure.text for failure in host.failures("second"))
    assert told == [
        "'three' is no click.Command",
        "the command 'tickets close' exists already; choose another name",
        "the command 'tickets open' exists already; choose another name",
    ]
    assert "three" not in cli.commands


@pytest.fixture
def ran(make_home: MakeHome, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A home in which a plugin `tickets` is installed, and which of its commands ran."""
    found: list[str] = []

    @click.group()
    def tickets() -> None:
        found.append("group")

    @tickets.command("open")
    @click.argument("summary")
    def open_(summary: str) -> None:
        found.append(summary)

    def register_commands(cli: click.Group) -> None:
        cli.add_command(tickets)
        users = cli.commands["users"]
        assert isinstance(users, click.Group)
        users.add_command(click.Command("tickets", callback=lambda: found.append("users")))

    monkeypatch.setitem(sys.modules, "tickets", make_plugin(register_commands=register_commands))
    monkeypatch.setattr("bot.hooks.registry.entry_points", lambda **_: [EntryPoint("tickets", "tickets", "mentee")])
    make_home(departments=("it",), discover=True)
    return found


def test_commands_of_a_plugin_that_is_off_say_so(ran: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["tickets", "open", "printer"], ["users", "tickets"]):
        assert run(words) == 0
    assert ran == ["group", "printer", "users"]
    assert run(["plugins", "disable", "tickets"]) == 0
    for words in (["tickets", "open", "printer"], ["tickets", "open"], ["users", "tickets"]):
        capsys.readouterr()
        assert run(words) == 2
        said = " ".join(capsys.readouterr().err.split())
        assert "This is a command of the plugin 'tickets', which is off." in said
        assert "Switch it on with `mentee plugins enable tickets`." in said
    assert run(["plugins", "enable", "tickets", "--department", "it"]) == 0
    assert run(["users", "tickets"]) == 0
    assert ran[3:] == ["users"]
    assert "tickets" not in core.commands, "nothing is left behind for the next command line"


def test_without_a_home_the_command_itself_says_so(ran: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MENTEE_HOME", "/nowhere")
    assert run(["users", "tickets"]) == 0
    assert ran == ["users"]


def test_an_unknown_command_names_the_plugins_that_did_not_load(
    ran: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "tickets", SimpleNamespace())
    monkeypatch.delitem(sys.modules, "tickets")
    assert run(["tickets", "open", "printer"]) == 2
    said = capsys.readouterr().err
    assert "No such command 'tickets'" in said
    assert "The plugin 'tickets' did not load: ModuleNotFoundError" in said
    assert ran == []
