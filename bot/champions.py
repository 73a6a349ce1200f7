"""Which adapter answers for which department: the newest row of the champions' history, read at most once a second.

Promotion and rollback append to that history (:mod:`tuning.registry`); every process follows within the second, and an
answer under way keeps the adapter it began with.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from bot.protocols import AdapterRef
from bot.store.models import AdapterRow, ChampionRow

if TYPE_CHECKING:
    from pathlib import Path

    from bot.settings import Settings
    from bot.store import Store

CACHE_SECONDS = 1.0


class Champions:
    """The champions of all departments."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store = store
        self._folder = settings.artifacts_dir / "adapters"
        self._base_model = settings.model.name
        self._champions: dict[str, AdapterRef] = {}
        self._read_at = float("-inf")
        self._lock = threading.Lock()

    def path(self, version: str) -> Path:
        """Return the folder of an adapter version."""
        return self._folder / version

    def get(self, department: str, *, reading: bool = True) -> AdapterRef | None:
        """Return the department's champion, or ``None`` when the base model answers alone.

        An adapter of another base model than the one in use is never given: it would not fit.

        :param reading: whether there are passages to answer from; without any, a starter has nothing to say.
        """
        with self._lock:
            if time.monotonic() - self._read_at > CACHE_SECONDS:
                self._champions = self._read()
                self._read_at = time.monotonic()
            champion = self._champions.get(department)
        if champion is None or champion.base_model != self._base_model:
            return None
        return champion if reading or not champion.starter else None

    def forget(self) -> None:
        """Read anew at the next question, because this process changed a champion."""
        with self._lock:
            self._read_at = float("-inf")

    def _read(self) -> dict[str, AdapterRef]:
        newest = select(func.max(ChampionRow.id)).group_by(ChampionRow.department)
        query = (
            select(ChampionRow.department, AdapterRow.version, AdapterRow.base_model, AdapterRow.round_id.is_(None))
            .join(AdapterRow, AdapterRow.version == ChampionRow.adapter)
            .where(ChampionRow.id.in_(newest))
        )
        with self._store.read() as session:
            return {
                department: AdapterRef(version, self.path(version), base_model, starter)
                for department, version, base_model, starter in session.execute(query)
            }
