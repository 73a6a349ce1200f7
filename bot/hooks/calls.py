"""Guarded calls: each implementation of a hook is called on its own, with a time limit, and its failures are counted.

pluggy's own call stops at the first implementation that raises and drops the results of the others, so it isn't used.
``MENTEE_TRACE_HOOKS=1`` prints every call, and every call that is left out because a plugin is off or paused.
"""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass
from functools import partial, wraps
from typing import TYPE_CHECKING, Any, Concatenate, Generic, NoReturn, ParamSpec, Protocol, TypeVar

from bot.domain.errors import PluginError, SettingsError
from bot.hooks.calling.awaiting import result_of
from bot.hooks.calling.chains import Call
from bot.hooks.calling.errors import (
    BusyWorkersError,
    CallError,
    ClosedError,
    NotCalledError,
    TimedOutError,
    UnusableSettingsError,
    WrongResultError,
)
from bot.hooks.calling.tracebacks import of_function
from bot.hooks.health import GUARD_HOOKS, Failure, Health
from bot.hooks.registry import Implementation
from bot.hooks.results import NOTHING, SETTINGS_MODEL, holds_texts
from bot.hooks.workers import Workers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from pydantic import BaseModel

    from bot.domain.people import Audience
    from bot.domain.plugins.jobs import Job
    from bot.hooks.calling.breaker import Pass
    from bot.hooks.calling.chains import Chain
    from bot.hooks.calling.limits import TimeLimits
    from bot.hooks.registry import Registry
    from bot.hooks.results import Kind
    from bot.hooks.state import PluginStates

T = TypeVar("T")
P = ParamSpec("P")


@dataclass(slots=True)  # made for each call; a frozen one takes four times as long
class HookResult(Generic[T]):
    """What one implementation returned, or how it failed: a value, an error, or neither.

    :param skipped: whether it wasn't called, because the plugin is paused.
    :param traceback: where it failed.
    """

    plugin: str
    value: T | None = None
    error: PluginError | None = None
    skipped: bool = False
    traceback: str = ""


class MakeContext(Protocol):
    """Returns what a plugin's hook gets as ``context``."""

    def __call__(
        self,
        plugin: str,
        department: str | None,
        settings: Callable[[str | None], Any],
        audience: Audience | None,
        /,
    ) -> object: ...


class HasCalls(Protocol):
    """What has methods that are chains."""

    _calls: Calls


Host = TypeVar("Host", bound=HasCalls)


