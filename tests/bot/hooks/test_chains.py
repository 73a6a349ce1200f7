"""Chains of calls: one thread for all of them, and another one for the rest when a call hangs."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from bot.hooks.calling.chains import Call
from bot.hooks.calling.errors import BusyWorkersError, CallError, ClosedError
from bot.hooks.workers import Workers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bot.hooks.calling.chains import Chain

SHORT = 0.2
LONG = 20.0


@pytest.fixture
def workers() -> Iterator[Workers]:
    workers = Workers(size=2, replaceable=1)
    yield workers
    workers.close()


def chain(seconds: float = LONG, /, **works: Callable[[], Any]) -> Chain[list[Any]]:
    """Call each plugin, ``hangs`` and ``full`` with a short limit; return what it returned or why it didn't."""
    found = []
    for plugin, work in works.items():
        try:
            found.append((yield Call(plugin, work, SHORT if plugin in ("hangs", "full") else seconds)))
        except CallError as error:
            found.append(error)
    return found


def test_the_calls_of_a_chain_share_a_thread_and_so_does_the_next_chain(workers: Workers) -> None:
    thread = threading.current_thread
    found = {each for _ in range(5) for each in workers.run(chain(a=thread, b=thread, c=thread))}
    assert len(found) == 1
    assert threading.current_thread() not in found


def test_when_a_call_hangs_the_chain_goes_on_in_another_thread(workers: Workers, gate: threading.Event) -> None:
    thread = threading.current_thread
    first, hung, last = workers.run(chain(a=thread, hangs=gate.wait, c=thread))
    assert "no result after 0.2 s" in str(hung)
    assert "in wait" in hung.where
    assert last is not first
    assert first.name == "plugin hangs"
    gate.set()
    first.join(LONG)
    assert not first.is_alive(), "it has been replaced"


def test_a_call_that_returns_late_changes_nothing(workers: Workers, gate: threading.Event) -> None:
    made: list[str] = []

    def late() -> str:
        gate.wait(LONG)
        made.append("late")
        return "late"

    _, last = workers.run(chain(hangs=late, b=lambda: made.append("b")))
    assert (last, made) == (None, ["b"])
    gate.set()
    while workers.slots_of("hangs")._hung:
        time.sleep(0.01)
    assert made == ["b", "late"]


def test_every_call_has_the_whole_limit(workers: Workers) -> None:
    limit = 4.0
    naps = {name: partial(time.sleep, 0.35 * limit) for name in "abc"}
    assert workers.run(chain(limit, **naps)) == [None] * 3, "together they took longer than the limit of one"


def test_a_call_may_be_the_first_that_must_end_soon(workers: Workers, gate: threading.Event) -> None:
    """The caller waits for a long call when the short one begins."""

    def mixed() -> Chain[float]:
        yield Call("a", lambda: time.sleep(SHORT), LONG)
        began = time.monotonic()
        with pytest.raises(CallError, match="no result after"):
            yield Call("b", gate.wait, SHORT)
        return time.monotonic() - began

    assert workers.run(mixed()) < LONG / 2


def test_a_plugin_sees_the_callers_context_but_not_what_another_one_changed_in_it(workers: Workers) -> None:
    variable = ContextVar("variable", default="nobody's")
    variable.set("the caller's")

    def change() -> str:
        seen = variable.get()
        variable.set("a plugin's")
        return seen

    assert workers.run(chain(a=change, b=change)) == ["the caller's"] * 2
    assert variable.get() == "the caller's"


def test_after_a_hanging_call_the_context_is_still_the_callers(workers: Workers, gate: threading.Event) -> None:
    variable = ContextVar("variable", default="nobody's")
    variable.set("the caller's")
    assert workers.run(chain(hangs=gate.wait, b=variable.get))[1] == "the caller's"


def test_what_a_chain_raises_reaches_its_caller(workers: Workers) -> None:
    def failing() -> Chain[NoReturn]:
        yield Call("a", lambda: None, LONG)
        raise KeyError("scrubber")

    with pytest.raises(KeyError, match="scrubber"):
        workers.run(failing())
    assert workers.run(chain(a=lambda: "well")) == ["well"]


