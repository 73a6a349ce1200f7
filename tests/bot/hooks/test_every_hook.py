"""Every hook is fired by its method: the plugin gets what is documented, the caller gets what the plugin returned.

A new hook needs a row in ``FIRED``; without one, this module fails.
"""

from __future__ import annotations

import inspect
import shutil
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from bot.domain.errors import PluginError
from bot.hooks.context.plugin_context import PluginContext
from bot.hooks.health import BEFORE_ALL
from bot.hooks.host import PluginHost
from bot.storage.session import Store
from tests.bot.hooks.every_hook import FIRED, HOOKS, Recorder, Settings, open_host

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType


class MakeHost(Protocol):
    def __call__(self, hook: str, returned: object, *, plugin: object = None) -> tuple[PluginHost, Recorder]: ...


@pytest.fixture
def make_host(sqlite_template: Path, tmp_path: Path) -> Iterator[MakeHost]:
    """Return a function that makes a host with one plugin that implements one hook."""
    store = Store(f"sqlite:///{shutil.copy(sqlite_template, tmp_path / 'store.db')}")
    hosts: list[PluginHost] = []

    def make(hook: str, returned: object, *, plugin: object = None) -> tuple[PluginHost, Recorder]:
        def act() -> object:
            if isinstance(returned, Exception):
                raise returned
            return returned

        recorder = Recorder(hook, act)
        hosts.append(open_host(store, {"fired": plugin or recorder}))
        return hosts[-1], recorder

    yield make
    for host in hosts:
        host.close()
    store.close()


@pytest.fixture(scope="module")
def examples() -> ModuleType:
    """The examples of the reference, as a plugin."""
    path = Path(__file__).parents[3] / "scripts" / "hook_examples.py"
    spec = spec_from_file_location("hook_examples", path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("hook", HOOKS)
def test_the_example_of_the_reference_works(make_host: MakeHost, examples: ModuleType, hook: str) -> None:
    host, _ = make_host("register_settings", Settings, plugin=examples)
    assert hook in host.hooks_of("fired")
    assert examples.NOTES.keys() == HOOKS.keys()
    given = ("fired",) if hook == "register_settings" else FIRED[hook].given
    getattr(host, hook)(*given)
    assert host.problems == {}


def test_every_hook_has_a_row_and_a_method_of_its_name() -> None:
    assert set(FIRED) == set(HOOKS)
    assert all(callable(getattr(PluginHost, hook, None)) for hook in HOOKS)


@pytest.mark.parametrize("hook", sorted(HOOKS.keys() - {*BEFORE_ALL, "register_commands"}))
def test_every_hook_of_a_running_instance_has_settings_and_a_context(hook: str) -> None:
    assert {"settings", "context"} <= inspect.signature(HOOKS[hook]).parameters.keys()


@pytest.mark.parametrize("hook", HOOKS)
def test_a_plugin_gets_what_is_documented_and_the_caller_what_it_returned(make_host: MakeHost, hook: str) -> None:
    fired = FIRED[hook]
    host, plugin = make_host(hook, fired.returned)
    assert getattr(host, hook)(*fired.given) == fired.result
    (received,) = plugin.calls
    assert set(received) == set(plugin.parameters)
    if "settings" in received:
        assert received.pop("settings") == Settings()
    if "context" in received:
        context = received.pop("context")
        assert isinstance(context, PluginContext)
        assert (context.plugin, context.department) == ("fired", received.get("department"))
        assert context.settings == (None if hook == "register_settings" else Settings())
    assert received == fired.received


@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize("fault", [RuntimeError("boom"), object()], ids=["raises", "wrong type"])
def test_a_plugin_that_fails_costs_what_is_documented(make_host: MakeHost, hook: str, fault: Any) -> None:
    fired = FIRED[hook]
    host, plugin = make_host(hook, fault)
    if fired.failed is PluginError:
        with pytest.raises(PluginError, match=f"'fired' failed in {hook}"):
            getattr(host, hook)(*fired.given)
    else:
        assert getattr(host, hook)(*fired.given) == fired.failed
    assert plugin.calls
