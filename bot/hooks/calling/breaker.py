"""Pauses a failing plugin for one department, and lets it return by itself.

Five failures in ten minutes pause it. When the pause is over, one trial call is let through: success ends the pause,
failure starts a new one, twice as long. All of this is of one process.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_FAILURES = 5
"""Failures within :data:`WINDOW_SECONDS` after which a helper is paused."""

WINDOW_SECONDS = 600.0
FIRST_PAUSE_SECONDS = 60.0
LONGEST_PAUSE_SECONDS = 3600.0

Key = tuple[str, str | None]
"""A plugin and a department; ``None`` for calls that aren't for one department."""

Pass = Literal["", "call", "trial"]
"""Whether a call may be made: not at all, as usual, or as the one that decides whether the pause ends."""


@dataclass(slots=True)
class _State:
    failures: deque[float] = field(default_factory=deque)
    pause: float = 0.0
    until: float = 0.0
    on_trial: bool = False


class Breakers:
    """The pauses of one host's plugins.

    :param clock: returns seconds, as :func:`time.monotonic` does.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._states: dict[Key, _State] = defaultdict(_State)
        self._lock = threading.Lock()

    def admit(self, plugin: str, department: str | None) -> Pass:
        """Return whether a call may be made. Tell what came of a trial with :meth:`ended`."""
        state = self._states.get((plugin, department))
        if state is None:
            return "call"  # no failure yet, as for nearly all plugins
        with self._lock:
            if not state.pause or self._states.get((plugin, department)) is not state:
                return "call"
            if state.on_trial or self._clock() < state.until:
                return ""
            state.on_trial = True
            return "trial"

    def ended(self, plugin: str, department: str | None) -> None:
        """End a trial whose call was never made, so that another call may be the trial."""
        with self._lock:
            self._states[plugin, department].on_trial = False

    def succeeded(self, plugin: str, department: str | None) -> None:
        """End the pause: the trial went well."""
        with self._lock:
            del self._states[plugin, department]

    def failed(self, plugin: str, department: str | None, admitted: Pass) -> bool:
        """Count a failure; return whether it starts a pause."""
        with self._lock:
            state, at = self._states[plugin, department], self._clock()
            if admitted == "trial":
                state.on_trial = False
                state.pause = min(2 * state.pause, LONGEST_PAUSE_SECONDS)
            elif state.pause:
                return False  # the call had begun before the pause did
            else:
                state.failures.append(at)
                while state.failures[0] < at - WINDOW_SECONDS:
                    state.failures.popleft()
                if len(state.failures) < MAX_FAILURES:
                    return False
                state.pause = FIRST_PAUSE_SECONDS
            state.until = at + state.pause
            return True

    def paused(self, plugin: str) -> dict[str | None, float]:
        """Return for which departments a plugin is paused, and how many seconds are left; 0 when a trial is due."""
        with self._lock:
            return {
                department: max(0.0, state.until - self._clock())
                for (name, department), state in self._states.items()
                if name == plugin and state.pause
            }
