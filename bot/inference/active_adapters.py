"""The active adapter of each department: the latest champion in the history, read at most once per second.

Promotion and rollback append to that history; every process follows within a second. An answer keeps the adapter that
it started with.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from bot.domain.generation import AdapterRef
from bot.storage.tables.training import AdapterRow, ChampionRow

if TYPE_CHECKING:
    from pathlib import Path

    from bot.storage.session import Store

CACHE_SECONDS = 1.0


class ActiveAdapters:
    """The champions of all departments.

    :param folder: where adapters are stored, by version.
    :param base_model: the base model in use.
    """

    def __init__(self, store: Store, folder: Path, base_model: str) -> None:
        self._store = store
        self._folder = folder
        self._base_model = base_model
        self._champions: dict[str, AdapterRef] = {}
        self._read_at = float("-inf")
        self._lock = threading.Lock()

    def path(self, version: str) -> Path:
        return self._folder / version

    def get(self, department: str, *, reading: bool = True) -> AdapterRef | None:
        """Return the department's champion, or ``None`` when the base model answers alone.

        An adapter of another base model than the one in use is never returned.

        :param reading: whether there are passages to answer from; a starter adapter is no use without any.
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
        """Read again at the next question, because this process changed a champion."""
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
