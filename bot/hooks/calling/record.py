"""Records failures of plugins in the database, so that a shell shows what happened in the server.

The record is bounded: of each plugin the latest :data:`KEPT` rows stay, and one that fails again and again in the same
hook gets a row in :data:`EVERY_SECONDS` at most, which counts the failures.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import delete, func, select, update

from bot.domain.identifiers import now
from bot.storage.tables.plugins import PluginFailureRow

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.orm import Session

    from bot.storage.session import Store

KEPT = 20
EVERY_SECONDS = 30.0

Key = tuple[str, str, str | None]


@dataclass(frozen=True, slots=True)
class RecordedFailure:
    """A failure of a plugin, or several of the same kind.

    :param process: where it happened.
    :param times: how often since the failure of this kind that was recorded before.
    :param paused_until: while the plugin is paused for the department in that process, until when.
    """

    plugin: str
    hook: str
    department: str | None
    text: str
    traceback: str
    process: str
    times: int
    at: datetime
    paused_until: datetime | None = None


class FailureRecord:
    """The failures of plugins in all processes that share the database.

    :param process: names this process.
    :param clock: returns seconds, as :func:`time.monotonic` does.
    """

    def __init__(self, store: Store, process: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._process = process[:128]
        self._clock = clock
        self._recorded: dict[Key, float] = {}
        self._since: Counter[Key] = Counter()
        self._lock = threading.Lock()

    def add(self, plugin: str, hook: str, department: str | None, text: str, traceback: str) -> None:
        """Record a failure, or count it if one of its kind was recorded a moment ago."""
        key = (plugin, hook, department)
        with self._lock:
            self._since[key] += 1
            if self._clock() - self._recorded.get(key, float("-inf")) < EVERY_SECONDS:
                return
            self._recorded[key] = self._clock()
            times = self._since.pop(key)
        with self._store.write() as session:
            session.add(
                PluginFailureRow(
                    plugin=plugin,
                    hook=hook,
                    department=department,
                    text=text,
                    traceback=traceback,
                    process=self._process,
                    times=times,
                    at=now(),
                )
            )
            session.flush()
            _keep_latest(session, plugin)

    def paused(self, plugin: str, department: str | None, seconds: float | None) -> None:
        """Record that this process has paused a plugin for some seconds, or with ``None`` that it no longer does."""
        until = now() + timedelta(seconds=seconds) if seconds is not None else None
        with self._store.write() as session:
            ours = (
                PluginFailureRow.plugin == plugin,
                PluginFailureRow.process == self._process,
                PluginFailureRow.department == department,
            )
            session.execute(update(PluginFailureRow).where(*ours).values(paused_until=None))
            latest = select(PluginFailureRow).where(*ours).order_by(PluginFailureRow.at.desc()).limit(1)
            row = session.scalar(latest)
            if row is not None:
                row.paused_until = until

    def of(self, plugin: str) -> list[RecordedFailure]:
        """Return the latest failures of a plugin, the last one first."""
        found = select(PluginFailureRow).where(PluginFailureRow.plugin == plugin)
        with self._store.read() as session:
            rows = session.scalars(found.order_by(PluginFailureRow.at.desc(), PluginFailureRow.id).limit(KEPT)).all()
        return [_recorded(row) for row in rows]

    def latest(self) -> dict[str, RecordedFailure]:
        """Return the last failure of each plugin that has failed, by the plugin's name."""
        last = select(func.max(PluginFailureRow.at)).group_by(PluginFailureRow.plugin)
        with self._store.read() as session:
            rows = session.scalars(select(PluginFailureRow).where(PluginFailureRow.at.in_(last))).all()
        return {row.plugin: _recorded(row) for row in sorted(rows, key=lambda row: row.at)}


def _recorded(row: PluginFailureRow) -> RecordedFailure:
    return RecordedFailure(
        row.plugin,
        row.hook,
        row.department,
        row.text,
        row.traceback,
        row.process,
        row.times,
        row.at,
        row.paused_until,
    )


def _keep_latest(session: Session, plugin: str) -> None:
    of_plugin = PluginFailureRow.plugin == plugin
    latest = select(PluginFailureRow.id).where(of_plugin).order_by(PluginFailureRow.at.desc()).limit(KEPT)
    paused = PluginFailureRow.paused_until > now()
    old = select(PluginFailureRow.id).where(of_plugin, PluginFailureRow.id.not_in(latest), ~paused)
    session.execute(delete(PluginFailureRow).where(PluginFailureRow.id.in_(session.scalars(old).all())))
