"""The only module that runs pluggy: discovery, who is on for which department, and guarded calls.

pluggy stops at the first implementation that raises and throws the others' results away, so implementations are called
one by one (:meth:`Plugins._implementations`), each with a time limit and its failures counted. ``MENTEE_TRACE_HOOKS=1``
prints every call.
"""

from __future__ import annotations

import contextvars
import os
import sys
import time
from collections import defaultdict, deque
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points, version
from typing import TYPE_CHECKING, Any

import pluggy
import structlog

from bot import hookspecs
from bot.errors import PluginError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from pydantic import BaseModel

    from bot.plugin_states import PluginStates

BUILT_IN = (
    "retrieval.plugin",
    "tuning.plugin",
    "plugins.sources",
    "plugins.slack",
    "plugins.web",
    "plugins.console",
    "plugins.metrics",
    "plugins.guards.grounding",
    "plugins.guards.secrets",
    "plugins.scrubbers.personal_data",
    "plugins.departments.it",
    "plugins.departments.hr",
    "plugins.departments.travel",
    "plugins.departments.procurement",
    "plugins.departments.security",
    "plugins.departments.operations",
    "plugins.departments.general",
)
"""Mentee's own plugins, lowest priority first. They use nothing that a third party could not use."""

FAILURES_TO_SWITCH_OFF = 5
FAILURE_WINDOW_SECONDS = 600.0
REGISTER_SECONDS = 10.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class LoadedPlugin:
    """A plugin that was found. ``error`` says why it did not load; such a plugin is never called."""

    name: str
    version: str
    origin: str
    error: str = ""


@dataclass(frozen=True, slots=True)
class HookResult:
    """One implementation's outcome: a value or an error, never both."""

    plugin: str
    value: Any = None
    error: PluginError | None = None


