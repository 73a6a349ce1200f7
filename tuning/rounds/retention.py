"""Deletes the working files of rounds that ended long ago, and answers that were cached for evaluations."""

from __future__ import annotations

import shutil
import time
from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import select

from bot.domain.identifiers import now
from bot.storage.tables.training import RoundRow
from tuning.rounds.store import UNDER_WAY

if TYPE_CHECKING:
    from pathlib import Path

    from bot.config.core import RetentionSettings
    from bot.storage.session import Store

DAY_SECONDS = 24 * 3600


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
        return self._work() + self._cache()

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
