"""What becomes of a plugin that fails: a helper is paused for the department, a guard never is.

While a guard or a scrubber fails, what it should have checked is refused, so its failures are reported as errors and
shown beside the plugin until ten minutes have passed without one.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict, deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

import structlog
from sqlalchemy.exc import SQLAlchemyError

from bot.domain.errors import BusyError, PluginError
from bot.domain.identifiers import now
from bot.domain.questions import cleaned
from bot.hooks.calling.breaker import Breakers
from bot.hooks.calling.tracebacks import masked
from bot.observability.logs import redacted_text
from bot.observability.metrics import GUARD_FAILURES, PLUGIN_FAILURES, PLUGIN_PAUSED

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from collections.abc import Set as AbstractSet

    from bot.hooks.calling.breaker import Pass
    from bot.hooks.calling.record import FailureRecord
    from bot.hooks.state import PluginStates

GUARD_HOOKS = ("check_answer", "scrub_text", "filter_training_example")
"""Hooks that fail closed. A plugin that implements one of them is a guard."""

BEFORE_ALL = ("register_settings", "register_section", "register_tables")
DECLARING_HOOKS = (*BEFORE_ALL, "register_erasers", "register_jobs")
"""Hooks that say what a plugin has. They are called even while it is paused."""

AT_EVERY_START = (*BEFORE_ALL, "register_commands")
"""Hooks that every process calls, even before the database is there. Their failures aren't recorded."""

REPORT_SECONDS = 30.0
"""How often a failing guard is noted in the database, at most."""

log = structlog.get_logger(__name__)


KEPT = 5
"""Failures of one plugin that are kept with their tracebacks."""


@dataclass(frozen=True, slots=True)
class Failure:
    """One failure of a plugin. Secrets are masked in its texts.

    :param department: for which the hook was called; ``None`` if it was for the whole instance.
    :param traceback: where it happened, with the plugin's file and line; empty if the plugin was never called.
    """

    plugin: str
    hook: str
    department: str | None
    text: str
    traceback: str = ""
    at: datetime = field(default_factory=now)

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", cleaned(redacted_text(self.text)))
        object.__setattr__(self, "traceback", masked(cleaned(self.traceback)))

    def __str__(self) -> str:
        return f"{self.hook}: {self.text}"


class Health:
    """Counts the failures of one host's plugins.

    :param guards: names of the plugins that are never paused.

    ``problems`` has the latest failure of each plugin that failed. ``record``, where it is set, keeps them for other
    processes to see.
    """

    def __init__(
        self, states: PluginStates, guards: AbstractSet[str], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._states = states
        self._guards = guards
        self._breakers = Breakers(clock)
        self._reported: dict[str, float] = {}
        self._kept: dict[str, deque[Failure]] = defaultdict(lambda: deque(maxlen=KEPT))
        self.problems: dict[str, str] = {}
        self.record: FailureRecord | None = None
        self._lock = threading.Lock()

    def failures(self, plugin: str) -> Sequence[Failure]:
        """Return the latest failures of a plugin, the last one first."""
        with self._lock:
            return tuple(reversed(self._kept.get(plugin, ())))

    def is_guard(self, plugin: str) -> bool:
        """Return whether what a plugin should have checked is refused while it fails."""
        return plugin in self._guards

    def admit(self, plugin: str, hook: str, department: str | None) -> Pass:
        """Return whether a call may be made. End a trial with :meth:`succeeded`, :meth:`failed` or :meth:`unused`."""
        if plugin in self._guards or hook in DECLARING_HOOKS:
            return "call"
        return self._breakers.admit(plugin, department)

    def succeeded(self, plugin: str, department: str | None) -> None:
        """Let a plugin return, because its trial call went well."""
        self._breakers.succeeded(plugin, department)
        PLUGIN_PAUSED.labels(plugin, department or "").set(0)
        log.info("plugin_returned", plugin=plugin, department=department)
        self._store(plugin, partial(self._states.note_problem, plugin, self.pauses(plugin)))
        if self.record is not None:
            self._store(plugin, partial(self.record.paused, plugin, department, None))

    def unused(self, plugin: str, department: str | None) -> None:
        """Give a trial back whose call was never made."""
        self._breakers.ended(plugin, department)

    def failed(self, failure: Failure, admitted: Pass = "call") -> PluginError:
        """Count a failure, pause the plugin if it was one too many, and return the failure as an error."""
        error, plugin, department = self.refused(failure), failure.plugin, failure.department
        counts = plugin not in self._guards and failure.hook not in DECLARING_HOOKS
        if counts and self._breakers.failed(plugin, department, admitted):
            paused = self.pauses(plugin)
            PLUGIN_PAUSED.labels(plugin, department or "").set(1)
            log.error("plugin_paused", plugin=plugin, department=department, pauses=paused, problem=str(failure))
            seconds = max(self._breakers.paused(plugin).values())
            note = partial(self._states.note_problem, plugin, f"{paused}; the last failure: {failure}", seconds=seconds)
            self._store(plugin, note)
            if self.record is not None:
                left = self._breakers.paused(plugin).get(department, 0.0)
                self._store(plugin, partial(self.record.paused, plugin, department, left))
        return error

    def pauses(self, plugin: str) -> str:
        """Return for which departments a plugin is paused, and until when; empty if it isn't."""
        left = self._breakers.paused(plugin)
        said = [f"for {name or 'the instance'} until {_time_in(seconds)}" for name, seconds in left.items()]
        return f"paused {', '.join(said)}" if said else ""

    def refused(self, failure: Failure) -> PluginError:
        """Report a call that could not be made, which says nothing against the plugin."""
        plugin, hook, problem = failure.plugin, failure.hook, failure.text
        PLUGIN_FAILURES.labels(plugin).inc()
        with self._lock:
            self.problems[plugin] = str(failure)
            self._kept[plugin].append(failure)
        told = {"plugin": plugin, "hook": hook, "department": failure.department, "problem": problem}
        if plugin in self._guards:
            GUARD_FAILURES.labels(plugin).inc()
            log.error("guard_failed", **told, traceback=failure.traceback)
            self._note(plugin, str(failure))
        else:
            log.warning("plugin_failed", **told, traceback=failure.traceback)
        if self.record is not None and hook not in AT_EVERY_START:
            trace, where = failure.traceback, failure.department
            self._store(plugin, partial(self.record.add, plugin, hook, where, failure.text, trace))
        return PluginError(plugin, hook, problem)

    def _note(self, plugin: str, problem: str) -> None:
        """Show operators, in every process, that a guard fails."""
        with self._lock:
            if time.monotonic() - self._reported.get(plugin, float("-inf")) < REPORT_SECONDS:
                return
            self._reported[plugin] = time.monotonic()
        self._store(plugin, partial(self._states.note_problem, plugin, problem))

    @staticmethod
    def _store(plugin: str, change: Callable[[], None]) -> None:
        """Write to the database; while that can't be, the call goes on as if it had been."""
        try:
            change()
        except (SQLAlchemyError, BusyError):
            log.exception("plugin_state_not_stored", plugin=plugin)


def _time_in(seconds: float) -> str:
    return f"{now() + timedelta(seconds=seconds):%H:%M:%S} UTC"