def chained(method: Callable[Concatenate[Host, P], Chain[T]]) -> Callable[Concatenate[Host, P], T]:
    """Let a method that is a chain of calls make these calls, and return what the chain returns."""

    @wraps(method)
    def run(self: Host, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._calls.run(method(self, *args, **kwargs))

    return run


class Calls:
    """Calls the implementations of hooks for one host.

    :param limits: how long calls may take.
    :param make_context: makes what hooks get as ``context``.
    """

    def __init__(
        self, registry: Registry, states: PluginStates, limits: TimeLimits, make_context: MakeContext | None
    ) -> None:
        self._registry = registry
        self._states = states
        self.limits = limits
        self._make_context = make_context or _no_context
        guards = {each.plugin for hook in GUARD_HOOKS for each in registry.implementations(hook)}
        self.health = Health(states, guards)
        self._models: dict[str, type[BaseModel] | None] = {}
        self._settings_of = {plugin: partial(self._settings, plugin) for plugin in registry.loaded}
        self._workers = Workers()
        self._trace = bool(os.environ.get("MENTEE_TRACE_HOOKS"))

    def run(self, chain: Chain[T]) -> T:
        """Make the calls of a chain; return what it returns."""
        return self._workers.run(chain)

    def close(self) -> None:
        """Give up the calls that still run and let the threads end."""
        self._workers.close()

    def settings_model(self, plugin: str) -> type[BaseModel] | None:
        """Return the model of the plugin's settings, asking the plugin once; ``None`` when it declares none.

        :raises PluginError: the plugin failed to say.
        """
        if plugin not in self._models:
            model = None
            for implementation in self._registry.implementations("register_settings"):
                if implementation.plugin == plugin:
                    result = self.run(self.one(implementation, "register_settings", SETTINGS_MODEL, None, {}))
                    if result.error is not None:
                        raise result.error
                    model = result.value
            self._models[plugin] = model
        return self._models[plugin]

    def implementations(self, hook: str, department: str | None) -> Iterator[Implementation]:
        """Yield the implementations that are on for the department, the plugin registered last first."""
        for implementation in self._registry.implementations(hook):
            if self._states.enabled(implementation.plugin, department):
                yield implementation

    def turns(self, hook: str, department: str | None, only: str = "") -> Iterator[Implementation]:
        """Like :meth:`implementations`, for whoever calls them: those that are off are traced.

        :param only: the one plugin to call.
        """
        for implementation in self._registry.implementations(hook):
            if only and implementation.plugin != only:
                continue
            if self._states.enabled(implementation.plugin, department):
                yield implementation
            elif self._trace:
                self._print(hook, implementation.plugin, department, "skipped: off")

    def each(
        self, hook: str, kind: Kind[T], department: str | None, given: Mapping[str, Any]
    ) -> Iterator[Chain[HookResult[T]]]:
        """Yield, when its turn comes, what calls each implementation; see :meth:`one`."""
        for implementation in self.turns(hook, department):
            yield self.one(implementation, hook, kind, department, given)

    def job(self, plugin: str, job: Job, work: Callable[[], object]) -> Chain[HookResult[Any]]:
        """Do the work of a job, whose plugin must be on, beside the plugin's other calls; see :meth:`one`."""
        hook = f"job {job.name}"
        implementation = Implementation(plugin, work, (), job.limit.total_seconds(), f"{plugin} {hook}")
        return self.one(implementation, hook, NOTHING, None, {})

    def one(
        self,
        implementation: Implementation,
        hook: str,
        kind: Kind[T],
        department: str | None,
        given: Mapping[str, Any],
    ) -> Chain[HookResult[T]]:
        """Call one implementation with the parameters it names. A value of another kind is a failure.

        A plugin that is paused for the department isn't called: there is neither a value nor an error.
        """
        plugin = implementation.plugin
        admitted = self.health.admit(plugin, hook, department)
        started = time.perf_counter() if self._trace else 0.0
        if admitted:
            work = partial(self._call, implementation, given, department, kind)
            try:
                seconds = implementation.seconds or self.limits.of(plugin, hook)
                value: T | None = yield Call(implementation.slots or plugin, work, seconds)
                result = HookResult(plugin, value)
            except CallError as error:
                failure = Failure(plugin, hook, department, str(error), error.where)
                result = HookResult(plugin, error=self._failed(error, failure, admitted), traceback=error.where)
            else:
                if admitted == "trial":
                    self.health.succeeded(plugin, department)
        else:
            result = HookResult(plugin, skipped=True)
        if self._trace:
            self._print(hook, plugin, department, _outcome(result, time.perf_counter() - started))
        return result

    def _print(self, hook: str, plugin: str, department: str | None, outcome: str) -> None:
        """Print a line of the trace."""
        given = ", ".join(self._registry.arguments(hook))
        print(f"hook {hook}({given}) {plugin} [{department or '-'}] {outcome}", file=sys.stderr)  # noqa: T201 - the trace switch prints

    def _failed(self, error: CallError, failure: Failure, admitted: Pass) -> PluginError:
        """Count a failure; one that says nothing against the plugin is at most reported."""
        if not isinstance(error, ClosedError | BusyWorkersError):
            return _told(self.health.failed(failure, admitted), error)
        if admitted == "trial":
            self.health.unused(failure.plugin, failure.department)
        if isinstance(error, ClosedError):
            return PluginError(failure.plugin, failure.hook, failure.text)
        return _told(self.health.refused(failure), error)

    def _call(
        self, implementation: Implementation, given: Mapping[str, Any], department: str | None, kind: Kind[T]
    ) -> T | None:
        """Call an implementation and check what it returns, both within its thread and its time limit.

        So are its settings read: their validators are the plugin's code, too.
        """
        try:
            arguments = [
                given[name] if name in given else self._known(name, implementation.plugin, department, given)
                for name in implementation.parameters
            ]
        except (SettingsError, PluginError) as error:
            raise UnusableSettingsError(error.text.rstrip(".")) from None
        value: T | None = result_of(implementation.function, arguments)
        if value is not None and not kind.fits(value):
            where = of_function(implementation.function)
            raise WrongResultError(f"returned {kind.found(value)}, not {kind.name}", where)
        if kind.used and not holds_texts(value):
            where = of_function(implementation.function)
            raise WrongResultError("returned a text with a NUL character or an unpaired surrogate; remove it", where)
        return value

    def _known(self, name: str, plugin: str, department: str | None, given: Mapping[str, Any]) -> Any:
        """Return a parameter that any hook may have."""
        if name == "settings":
            return self._settings(plugin, department)
        if name == "context":
            audience = getattr(given.get("question"), "audience", None)
            return self._make_context(plugin, department, self._settings_of[plugin], audience)
        return {"department": department}[name]

    def _settings(self, plugin: str, department: str | None) -> BaseModel | None:
        model = self._models[plugin] if plugin in self._models else self.settings_model(plugin)
        return self._states.settings(plugin, department, model)


def _outcome(result: HookResult[Any], seconds: float) -> str:
    """Return what came of a call, for the trace."""
    if result.skipped:
        return "skipped: paused"
    if result.error is not None:
        said = f"failed: {result.error.text}"
    else:
        said = "-> nothing" if result.value is None else f"-> {type(result.value).__name__}"
    return f"{seconds * 1000:.1f} ms {said}"


def _told(failure: PluginError, error: Exception) -> PluginError:
    """Add to a failure whether the plugin was called, and whether it may still be at it."""
    failure.called = not isinstance(error, NotCalledError)
    failure.timed_out = isinstance(error, TimedOutError)
    return failure


def _no_context(plugin: str, *_: Any, **__: Any) -> NoReturn:
    raise SettingsError(
        f"Plugin {plugin!r} needs a context, but no instance of Mentee is open.", hint="Open one first."
    )
