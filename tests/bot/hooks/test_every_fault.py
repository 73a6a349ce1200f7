"""Promise: whatever a plugin does in whichever hook, the plugin beside it acts and Mentee goes on; guards fail closed.

The hooks are those of ``bot.hooks.specs``, so that a new one is tried, too.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NoReturn, cast

import pytest

from bot.domain.answers import Refusal
from bot.domain.errors import PluginError
from bot.hooks.health import GUARD_HOOKS
from bot.hooks.methods.questions import UNCHECKED
from bot.observability.metrics import PLUGIN_FAILURES
from bot.storage.session import Store
from tests.bot.hooks.every_hook import FIRED, HOOKS, IMPATIENT, INSTANCE, OFFERED, Recorder, SameLimits, open_host

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from bot.hooks.host import PluginHost

AT_ONCE = 16
CLOSED: dict[str, object] = {
    "check_answer": Refusal("faulty", "the guard faulty failed", UNCHECKED, failed=True),
    "scrub_text": PluginError,
    "filter_training_example": False,
    "register_erasers": PluginError,
}
"""What comes of a hook that fails closed when one plugin fails and another doesn't."""

ADDRESSED: dict[str, tuple[tuple[object, ...], object]] = {
    "register_settings": (("faulty",), None),
    "register_jobs": ((INSTANCE, "faulty"), []),
    "on_action": ((replace(OFFERED, plugin="faulty"), *FIRED["on_action"].given[1:]), PluginError),
}
"""How the faulty plugin is asked for what only one plugin is asked for, and what comes of that."""

released = threading.Event()


def hang() -> None:
    released.wait(30)


def leave() -> NoReturn:
    raise SystemExit(3)


def interrupt() -> NoReturn:
    raise KeyboardInterrupt("stop")


FAULTS: dict[str, tuple[Callable[[], object], str]] = {
    "hangs": (hang, "no result after 0.15 s"),
    "leaves": (leave, "SystemExit: 3"),
    "is interrupted": (interrupt, "KeyboardInterrupt: stop"),
}


@pytest.fixture(autouse=True)
def hanging() -> Iterator[None]:
    """Let what hangs go when the test ends."""
    released.clear()
    yield
    released.set()


@pytest.fixture(scope="module")
def store(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    store = Store(f"sqlite:///{shutil.copy(sqlite_template, tmp_path_factory.mktemp('faults') / 'store.db')}")
    yield store
    store.close()


@pytest.fixture
def open_pair(store: Store) -> Iterator[Callable[..., tuple[PluginHost, Recorder]]]:
    """Return a function that opens a host with a good plugin and one that does something in a hook."""
    hosts: list[PluginHost] = []

    def open_pair(hook: str, fault: Callable[[], object]) -> tuple[PluginHost, Recorder]:
        good = Recorder(hook, lambda: FIRED[hook].returned)
        limits = IMPATIENT if fault is hang else SameLimits()
        hosts.append(open_host(store, {"fired": good, "faulty": Recorder(hook, fault)}, limits))
        return hosts[-1], good

    yield open_pair
    for host in hosts:
        host.close()


def fire(host: PluginHost, hook: str, given: tuple[object, ...], expected: object) -> None:
    if expected is PluginError:
        with pytest.raises(PluginError, match=f"'faulty' failed in {hook}"):
            getattr(host, hook)(*given)
    else:
        assert getattr(host, hook)(*given) == expected


def fire_both(host: PluginHost, hook: str) -> None:
    """Fire a hook that one of two plugins fails in: what is documented comes of it."""
    fired = FIRED[hook]
    if hook in ADDRESSED:
        fire(host, hook, *ADDRESSED[hook])
    fire(host, hook, fired.given, CLOSED.get(hook, fired.result))


def counted() -> float:
    return cast("float", cast("Any", PLUGIN_FAILURES.labels("faulty"))._value.get())


def test_what_guards_do_fails_closed_and_so_does_erasure() -> None:
    assert set(CLOSED) == {*GUARD_HOOKS, "register_erasers"}


@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize(("fault", "said"), FAULTS.values(), ids=FAULTS.keys())
def test_the_plugin_beside_a_faulty_one_acts_and_the_faulty_one_is_named(
    open_pair: Callable[..., tuple[PluginHost, Recorder]], hook: str, fault: Callable[[], object], said: str
) -> None:
    host, good = open_pair(hook, fault)
    before = counted()
    fire_both(host, hook)
    assert good.calls or hook in CLOSED
    assert [(each.hook, each.text) for each in host.failures("faulty")] == [(hook, said)]
    assert host.problems == {"faulty": f"{hook}: {said}"}
    assert counted() == before + 1


@pytest.mark.parametrize("hook", HOOKS)
def test_sixteen_calls_at_once_hang_and_the_plugin_beside_acts_in_each(
    open_pair: Callable[..., tuple[PluginHost, Recorder]], hook: str
) -> None:
    host, good = open_pair(hook, hang)
    with ThreadPoolExecutor(AT_ONCE) as callers:
        assert len([*callers.map(lambda _: fire_both(host, hook), range(AT_ONCE))]) == AT_ONCE
    once = hook == "register_settings"  # and what it returned is kept
    assert len(good.calls) >= (1 if once else 0 if hook in CLOSED else AT_ONCE)
    assert {each.hook for each in host.failures("faulty")} == {hook}
    assert not host.failures("fired")
    released.set()


@pytest.mark.parametrize("hook", HOOKS)
def test_a_plugin_that_starts_slowly_is_waited_for_within_its_limit(store: Store, hook: str) -> None:
    naps = [0.2]
    fired = FIRED[hook]

    def start_slowly() -> object:
        if naps:
            time.sleep(naps.pop())
        return fired.returned

    host = open_host(store, {"fired": Recorder(hook, start_slowly)}, SameLimits())
    assert [getattr(host, hook)(*fired.given) for _ in range(2)] == [fired.result] * 2
    assert not host.problems
    host.close()


def test_a_process_in_which_every_hook_hangs_ends(sqlite_template: Path, tmp_path: Path) -> None:
    url = f"sqlite:///{shutil.copy(sqlite_template, tmp_path / 'store.db')}"
    code = textwrap.dedent("""
        import sys, threading
        from bot.domain.errors import PluginError
        from bot.storage.session import Store
        from tests.bot.hooks.every_hook import FIRED, IMPATIENT, Recorder, open_host
        from tests.bot.hooks.test_every_fault import ADDRESSED

        for hook, fired in FIRED.items():
            host = open_host(Store(sys.argv[1]), {"faulty": Recorder(hook, threading.Event().wait)}, IMPATIENT)
            try:
                getattr(host, hook)(*ADDRESSED.get(hook, [fired.given])[0])
            except PluginError:
                pass
            assert "no result" in host.problems["faulty"], hook
        print("all hang", flush=True)
    """)
    command = [sys.executable, "-c", code, url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)
    assert (done.returncode, "all hang" in done.stdout) == (0, True), done.stderr
