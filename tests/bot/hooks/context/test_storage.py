"""Values of plugins: kept apart, bounded, atomic over processes, and gone with the person or their time."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from bot.delivery.retention import Retention
from bot.domain.errors import SettingsError, TooLargeError
from bot.domain.people import Role
from bot.hooks.context import storage as plugin_values
from bot.hooks.context.storage import PluginStorage

if TYPE_CHECKING:
    from bot.storage.session import Store
    from bot.testing.homes import MakeHome


@pytest.fixture
def store(make_home: MakeHome) -> Store:
    return make_home(departments=["it"]).store


def test_values_are_kept_apart(store: Store) -> None:
    tickets = PluginStorage(store, "tickets", "it")
    tickets.set("seen", {"number": 42, "tags": ["a"]})
    assert tickets.get("seen") == {"number": 42, "tags": ["a"]}
    for other in (tickets.of("hr"), tickets.of(None), PluginStorage(store, "wiki", "it")):
        assert other.get("seen", "none") == "none"
    assert tickets.get("seen", person="user:ada") is None
    tickets.set("seen", 1)
    assert tickets.get("seen") == 1
    assert (tickets.delete("seen"), tickets.delete("seen")) == (True, False)


def test_items_by_prefix(store: Store) -> None:
    tickets = PluginStorage(store, "tickets", "it")
    for key in ("a:2", "a:1", "b:1", "a%"):
        tickets.set(key, key.upper())
    assert tickets.items("a:") == [("a:1", "A:1"), ("a:2", "A:2")]
    assert tickets.items("a%") == [("a%", "A%")]
    assert len(tickets.items()) == 4


def test_a_value_expires_and_retention_deletes_it(store: Store) -> None:
    tickets = PluginStorage(store, "tickets", "it")
    tickets.set("old", 1, expires_in=timedelta(seconds=-1))
    tickets.set("new", 1, expires_in=timedelta(hours=1))
    assert (tickets.get("old"), tickets.get("new"), tickets.items()) == (None, 1, [("new", 1)])
    assert tickets.increment("old") == 1, "what has expired counts as none"
    tickets.set("old", 1, expires_in=timedelta(seconds=-1))
    from bot.config.core import RetentionSettings

    assert Retention(store, RetentionSettings()).apply() == {"plugin_values": 1}


@pytest.mark.parametrize(
    ("key", "value", "error"),
    [
        ("", 1, SettingsError),
        ("k" * 201, 1, SettingsError),
        ("k", object(), SettingsError),
        ("k", float("nan"), SettingsError),
        ("k", "\0", SettingsError),
        ("k", ["\ud800"], SettingsError),
        ("k", "x" * 65_536, TooLargeError),
    ],
)
def test_what_cant_be_stored_is_refused(store: Store, key: str, value: object, error: type[Exception]) -> None:
    tickets = PluginStorage(store, "tickets", "it")
    with pytest.raises(error):
        tickets.set(key, value)
    assert tickets.items() == []


def test_the_number_of_values_is_bounded(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugin_values, "MAX_VALUES", 3)
    tickets = PluginStorage(store, "tickets", "it")
    for number in range(3):
        tickets.of(f"d{number}").set("k", number)
    with pytest.raises(TooLargeError, match="the limit"):
        tickets.set("k", 1)
    tickets.of("d0").set("k", "changed")
    PluginStorage(store, "wiki", "it").set("k", 1)


def test_compare_and_set(store: Store) -> None:
    tickets = PluginStorage(store, "tickets", "it")
    assert not tickets.compare_and_set("k", 1, 2)
    assert tickets.items() == []
    assert tickets.compare_and_set("k", None, 1)
    assert not tickets.compare_and_set("k", None, 5)
    assert tickets.compare_and_set("k", 1, {"a": 1})
    assert tickets.compare_and_set("k", {"a": 1}, 3)
    assert tickets.get("k") == 3
    tickets.set("text", "x")
    with pytest.raises(SettingsError, match="whole number"):
        tickets.increment("text")


COUNT = """
import sys
from bot.hooks.context.storage import PluginStorage
from bot.storage.session import Store
storage = PluginStorage(Store(sys.argv[1]), "tickets", "it")
won = sum(storage.compare_and_set(f"claim {n}", None, sys.argv[2]) for n in range(20))
for _ in range(50):
    storage.increment("count")
print(won)
"""


def test_two_processes_lose_no_update(store: Store) -> None:
    children = [
        subprocess.Popen([sys.executable, "-c", COUNT, store.url, name], stdout=subprocess.PIPE, text=True)
        for name in ("a", "b")
    ]
    won = [int(child.communicate(timeout=25)[0]) for child in children]
    tickets = PluginStorage(store, "tickets", "it")
    assert tickets.get("count") == 100
    assert sum(won) == 20, "each key is claimed by exactly one process"


def test_erasure_takes_a_persons_values(make_home: MakeHome) -> None:
    mentee = make_home(departments=["it"])
    mentee.people.add("ada", role=Role.EMPLOYEE, password="correct horse battery", actor="test")
    tickets = PluginStorage(mentee.store, "tickets", "it")
    tickets.set("greeted", True, person="web:ada")
    tickets.set("greeted", True, person="web:bob")
    tickets.set("last", {"by": "web:ada"})
    erased = mentee.erasing.person("ada", actor="test")
    assert erased.left == ()
    assert tickets.get("greeted", person="web:ada") is None
    assert tickets.get("greeted", person="web:bob") is True
    assert tickets.get("last") == {"by": erased.id}