@pytest.mark.parametrize("error", [StopIteration("boom"), GeneratorExit("boom"), KeyboardInterrupt("boom")])
def test_what_a_plugin_raises_is_its_call_and_ends_no_chain(workers: Workers, error: BaseException) -> None:
    def fail() -> NoReturn:
        raise error

    failed, well = workers.run(chain(a=fail, b=lambda: "well"))
    assert f"{type(error).__name__}: boom" in str(failed)
    assert well == "well"


def test_a_plugin_that_is_full_delays_no_other(workers: Workers, gate: threading.Event) -> None:
    with ThreadPoolExecutor(2) as callers:
        filling = [callers.submit(workers.call, "full", gate.wait, LONG) for _ in range(2)]
        while workers.slots_of("full")._running < 2:
            time.sleep(0.01)
        refused, well = workers.run(chain(full=lambda: None, b=lambda: "well"))
        gate.set()
        assert [each.result() for each in filling] == [True, True]
    assert isinstance(refused, BusyWorkersError)
    assert well == "well"


def test_a_chain_started_by_a_hook_keeps_to_the_hooks_thread_for_its_own_plugin_alone(workers: Workers) -> None:
    def thread_ids() -> list[int]:
        here = threading.get_ident
        return [here(), *workers.run(chain(a=here, b=here))]

    ((hooks, own, other),) = workers.run(chain(a=thread_ids))
    assert hooks == own != other


def test_a_plugin_that_hangs_in_a_chain_of_another_plugins_hook_is_the_one_to_blame(
    workers: Workers, gate: threading.Event
) -> None:
    def publish() -> list[Any]:
        return workers.run(chain(hangs=gate.wait, c=lambda: "heard"))

    (heard,) = workers.run(chain(a=publish))
    assert "no result" in str(heard[0])
    assert heard[1] == "heard"


def test_closing_gives_up_the_call_and_refuses_the_rest_of_the_chain(workers: Workers, gate: threading.Event) -> None:
    began, called = threading.Event(), threading.Event()

    def hang() -> None:
        began.set()
        gate.wait(LONG)

    with ThreadPoolExecutor(1) as callers:
        running = callers.submit(workers.run, chain(a=lambda: "well", waits=hang, c=called.set))
        assert began.wait(LONG)
        workers.close()
        well, *refused = running.result(LONG)
    assert well == "well"
    assert [type(each) for each in refused] == [ClosedError, ClosedError]
    assert not called.is_set()


def test_a_caller_that_is_interrupted_has_no_further_plugin_called(
    workers: Workers, gate: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    began, called, ended = threading.Event(), threading.Event(), threading.Event()

    def hang() -> None:
        began.set()
        gate.wait(LONG)

    def interrupted(_run: object) -> NoReturn:
        assert began.wait(LONG)
        raise KeyboardInterrupt

    def both() -> Chain[None]:
        try:
            yield from chain(waits=hang, b=called.set)
        finally:
            ended.set()

    with monkeypatch.context() as patch:
        patch.setattr("bot.hooks.calling.chains.Run.wait", interrupted)
        with pytest.raises(KeyboardInterrupt):
            workers.run(both())
    gate.set()
    assert ended.wait(LONG)
    assert not called.is_set()
    assert workers.slots_of("waits")._running == 0


def test_without_another_thread_the_rest_of_a_chain_is_refused(
    workers: Workers, gate: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_thread: threading.Thread) -> NoReturn:
        raise RuntimeError("can't start new thread")

    workers.call("a", lambda: None, LONG)
    monkeypatch.setattr("bot.hooks.calling.threads._Thread.start", refuse)
    hung, refused = workers.run(chain(hangs=gate.wait, b=lambda: "well"))
    assert "no result" in str(hung)
    assert isinstance(refused, BusyWorkersError)
    assert "can't start new thread" in str(refused)


def test_many_chains_at_once_lose_and_mix_up_nothing(workers: Workers) -> None:
    def echo(number: int) -> list[Any]:
        return workers.run(chain(a=lambda: number, b=lambda: -number))

    with ThreadPoolExecutor(16) as callers:
        assert [*callers.map(echo, range(400))] == [[number, -number] for number in range(400)]
    assert not workers._runs
    assert workers.slots_of("a")._running == workers.slots_of("b")._running == 0
