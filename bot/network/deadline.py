"""Until when the current work must be done, such as a plugin's hook."""

from __future__ import annotations

import contextvars
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_until: contextvars.ContextVar[float] = contextvars.ContextVar("until", default=float("inf"))


def remaining() -> float:
    """Return the seconds left, infinite if there is no limit."""
    return _until.get() - time.monotonic()


def limit(seconds: float) -> contextvars.Token[float]:
    """Limit what follows in this context; a limit that ends sooner stays."""
    return limit_until(time.monotonic() + seconds)


def limit_until(until: float) -> contextvars.Token[float]:
    """Like :func:`limit`, with a time of :func:`time.monotonic`."""
    return _until.set(min(_until.get(), until))


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Limit what happens in this block; a limit outside of it that ends sooner stays."""
    token = limit(seconds)
    try:
        yield
    finally:
        _until.reset(token)
