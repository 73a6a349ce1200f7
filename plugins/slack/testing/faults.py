"""Scripted faults of the fake's Web API: what goes wrong, for which method, how often."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


@dataclass(frozen=True, slots=True)
class Fault:
    """One way to fail.

    :param stored: whether the call takes effect all the same, as when only the reply is lost.
    """

    kind: Literal["rate_limited", "http_error", "hang", "drop", "error"]
    value: float | str = 0
    stored: bool = False


def rate_limited(retry_after: int) -> Fault:
    """Answer 429 with ``Retry-After``."""
    return Fault("rate_limited", retry_after)


def http_error(status: int = 500) -> Fault:
    """Answer with a bare HTTP error."""
    return Fault("http_error", status)


def hang(seconds: float = 60.0, *, stored: bool = False) -> Fault:
    """Answer nothing for so long, then close the connection; ``stored`` says whether the call took effect at once."""
    return Fault("hang", seconds, stored)


def drop(*, stored: bool) -> Fault:
    """Read the request, then close the connection; ``stored`` says whether the call took effect."""
    return Fault("drop", stored=stored)


def error(name: str) -> Fault:
    """Answer ``ok: false`` with an error name."""
    return Fault("error", name)


@dataclass(slots=True)
class _Planned:
    method: str
    fault: Fault
    times: int
    channel: str | None
    after: int


class FaultPlan:
    """The faults still to happen, in the order they were scripted."""

    def __init__(self) -> None:
        self._planned: list[_Planned] = []

    def add(self, method: str, fault: Fault, *, times: int = 1, channel: str | None = None, after: int = 0) -> None:
        """Let the next ``times`` calls of ``method`` (in ``channel``, if given) fail, ``after`` so many that do not."""
        self._planned.append(_Planned(method, fault, times, channel, after))

    def take(self, method: str, arguments: Mapping[str, Any]) -> Fault | None:
        """Return the fault of this call, if one is due."""
        for planned in self._planned:
            fits = planned.method == method and planned.channel in (None, arguments.get("channel"))
            if fits and planned.after > 0:
                planned.after -= 1
            elif fits and planned.times > 0:
                planned.times -= 1
                return planned.fault
        return None
