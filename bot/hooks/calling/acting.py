"""Notes what plugins do for a question while it is answered, for the provenance of its answer."""

from __future__ import annotations

import contextvars
import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(slots=True)
class Acted:
    """What plugins did for one question.

    :param plugins: those that acted on it.
    :param completions: how many texts each let the model write.
    """

    plugins: set[str] = field(default_factory=set)
    completions: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)


_acted: contextvars.ContextVar[Acted | None] = contextvars.ContextVar("acted", default=None)


def noting(acted: Acted) -> contextvars.Context:
    """Return a copy of the current context in which ``acted`` takes what plugins do."""
    context = contextvars.copy_context()
    context.run(_acted.set, acted)
    return context


def counting() -> tuple[contextvars.Context, Mapping[str, int]]:
    """Return a copy of the current context, and a live count of the texts each plugin has the model write in it."""
    acted = Acted()
    return noting(acted), acted.completions


def note_acting(plugin: str) -> None:
    """Note that a plugin acts on the question."""
    acted = _acted.get()
    if acted is not None:
        acted.plugins.add(plugin)


def note_completion(plugin: str) -> None:
    """Note that the model wrote a text for a plugin."""
    acted = _acted.get()
    if acted is not None:
        with acted.lock:  # a plugin may have several at once
            acted.completions[plugin] += 1