class Plugins:
    """The plugins of one instance. Built per instance, so tests never share one.

    :param states: which plugins are on, and their settings, per department.
    :param seconds: time limit of a hook that is not a ``register_…`` hook.
    """

    def __init__(
        self,
        states: PluginStates,
        *,
        seconds: float = 2.0,
        built_in: Sequence[str] = BUILT_IN,
        extra: Mapping[str, Any] | None = None,
        discover: bool = True,
    ) -> None:
        self.states = states
        self.loaded: dict[str, LoadedPlugin] = {}
        self._seconds = seconds
        self._manager = pluggy.PluginManager(hookspecs.GROUP)
        self._manager.add_hookspecs(hookspecs)
        self._failures: dict[str, deque[float]] = defaultdict(deque)
        self._pool = ThreadPoolExecutor(max_workers=16, thread_name_prefix="hook")
        self._trace = bool(os.environ.get("MENTEE_TRACE_HOOKS"))
        for module in built_in:
            self._load(_built_in_name(module), "built in", partial(import_module, module))
        for point in entry_points(group=hookspecs.GROUP) if discover else ():
            self._load_entry_point(point)
        for name, plugin in (extra or {}).items():
            self._load(name, "given", partial(_given, plugin))

    def close(self) -> None:
        """Let go of the worker threads; a hanging hook does not hold the process."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def settings_model(self, plugin: str) -> type[BaseModel] | None:
        """Return the plugin's settings model, or ``None`` when it declares none."""
        for result in self.call("register_settings", only=plugin):
            return result.value  # type: ignore[no-any-return]
        return None

    def call(
        self, hook: str, /, department: str | None = None, *, only: str | None = None, **kwargs: Any
    ) -> Iterator[HookResult]:
        """Call each implementation that is on, latest registered first, and yield what it returned or how it failed.

        Implementations that return ``None`` yield nothing. The caller decides whether a failure matters.
        """
        limit = REGISTER_SECONDS if hook.startswith(("register_", "start_")) else self._seconds
        for implementation in self._implementations(hook):
            name = implementation.plugin_name
            if only not in (None, name) or not self.states.enabled(name, department):
                continue
            result = self._call_one(implementation, hook, department, limit, kwargs)
            if result.error is not None or result.value is not None:
                yield result

    def values(self, hook: str, /, department: str | None = None, **kwargs: Any) -> Iterator[tuple[str, Any]]:
        """Call like :meth:`call`, failing open: yield (plugin, value) of those that succeeded."""
        for result in self.call(hook, department, **kwargs):
            if result.error is None:
                yield result.plugin, result.value

    def fold(
        self,
        hook: str,
        argument: str,
        value: Any,
        /,
        department: str | None = None,
        *,
        closed: bool = False,
        **kwargs: Any,
    ) -> Any:
        """Pass ``value`` through each implementation in turn; a result of another type than ``value`` is a failure.

        :param closed: raise the first failure instead of going on with the value as it was.
        """
        for implementation in self._implementations(hook):
            if not self.states.enabled(implementation.plugin_name, department):
                continue
            given = {**kwargs, argument: value}
            result = self._call_one(implementation, hook, department, self._seconds, given)
            error = result.error
            if error is None and not isinstance(result.value, type(value) | None):
                problem = f"returned {type(result.value).__name__}, not {type(value).__name__}"
                error = self.fail(result.plugin, hook, problem)
            if error is not None and closed:
                raise error
            if error is None and result.value is not None:
                value = result.value
        return value

    def fail(self, plugin: str, hook: str, problem: str) -> PluginError:
        """Count a failure that the caller found, such as a value of the wrong type, and return it as an error."""
        error = PluginError(plugin, hook, problem)
        log.warning("plugin_failed", plugin=plugin, hook=hook, problem=problem)
        from bot.metrics import PLUGIN_FAILURES

        PLUGIN_FAILURES.labels(plugin).inc()
        recent = self._failures[plugin]
        recent.append(time.monotonic())
        while recent and recent[0] < time.monotonic() - FAILURE_WINDOW_SECONDS:
            recent.popleft()
        if len(recent) >= FAILURES_TO_SWITCH_OFF:
            recent.clear()
            minutes = FAILURE_WINDOW_SECONDS / 60
            reason = f"switched off after {FAILURES_TO_SWITCH_OFF} failures in {minutes:.0f} minutes; last: {problem}"
            log.error("plugin_switched_off", plugin=plugin, reason=reason)
            self.states.switch(plugin, "", enabled=False, actor="mentee", reason=reason)
        return error

    def _implementations(self, hook: str) -> list[pluggy.HookImpl]:
        return list(reversed(getattr(self._manager.hook, hook).get_hookimpls()))

    def _call_one(
        self,
        implementation: pluggy.HookImpl,
        hook: str,
        department: str | None,
        limit: float,
        kwargs: Mapping[str, Any],
    ) -> HookResult:
        plugin = implementation.plugin_name
        started = time.perf_counter()
        try:
            given = {**kwargs, "department": department}
            if "settings" in implementation.argnames:
                given["settings"] = self.states.settings(plugin, department, self.settings_model(plugin))
            arguments = [given[name] for name in implementation.argnames]
            value = self._limited(lambda: implementation.function(*arguments), limit)
        except FutureTimeoutError:
            return HookResult(plugin, error=self.fail(plugin, hook, f"no result after {limit:g} s"))
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a plugin may raise anything; none of it may get out
            return HookResult(plugin, error=self.fail(plugin, hook, f"{type(error).__name__}: {error}"))
        finally:
            if self._trace:
                seconds = time.perf_counter() - started
                names = ", ".join(sorted(kwargs))
                print(f"hook {hook}({names}) {plugin} [{department or '-'}] {seconds * 1000:.1f} ms", file=sys.stderr)  # noqa: T201 - the trace switch prints
        return HookResult(plugin, value)

    def _limited(self, work: Callable[[], Any], limit: float) -> Any:
        context = contextvars.copy_context()
        return self._pool.submit(context.run, work).result(timeout=limit)

    def _load_entry_point(self, point: EntryPoint) -> None:
        origin = f"{point.dist.name} {point.dist.version}" if point.dist else point.value
        self._load(point.name, origin, point.load, point.dist.version if point.dist else "")

    def _load(self, name: str, origin: str, load: Callable[[], Any], plugin_version: str = "") -> None:
        shown = plugin_version or version("mentee")
        try:
            self._manager.register(load(), name=name)
            self._manager.check_pending()
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a broken plugin never keeps the bot from starting
            if self._manager.has_plugin(name):
                self._manager.unregister(name=name)
            problem = f"{type(error).__name__}: {error}"
            log.error("plugin_not_loaded", plugin=name, origin=origin, problem=problem)  # noqa: TRY400 - one line is enough
            self.loaded[name] = LoadedPlugin(name, shown, origin, problem)
        else:
            self.loaded[name] = LoadedPlugin(name, shown, origin)


def _given(plugin: Any) -> Any:
    return plugin


def _built_in_name(module: str) -> str:
    parts = module.removeprefix("plugins.").split(".")
    return "-".join(part for part in parts if part not in ("plugin", "guards", "scrubbers"))
