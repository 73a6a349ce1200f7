"""Adapters in memory, the ones unused for longest let go."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from bot.protocols import AdapterRef

Thing = TypeVar("Thing")


class Shelf(Generic[Thing]):
    """Keeps what was made of adapters, by version. Any thread may call.

    Whoever holds what it returned may use it, however many others come meanwhile.

    :param make: reads an adapter; called by one thread at a time.
    :param limit: how many are kept.
    """

    def __init__(self, make: Callable[[AdapterRef], Thing], limit: int) -> None:
        self._make = make
        self._limit = limit
        self._kept: OrderedDict[str, Thing] = OrderedDict()
        self._making, self._changing = threading.Lock(), threading.Lock()

    @property
    def versions(self) -> tuple[str, ...]:
        """Return the versions kept, the one unused for longest first."""
        with self._changing:
            return tuple(self._kept)

    def clear(self) -> None:
        """Let all go."""
        with self._changing:
            self._kept.clear()

    def ready(self, ref: AdapterRef) -> Thing | None:
        """Return what is kept of an adapter, without waiting."""
        with self._changing:
            if ref.version in self._kept:
                self._kept.move_to_end(ref.version)
            return self._kept.get(ref.version)

    def fetch(self, ref: AdapterRef) -> Thing:
        """Return what is kept of an adapter, or make it; raises what making raises."""
        with self._making:
            if (thing := self.ready(ref)) is None:
                thing = self._make(ref)
                with self._changing:
                    self._kept[ref.version] = thing
                    if len(self._kept) > self._limit:
                        self._kept.popitem(last=False)
            return thing
