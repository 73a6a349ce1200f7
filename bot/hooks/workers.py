"""The threads in which plugins run.

The calls of a hook form a chain: what one plugin returns may decide what the next one gets. A chain runs in one thread
while its caller watches the time of each call. A call that takes too long is given up: its thread is left to itself,
and the chain goes on in another one. The calls of one plugin that run at the same time are limited, so a plugin that
hangs holds up no other. All threads are daemons, so it doesn't hold up the end of the process either.
"""

from __future__ import annotations

import threading
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from bot.hooks.calling.chains import BegunCall, Call, Run, calls_around
from bot.hooks.calling.errors import BusyWorkersError, CallError, ClosedError, TimedOutError
from bot.hooks.calling.slots import Slots
from bot.hooks.calling.threads import Threads
from bot.hooks.calling.tracebacks import of_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from bot.hooks.calling.chains import Chain, Outcome

WORKERS = 8
"""Calls of one plugin that may run at the same time."""

REPLACEABLE = 8
"""Hung calls of one plugin that are replaced. From then on every further one leaves the plugin one call less."""

T = TypeVar("T")


class Workers:
    """Runs chains of calls.

    :param size: calls of one plugin that may run at the same time.
    :param replaceable: hung calls of one plugin that are replaced.
    """

    def __init__(self, *, size: int = WORKERS, replaceable: int = REPLACEABLE) -> None:
        self._new_slots = partial(Slots, size, replaceable)
        self._slots: dict[str, Slots] = {}
        self._threads = Threads()
        self._runs: set[Run[Any]] = set()
        self._lock = threading.Lock()
        self._closed = False

    def run(self, chain: Chain[T]) -> T:
        """Return what a chain returns. The time of a call begins when the call does, not while it waits for its turn.

        A plugin that is called from within one of its own hooks goes on in the same thread: the outer call's limit
        covers both, and a plugin can't wait for calls that it keeps busy itself.
        """
        outer = {call.slots for call in calls_around()}
        return self._run_within(chain, outer) if outer else self._run_elsewhere(chain)

    def call(self, plugin: str, work: Callable[[], Any], seconds: float) -> Any:
        """Return what ``work`` returns.

        :raises CallError: it raised, took too long or could not begin.
        """
        value, error = self.run(_outcome(Call(plugin, work, seconds)))
        if error is not None:
            raise error
        return value

    def close(self) -> None:
        """Let the threads end. Calls that still run are given up at once."""
        with self._lock:
            self._closed = True
            closing: list[Slots | Run[Any] | Threads] = [*self._slots.values(), *self._runs, self._threads]
        for each in closing:
            each.close()

    def slots_of(self, plugin: str) -> Slots:
        """Return the slots of a plugin's calls."""
        slots = self._slots.get(plugin)
        if slots is None:
            with self._lock:
                slots = self._slots.setdefault(plugin, self._new_slots())
                if self._closed:
                    slots.close()
        return slots

    def _run_within(self, chain: Chain[T], outer: Collection[Slots]) -> T:
        """Run a chain that a plugin's hook started: the plugin's calls here, each of the others elsewhere."""
        outcome: Outcome = None, None
        try:
            while True:
                value, error = outcome
                call = chain.send(value) if error is None else chain.throw(error)
                slots = self.slots_of(call.plugin)
                outcome = BegunCall(call, slots).outcome() if slots in outer else self._run_elsewhere(_outcome(call))
        except StopIteration as stop:
            found: T = stop.value
            return found

    def _run_elsewhere(self, chain: Chain[T]) -> T:
        run = Run(chain, self.slots_of)
        with self._lock:
            self._runs.add(run)
            if self._closed:
                run.close()
        try:
            return self._watched(run)
        finally:
            run.close()  # a caller that was interrupted leaves the rest of its chain behind
            with self._lock:
                self._runs.discard(run)

    def _watched(self, run: Run[T]) -> T:
        error: CallError | None = None
        while True:
            try:
                self._threads.run(partial(run.drive, error))
            except RuntimeError as no_thread:
                return run.refuse(error, partial(BusyWorkersError, str(no_thread)))
            hung = run.wait()
            if hung is None:
                return run.result()
            hung.slots.give_up()
            hung.thread.name = f"plugin {hung.call.plugin}"
            if run.closed:
                return run.refuse(ClosedError(), ClosedError)
            error = TimedOutError(f"no result after {hung.call.seconds:g} s", of_thread(hung.thread.ident))


def _outcome(call: Call) -> Chain[Outcome]:
    """Make one call and return what came of it."""
    try:
        return (yield call), None
    except CallError as error:
        return None, error
