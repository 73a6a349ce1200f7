"""Deletes working files of rounds that ended long ago, cached answers, and what killed publishers left behind."""

from __future__ import annotations

import shutil
import time
from datetime import timedelta
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout
from sqlalchemy import select

from bot.domain.identifiers import now
from bot.inference.adapter_files import PUBLISHING_LOCK
from bot.storage.artifacts import ASIDE
from bot.storage.tables.training import AdapterRow, RoundRow
from tuning.rounds.store import UNDER_WAY

if TYPE_CHECKING:
    from pathlib import Path

    from bot.config.core import RetentionSettings
    from bot.storage.session import Store

DAY_SECONDS = 24 * 3600
STRAY_SECONDS = DAY_SECONDS
"""How old an unrecorded adapter must be to be deleted: on no machine does publishing take so long."""


class RoundRetention:
    """Applies ``[retention]`` to the files of rounds. Reports and adapters stay. Everything here is blocking.

    :param folder: the folder of artifacts.
    """

    def __init__(self, store: Store, folder: Path, settings: RetentionSettings) -> None:
        self._store = store
        self._folder = folder
        self._settings = settings

    def apply(self) -> int:
        """Delete what is past its days; return how many folders and files went."""
        return self._work() + self._cache() + self._strays()

    def _work(self) -> int:
        days = self._settings.round_work_days
        if not days:
            return 0
        ended = RoundRow.state.not_in(UNDER_WAY), RoundRow.finished_at < now() - timedelta(days=days)
        with self._store.read() as session:
            found = [
                self._folder / "rounds" / each / "work" for each in session.scalars(select(RoundRow.id).where(*ended))
            ]
        there = [path for path in found if path.is_dir()]
        for path in there:
            shutil.rmtree(path, ignore_errors=True)
        return len(there)

    def _cache(self) -> int:
        days = self._settings.answer_cache_days
        if not days:
            return 0
        before = time.time() - days * DAY_SECONDS
        old = [path for path in (self._folder / "answers").glob("*.jsonl") if path.stat().st_mtime < before]
        for path in old:
            path.unlink(missing_ok=True)
        return len(old)

    def _strays(self) -> int:
        """Delete adapters that were copied but never recorded, because their publisher was killed."""
        folder = self._folder / "adapters"
        before = time.time() - STRAY_SECONDS
        old = [path for path in folder.glob("*") if path.is_dir() and path.stat().st_mtime < before]
        if not old:
            return 0
        try:
            with FileLock(folder / PUBLISHING_LOCK, timeout=0), self._store.read() as session:
                recorded = set(session.scalars(select(AdapterRow.version)))
                strays = [path for path in old if path.name not in recorded and _is_adapter(path.name)]
                for path in strays:
                    shutil.rmtree(path, ignore_errors=True)
        except Timeout:  # somebody publishes; the next run finds them
            return 0
        return len(strays)


def _is_adapter(name: str) -> bool:
    """Return whether a folder is named as the registry names a version, or its draft."""
    return name.startswith(ASIDE) or name.rpartition("-")[2].isdigit()
