"""The threads of plugins: what hangs is left behind, what waits is not blamed."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar, copy_context
from typing import TYPE_CHECKING, NoReturn

import pytest

from bot.hooks.calling.errors import BusyWorkersError, CallError, ClosedError
from bot.hooks.workers import Workers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SHORT = 0.2
LONG = 10.0


@pytest.fixture
def make_workers() -> Iterator[Callable[..., Workers]]:
    made: list[Workers] = []

    def make(size: int = 2, replaceable: int = 1) -> Workers:
        made.append(Workers(size=size, replaceable=replaceable))
        return made[-1]

    yield make
    for workers in made:
        workers.close()


def hang_all(workers: Workers, gate: threading.Event, calls: int) -> None:
    for _ in range(calls):
        with pytest.raises(CallError, match="no result after"):
            workers.call("example", gate.wait, SHORT)


def test_a_call_returns_its_value_and_sees_the_callers_context(make_workers: Callable[..., Workers]) -> None:
    variable: ContextVar[str] = ContextVar("variable")
    variable.set("the caller's")
    assert make_workers().call("example", variable.get, LONG) == "the caller's"


@pytest.mark.parametrize("error", [RuntimeError("boom"), SystemExit("boom"), asyncio.CancelledError("boom")])
def test_whatever_a_call_raises_is_told_as_one_error(
    make_workers: Callable[..., Workers], error: BaseException
) -> None:
    def fail() -> NoReturn:
        raise error

    workers = make_workers()
    with pytest.raises(CallError, match=f"{type(error).__name__}: boom"):
        workers.call("example", fail, LONG)
    assert workers.call("example", lambda: "well", LONG) == "well"


def test_a_timeout_that_the_plugin_raises_is_its_own(make_workers: Callable[..., Workers]) -> None:
    def fail() -> NoReturn:
        raise TimeoutError("the ticket system is slow")

    with pytest.raises(CallError, match="TimeoutError: the ticket system is slow"):
        make_workers().call("example", fail, LONG)


def test_time_counts_from_the_start_of_a_call_not_from_queueing(make_workers: Callable[..., Workers]) -> None:
    workers, limit = make_workers(size=1), 1.5
    with ThreadPoolExecutor(2) as callers:
        both = [callers.submit(workers.call, "example", lambda: time.sleep(0.8 * limit), limit) for _ in range(2)]
    assert [each.result() for each in both] == [None, None], "together they took longer than the limit of one"


def test_waiting_for_a_thread_has_a_limit_and_is_not_the_calls_failure(
    make_workers: Callable[..., Workers], gate: threading.Event
) -> None:
    workers = make_workers(size=1)
    with ThreadPoolExecutor(1) as callers:
        slow = callers.submit(workers.call, "example", gate.wait, LONG)
        while not workers.slots_of("example")._running:
            time.sleep(0.01)
        with pytest.raises(BusyWorkersError, match="none of its 1 threads became free"):
            workers.call("example", lambda: None, SHORT)
        gate.set()
        assert slow.result() is True


def test_a_hung_thread_is_replaced(make_workers: Callable[..., Workers], gate: threading.Event) -> None:
    workers = make_workers(size=1, replaceable=1)
    hang_all(workers, gate, 1)
    assert workers.call("example", lambda: "well", LONG) == "well"


def test_when_all_hang_calls_fail_at_once_until_one_comes_back(
    make_workers: Callable[..., Workers], gate: threading.Event
) -> None:
    workers = make_workers(size=2, replaceable=1)
    hang_all(workers, gate, 3)
    began = time.monotonic()
    with pytest.raises(CallError, match="all its 3 threads hang"):
        workers.call("example", lambda: None, LONG)
    assert time.monotonic() - began < LONG / 2
    gate.set()
    while workers.slots_of("example")._hung:
        time.sleep(0.01)
    assert workers.call("example", lambda: "well", LONG) == "well"


def test_a_plugin_called_within_its_own_hook_waits_for_nobody(make_workers: Callable[..., Workers]) -> None:
    workers = make_workers(size=1)

    def call(plugin: str, then: Callable[[], object]) -> Callable[[], object]:
        return lambda: workers.call(plugin, then, LONG)

    assert call("example", call("other", call("example", lambda: "inner")))() == "inner"


def test_what_a_hook_started_is_limited_again_once_the_hook_has_ended(
    make_workers: Callable[..., Workers], gate: threading.Event
) -> None:
    workers = make_workers()
    within = workers.call("example", copy_context, LONG)
    with pytest.raises(CallError, match="no result after"):
        within.run(workers.call, "example", gate.wait, SHORT)


def test_without_a_thread_a_call_is_not_made_and_its_place_is_free_again(
    make_workers: Callable[..., Workers], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_thread: threading.Thread) -> NoReturn:
        raise RuntimeError("can't start new thread")

    workers = make_workers(size=1)
    with monkeypatch.context() as patch:
        patch.setattr("bot.hooks.calling.threads._Thread.start", refuse)
        with pytest.raises(BusyWorkersError, match="can't start new thread"):
            workers.call("example", lambda: None, SHORT)
    assert workers.call("example", lambda: "well", LONG) == "well"


def test_closing_ends_the_threads_and_gives_up_what_runs(
    make_workers: Callable[..., Workers], gate: threading.Event
) -> None:
    workers = make_workers(size=2)
    idle = workers.call("example", threading.current_thread, LONG)
    with ThreadPoolExecutor(1) as callers:
        running = callers.submit(workers.call, "example", gate.wait, LONG)
        while not workers.slots_of("example")._running:
            time.sleep(0.01)
        began = time.monotonic()
        workers.close()
        with pytest.raises(ClosedError):
            running.result()
    assert time.monotonic() - began < LONG / 2
    with pytest.raises(ClosedError):
        workers.call("example", lambda: None, LONG)
    assert idle.daemon
    gate.set()
    idle.join(LONG)
    assert not idle.is_alive()
