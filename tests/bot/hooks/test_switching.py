"""Switches and settings of plugins: the most specific wins, and what can't be used is refused by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel, Field, SecretStr, model_validator
from sqlalchemy import event

from bot.domain.errors import SettingsError
from bot.hooks.specs import hookimpl
from bot.storage.tables.access import AuditRow, PluginStateRow

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from bot.app import Mentee
    from bot.testing.homes import MakeHome

    Make = Callable[..., Mentee]


class Ticket(BaseModel):
    url: str
    token: SecretStr | None = None
    low: int = 1
    high: int = Field(9, le=99)

    @model_validator(mode="after")
    def _ordered(self) -> Ticket:
        if self.low > self.high:
            raise ValueError("low is above high")
        return self


class Tickets:
    """Looks up tickets.

    More about it.
    """

    def __init__(self) -> None:
        self.seen: list[Any] = []

    @hookimpl
    def register_settings(self) -> type[BaseModel]:
        return Ticket

    @hookimpl
    def extend_prompt(self, department: str, settings: Ticket) -> str:
        self.seen.append(settings)
        return f"{department}: {settings.url}"


class OffAtFirst(Tickets):
    OPT_IN = True


@pytest.fixture
def make(make_home: MakeHome) -> Make:
    def build(plugin: object, toml: Mapping[str, Any] | None = None) -> Mentee:
        mentee = make_home(departments=("it", "hr"), settings={}, extra_plugins={"tickets": plugin}, built_in=())
        mentee.plugins.states._configured = {"tickets": dict(toml or {})}
        return mentee

    return build


def configure(mentee: Mentee, department: str = "", unset: tuple[str, ...] = (), **values: Any) -> None:
    mentee.plugins.states.configure("tickets", department, values, actor="test", model=Ticket, unset=unset)


def settings(mentee: Mentee, department: str | None = None) -> Ticket:
    found = mentee.plugins.states.settings("tickets", department, Ticket)
    assert isinstance(found, Ticket)
    return found


def test_a_departments_switch_counts_more_than_the_instances(make: Make) -> None:
    states = make(Tickets(), {"enabled": False}).plugins.states
    assert states.decided("tickets", "it") == (False, "mentee.toml")
    assert not states.enabled("tickets", None)
    states.switch("tickets", "it", enabled=True, actor="test")
    assert states.decided("tickets", "it") == (True, "department it")
    assert (states.enabled("tickets", "hr"), states.enabled("tickets", None)) == (False, True), "it is on somewhere"
    states.switch("tickets", "", enabled=True, actor="test")
    assert states.decided("tickets", "hr") == (True, "instance")
    states.switch("tickets", "", enabled=False, actor="test")
    assert (states.decided("tickets", "it"), states.enabled("tickets", "hr")) == ((True, "department it"), False)
    states.switch_everywhere("tickets", enabled=False, actor="test")
    assert states.switched_in("tickets") == {}
    assert not any(states.enabled("tickets", each) for each in ("it", "hr", None))


def test_what_is_known_of_a_switch_costs_no_statement_and_ends_with_a_change(make: Make) -> None:
    mentee = make(Tickets())
    states, seen = mentee.plugins.states, list[str]()

    def note(*arguments: Any) -> None:
        seen.append(str(arguments[2]))

    event.listen(mentee.store.engine, "before_cursor_execute", note)
    assert states.known("tickets", None) is None
    assert not seen
    assert states.enabled("tickets", None)
    asked = len(seen)
    assert states.known("tickets", None) is True
    assert len(seen) == asked
    states.switch("tickets", "", enabled=False, actor="test")
    assert states.known("tickets", None) is None, "it has to be read again"
    assert not states.enabled("tickets", None)
    assert states.known("tickets", None) is False


def test_a_switch_that_is_reset_inherits_again(make: Make) -> None:
    mentee = make(Tickets(), {"enabled": False})
    states = mentee.plugins.states
    states.switch("tickets", "", enabled=True, actor="test")
    states.switch("tickets", "it", enabled=False, actor="test", reason="noisy")
    assert states.inherited("tickets", "it") == (True, "instance")
    states.switch("tickets", "it", enabled=None, actor="ada")
    assert (states.decided("tickets", "it"), states.own("tickets", "it")) == ((True, "instance"), None)
    assert (states.switched_in("tickets"), states.reason("tickets", "it")) == ({}, "")
    states.switch("tickets", "", enabled=None, actor="ada")
    assert states.decided("tickets", "it") == (False, "mentee.toml")
    with mentee.store.read() as session:
        rows = session.query(AuditRow).filter_by(action="plugin.reset").order_by(AuditRow.at)
        assert [(row.actor, row.detail["department"]) for row in rows] == [("ada", "it"), ("ada", "")]


def test_an_opt_in_plugin_is_off_until_somebody_switches_it_on(make: Make) -> None:
    states = make(OffAtFirst()).plugins.states
    assert states.decided("tickets", "it") == (False, "default")
    states.switch("tickets", "it", enabled=True, actor="test")
    assert (states.enabled("tickets", "it"), states.enabled("tickets", "hr")) == (True, False)


def test_settings_are_validated_as_they_will_be_in_force(make: Make) -> None:
    mentee = make(Tickets())
    configure(mentee, url="https://a")
    configure(mentee, "it", low=5)
    assert settings(mentee, "it").low == 5, "the instance sets what else is required"
    with pytest.raises(SettingsError, match="low is above high"):
        configure(mentee, "it", high=3)
    with pytest.raises(SettingsError, match=r"in it: .*low is above high"):
        configure(mentee, high=4)
    assert settings(mentee, "it").high == 9


def test_required_settings_can_be_given_one_after_the_other(make: Make) -> None:
    mentee = make(Tickets())
    configure(mentee, low=2)
    with pytest.raises(SettingsError, match="'url' of plugin 'tickets' has no value"):
        settings(mentee)
    assert mentee.plugins.register_settings("tickets") is Ticket
    configure(mentee, url="https://a")
    assert settings(mentee).low == 2


def test_a_setting_can_be_unset(make: Make) -> None:
    mentee = make(Tickets(), {"url": "https://toml"})
    configure(mentee, url="https://a", low=3)
    configure(mentee, unset=("url",))
    assert (settings(mentee).url, settings(mentee).low) == ("https://toml", 3)


@pytest.mark.parametrize("change", [{"lowe": 3}, {"unset": ("lowe",)}])
def test_an_unknown_setting_is_refused_with_the_likely_one(make: Make, change: dict[str, Any]) -> None:
    mentee = make(Tickets())
    with pytest.raises(SettingsError, match=r"no setting 'lowe'. Did you mean 'low'\?"):
        configure(mentee, **change)


def test_a_secret_is_stored_as_a_reference_only(make: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    mentee = make(Tickets(), {"url": "https://a"})
    with pytest.raises(SettingsError, match="is a secret") as refused:
        configure(mentee, token="tok-in-clear")
    assert "tok-in-clear" not in str(refused.value)
    monkeypatch.setenv("TICKET_TOKEN", "tok-from-env")
    configure(mentee, token="$TICKET_TOKEN")
    assert settings(mentee).token == SecretStr("tok-from-env")
    (tmp_path / "token").write_text("tok-from-file\n")
    configure(mentee, "it", token=f"@{tmp_path}/token")
    assert settings(mentee, "it").token == SecretStr("tok-from-file")
    with mentee.store.read() as session:
        stored = [*session.query(PluginStateRow.settings), *session.query(AuditRow.detail)]
    assert "tok-" not in str(stored)


@pytest.mark.parametrize(
    ("token", "problem"),
    [
        ({"$env": "NOT_SET_HERE"}, "comes from NOT_SET_HERE, which isn't set"),
        ({"$file": "/nowhere/token"}, "comes from /nowhere/token, which can't be read"),
        ("tok-in-clear", "is a secret and can't be written out"),
    ],
)
def test_a_secret_that_cannot_be_read_is_named_without_its_value(make: Make, token: Any, problem: str) -> None:
    mentee = make(Tickets(), {"url": "https://a", "token": token})
    with pytest.raises(SettingsError, match=problem) as refused:
        settings(mentee)
    assert "tok-in-clear" not in str(refused.value)
    assert mentee.plugins.extend_prompt(_question(), "it") == [], "left out, and nothing else fails"


def _question() -> Any:
    from bot.domain.people import Person
    from bot.domain.questions import Question

    return Question("How?", Person("user:ada"))


class Account(BaseModel):
    user: str = "bot"
    password: SecretStr


class Nested(BaseModel):
    account: Account | None = None
    keys: list[SecretStr] = []
    by_site: dict[str, Account] = {}
    token: SecretStr | None = Field(None, alias="apiToken")
    retries: int = 1

    @model_validator(mode="after")
    def _sane(self) -> Nested:
        if self.retries > 5:
            raise ValueError("too many retries")
        return self


@pytest.mark.parametrize(
    "clear",
    [
        {"account": {"password": "pw-clear"}},
        {"keys": ["pw-clear"]},
        {"keys": "pw-clear"},
        {"by_site": {"a": {"password": "pw-clear"}}},
        {"apiToken": "pw-clear"},
        {"account": "pw-clear"},
    ],
)
def test_a_nested_secret_is_refused_in_clear(make: Make, clear: dict[str, Any]) -> None:
    states = make(Tickets()).plugins.states
    with pytest.raises(SettingsError, match="is a secret") as refused:
        states.configure("tickets", "", clear, actor="test", model=Nested)
    assert "pw-clear" not in str(refused.value)


def test_nested_secrets_are_read_by_reference_and_never_told(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    states = make(
        Tickets(), {"account": {"password": {"$env": "PW"}}, "keys": [{"$env": "PW"}], "retries": 1}
    ).plugins.states
    monkeypatch.setenv("PW", "pw-from-env")
    found = states.settings("tickets", None, Nested)
    assert isinstance(found, Nested)
    assert found.account is not None
    assert [found.account.password, *found.keys] == [SecretStr("pw-from-env")] * 2
    states._configured = {"tickets": {"keys": [{"$env": "PW"}], "retries": 9}}
    states._forget()
    with pytest.raises(SettingsError, match="too many retries") as refused:
        states.settings("tickets", None, Nested)
    assert "pw-from-env" not in str(refused.value)


def test_a_misspelt_nested_setting_is_refused(make: Make) -> None:
    states = make(Tickets()).plugins.states
    misspelt = {"account": {"passwort": {"$env": "PW"}}}
    with pytest.raises(SettingsError, match=r"no setting 'account.passwort'. Did you mean 'password'\?"):
        states.configure("tickets", "", misspelt, actor="test", model=Nested)


def test_what_the_plugin_no_longer_has_is_named_and_can_be_unset(make: Make) -> None:
    mentee = make(Tickets(), {"url": "https://a", "lowe": 2})
    mentee.plugins.states.configure("tickets", "", {"retries": 2}, actor="test", model=Nested)
    assert settings(mentee).low == 1, "what has no effect does no harm"
    told = mentee.plugins.states.unknown("tickets", Ticket)
    assert told[0] == "Plugin 'tickets' has no setting 'lowe', which is set in mentee.toml. Did you mean 'low'?"
    assert "'retries', which is set in the instance" in told[1]
    configure(mentee, unset=("retries",))
    assert len(mentee.plugins.states.unknown("tickets", Ticket)) == 1
