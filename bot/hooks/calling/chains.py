"""Chains of calls: a generator yields each call and is sent what came of it.

A chain isn't bound to a thread. While one of its calls hangs, the generator waits at that call's ``yield``, and another
thread can take it from there.
"""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeAlias, TypeVar

from bot.hooks.calling.errors import CallError, ClosedError
from bot.hooks.calling.tracebacks import of_error, said
from bot.network.deadline import limit_until

if TYPE_CHECKING:
    from bot.hooks.calling.slots import Slots

LOOK_SECONDS = 1.0
"""How often, at the least, a caller looks at its chain. It is told of calls that must end sooner."""

T = TypeVar("T")


class Call(NamedTuple):
    """One call of a plugin.

    :param plugin: the plugin, or its job, of whose slots it takes one.
    :param seconds: how long it may take, and how long it may wait for the plugin's other calls.
    """

    plugin: str
    work: Callable[[], Any]
    seconds: float


Chain: TypeAlias = Generator[Call, Any, T]
"""Yields calls. It is sent what each returns; if there is no result, a :class:`CallError` is thrown into it."""

Outcome: TypeAlias = tuple[Any, CallError | None]

_begun: contextvars.ContextVar[BegunCall | None] = contextvars.ContextVar("begun", default=None)
"""The innermost call that the current code runs in; it knows the one around it."""


def calls_around() -> list[BegunCall]:
    """Return the calls that the current code runs in, without those that have ended.

    Ended ones are around code that a hook started and that goes on.
    """
    around, call = [], _begun.get()
    while call is not None:
        if not call.ended:
            around.append(call)
        call = call.outer
    return around


class BegunCall:
    """A call that was begun, in the thread that makes it."""

    __slots__ = ("call", "ended", "outer", "slots", "thread", "until")

    def __init__(self, call: Call, slots: Slots) -> None:
        self.call = call
        self.slots = slots
        self.until = time.monotonic() + call.seconds
        self.thread = threading.current_thread()
        self.outer: BegunCall | None = None
        self.ended = False

    def outcome(self) -> Outcome:
        """Make the call. Whatever a plugin raises, ``SystemExit`` and cancellation included, stays in here."""
        try:
            return contextvars.copy_context().run(self._make), None
        except CallError as error:
            return None, error
        except BaseException as error:  # noqa: BLE001 - a plugin may raise anything; none of it may get out
            return None, CallError(said(error), of_error(error))
        finally:
            self.ended = True

    def _make(self) -> Any:
        self.outer = _begun.get()
        _begun.set(self)
        limit_until(self.until)
        return self.call.work()


class Run(Generic[T]):
    """One run of a chain, shared by its caller, who waits, and the thread that makes the calls.

    :param slots_of: returns the slots of a plugin.
    """

    def __init__(self, chain: Chain[T], slots_of: Callable[[str], Slots]) -> None:
        self._chain = chain
        self._slots_of = slots_of
        self._context = contextvars.copy_context()
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._looks_at = 0.0
        self._running: BegunCall | None = None
        self._ended = False
        self._value: Any = None
        self._error: BaseException | None = None
        self.closed = False

    def drive(self, error: CallError | None) -> Callable[[], object] | None:
        """Go on with the chain in this thread; return what tells the caller, or ``None`` if a call was given up.

        :param error: what came of the call at which the chain waits.
        """
        return self._context.copy().run(self._drive, error)

    def wait(self) -> BegunCall | None:
        """Wait until a call has taken too long, which is thereby given up, or until the chain has ended."""
        with self._lock:
            while not self._ended:
                running, now = self._running, time.monotonic()
                if running is not None and (self.closed or running.until <= now):
                    self._running = None
                    return running
                self._looks_at = min(now + LOOK_SECONDS, running.until if running is not None else float("inf"))
                self._changed.wait(self._looks_at - now)
        return None

    def result(self) -> T:
        """Return what the chain returned, or raise what it raised."""
        if self._error is not None:
            raise self._error
        value: T = self._value
        return value

    def refuse(self, error: CallError | None, refusal: Callable[[], CallError]) -> T:
        """Go on with the chain in the caller's thread, without making its calls."""
        try:
            self._go_on(None, error)
            while True:
                self._go_on(None, refusal())
        except StopIteration as stop:
            value: T = stop.value
            return value

    def close(self) -> None:
        """Give up the call that runs, and make no more."""
        with self._lock:
            self.closed = True
            self._changed.notify()

    def _go_on(self, value: Any, error: CallError | None) -> Call:
        return self._chain.send(value) if error is None else self._chain.throw(error)

    def _drive(self, error: CallError | None) -> Callable[[], object] | None:
        outcome: Outcome | None = (None, error)
        try:
            while outcome is not None:
                outcome = self._make(self._go_on(*outcome))
        except StopIteration as stop:
            self._value = stop.value
        except BaseException as failure:  # noqa: BLE001 - raised again where the chain was started
            self._error = failure
        else:
            return None
        return self._end

    def _make(self, call: Call) -> Outcome | None:
        """Make a call; return what came of it, or ``None`` if it was given up."""
        if self.closed:
            return None, ClosedError()
        slots = self._slots_of(call.plugin)
        try:
            slots.take(call.seconds)
        except CallError as error:
            return None, error
        begun = BegunCall(call, slots)
        with self._lock:
            self._running = begun
            if begun.until < self._looks_at or self.closed:
                self._changed.notify()
        outcome = begun.outcome()
        with self._lock:
            given_up = self._running is not begun
            if not given_up:
                self._running = None
        if given_up:
            slots.returned()
            return None
        slots.give_back()
        return outcome

    def _end(self) -> None:
        with self._lock:
            self._ended = True
            self._changed.notify()
