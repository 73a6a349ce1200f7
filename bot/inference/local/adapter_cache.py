"""An LRU cache of adapters in memory."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Generic, TypeVar

from cachetools import LRUCache

if TYPE_CHECKING:
    from collections.abc import Callable

    from bot.domain.generation import AdapterRef

Loaded = TypeVar("Loaded")


class AdapterCache(Generic[Loaded]):
    """An LRU cache of loaded adapters by version, safe for threads. An evicted adapter stays valid for its holders.

    :param load: reads an adapter; called by one thread at a time.
    :param limit: maximum number of adapters kept.
    """

    def __init__(self, load: Callable[[AdapterRef], Loaded], limit: int) -> None:
        self._load = load
        self._cache: LRUCache[str, Loaded] = LRUCache(limit)
        self._loading, self._changing = threading.Lock(), threading.Lock()

    @property
    def versions(self) -> set[str]:
        with self._changing:
            return set(self._cache)

    def clear(self) -> None:
        with self._changing:
            self._cache.clear()

    def get(self, ref: AdapterRef) -> Loaded | None:
        """Return the adapter if it is loaded; doesn't wait."""
        with self._changing:
            return self._cache.get(ref.version)

    def load(self, ref: AdapterRef) -> Loaded:
        """Return the adapter, loading it first if needed; raises what loading raises."""
        with self._loading:
            if (loaded := self.get(ref)) is None:
                loaded = self._load(ref)
                with self._changing:
                    self._cache[ref.version] = loaded
            return loaded
