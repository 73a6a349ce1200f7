"""Settings are merged and validated once for each reading of the database, and never used when they are outdated."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel, SecretStr, field_validator

from bot.domain.people import Person
from bot.domain.questions import Question
from bot.hooks import state
from bot.hooks.specs import hookimpl
from bot.hooks.state import CACHE_SECONDS, PluginStates
from bot.storage.session import Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bot.app import Mentee
    from bot.hooks.context.plugin_context import PluginContext
    from bot.testing.homes import MakeHome

VALIDATED: list[str] = []
SLOW: dict[str, threading.Event] = {}


class Settings(BaseModel):
    word: str = "none"
    token: SecretStr | None = None

    @field_validator("word")
    @classmethod
    def _seen(cls, word: str) -> str:
        VALIDATED.append(word)
        if word in SLOW:
            SLOW["entered"].set()
            SLOW[word].wait(10)
        return word


class Says:
    @hookimpl
    def register_settings(self) -> type[BaseModel]:
        return Settings

    @hookimpl
    def extend_prompt(self, settings: Settings, context: PluginContext) -> str:
        same: Settings = context.settings
        assert same is settings
        return same.word


class Clock:
    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock by which the database is read again; it stands still."""
    clock = Clock()
    monkeypatch.setattr(state, "time", clock)
    VALIDATED.clear()
    return clock


@pytest.fixture
def mentee(make_home: MakeHome) -> Mentee:
    return make_home(departments=("it", "hr"), extra_plugins={"says": Says()}, built_in=())


@pytest.fixture
def elsewhere(mentee: Mentee) -> Iterator[PluginStates]:
    """The switches and settings as another process has them: nothing shared but the database."""
    store = Store(mentee.settings.store.url)
    yield PluginStates(store)
    store.close()


def configure(states: PluginStates, department: str = "", **values: Any) -> None:
    states.configure("says", department, values, actor="test", model=Settings)


def said(mentee: Mentee, department: str = "it") -> list[str]:
    return mentee.plugins.extend_prompt(Question("How?", Person("user:ada")), department)


def test_settings_are_validated_once_for_many_calls(mentee: Mentee, clock: Clock) -> None:
    configure(mentee.plugins.states, word="hello")
    VALIDATED.clear()
    assert [said(mentee) for _ in range(5)] == [["hello"]] * 5
    assert VALIDATED == ["hello"]
    assert said(mentee, "hr") == ["hello"]
    clock.now += CACHE_SECONDS + 0.1
    said(mentee)
    assert VALIDATED == ["hello"] * 3, "once per department and reading"


def test_a_change_in_this_process_is_seen_by_the_next_call(mentee: Mentee) -> None:
    states = mentee.plugins.states
    assert said(mentee) == ["none"]
    configure(states, word="instance")
    assert (said(mentee), said(mentee, "hr")) == (["instance"], ["instance"])
    configure(states, "it", word="own")
    assert (said(mentee), said(mentee, "hr")) == (["own"], ["instance"])
    states.configure("says", "it", {}, actor="test", model=Settings, unset=("word",))
    assert said(mentee) == ["instance"]
    states.switch("says", "it", enabled=False, actor="test")
    assert (said(mentee), said(mentee, "hr")) == ([], ["instance"])
    states.switch_everywhere("says", enabled=True, actor="test")
    assert said(mentee) == ["instance"]


def test_a_change_in_another_process_is_seen_after_the_usual_time(
    mentee: Mentee, elsewhere: PluginStates, clock: Clock
) -> None:
    assert said(mentee) == ["none"]
    configure(elsewhere, "it", word="from elsewhere")
    elsewhere.switch("says", "hr", enabled=False, actor="test")
    assert (said(mentee), said(mentee, "hr")) == (["none"], ["none"])
    clock.now += CACHE_SECONDS + 0.1
    assert (said(mentee), said(mentee, "hr")) == (["from elsewhere"], [])


def test_a_secret_that_was_replaced_in_its_file_is_read_after_the_usual_time(
    mentee: Mentee, clock: Clock, tmp_path: Path
) -> None:
    def token() -> str:
        found = mentee.plugins.states.settings("says", "it", Settings)
        assert isinstance(found, Settings)
        assert found.token is not None
        return found.token.get_secret_value()

    file = tmp_path / "token"
    file.write_text("first")
    configure(mentee.plugins.states, token=f"@{file}")
    assert token() == "first"
    file.write_text("second")
    clock.now += CACHE_SECONDS + 0.1
    assert token() == "second"


def test_settings_that_cannot_be_used_are_tried_again_at_each_call(mentee: Mentee, tmp_path: Path) -> None:
    file = tmp_path / "token"
    configure(mentee.plugins.states, token=f"@{file}")
    assert said(mentee) == [], "the file isn't there yet"
    file.write_text("here")
    assert said(mentee) == ["none"]


def test_what_a_slow_call_made_of_earlier_settings_is_not_used_after_a_change(mentee: Mentee) -> None:
    states = mentee.plugins.states
    configure(states, word="earlier")
    states.enabled("says", "it")  # the database is read
    SLOW.update(earlier=threading.Event(), entered=threading.Event())
    try:
        slow = threading.Thread(target=states.settings, args=("says", "it", Settings))
        slow.start()
        assert SLOW["entered"].wait(10)
        configure(states, word="later")
        assert said(mentee) == ["later"]
        SLOW["earlier"].set()
        slow.join(10)
        assert said(mentee) == ["later"]
    finally:
        SLOW.clear()
