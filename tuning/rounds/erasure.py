"""Erases datasets and the files of rounds that hold something erased, and marks the adapters that learned from it.

Datasets and reports are snapshots: they are deleted whole, never rewritten. A round under way that uses one is
cancelled. The weights stay in use until the next round replaces them, because they can't forget; that round starts from
the base model.
"""

from __future__ import annotations

import json
import shutil
from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import select

from bot.domain.identifiers import now
from bot.storage.tables.training import AdapterRow, DatasetRowRow, RoundRow
from bot.storage.traces import Marks
from tuning.rounds.store import UNDER_WAY

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping
    from pathlib import Path

    from sqlalchemy.orm import Session

    from bot.domain.ports import Erasure
    from bot.storage.session import Store
    from tuning.rounds.store import RoundStore

DATASETS, ROUNDS, ANSWERS = "datasets", "rounds", "answers"
_NO_SALT = "00" * 16


class TrainingEraser:
    """Implements :class:`bot.domain.ports.Eraser` for datasets, rounds and adapters.

    :param folder: the folder of artifacts.
    :param stale_days: returns in how many days a department's stale adapters must be replaced.
    """

    name = "training"

    def __init__(self, store: Store, rounds: RoundStore, folder: Path, stale_days: Callable[[str], int]) -> None:
        self._store = store
        self._rounds = rounds
        self._folder = folder
        self._stale_days = stale_days

    def erase(self, erasure: Erasure) -> Mapping[str, int]:
        """Cancel rounds, mark adapters, and delete the files."""
        datasets = self._datasets(erasure)
        with self._store.read() as session:
            rows = session.scalars(select(RoundRow)).all()
        touched = [row for row in rows if row.dataset in datasets or self._is_collecting(row, erasure)]
        for row in touched:
            if row.state in UNDER_WAY:
                self._rounds.cancel(row.id, actor="erasure", live=True)
        with self._store.write() as session:
            stale = self._mark_stale(session, datasets)
        removed = [self._folder / DATASETS / name for name in datasets]
        reports = [self._folder / ROUNDS / row.id for row in touched]
        caches = [self._folder / ANSWERS] if datasets else []
        counts = {"datasets": removed, "round folders": reports, "caches": caches}
        return {name: sum(map(_remove, paths)) for name, paths in counts.items()} | {"stale adapters": stale}

    def aliases(self, erasure: Erasure) -> tuple[str, ...]:  # noqa: ARG002 - the signature is the protocol's
        """Return nothing: answers and people are known by one id here."""
        return ()

    def orphans(self) -> Iterator[str]:
        """Yield folders of rounds that are on no record, and rows of datasets without an answer."""
        with self._store.read() as session:
            rounds = set(session.scalars(select(RoundRow.id)))
        for path in sorted((self._folder / ROUNDS).glob("*")):
            if path.is_dir() and path.name not in rounds:
                yield f"folder {path} of a round that is on no record"

    def _datasets(self, erasure: Erasure) -> set[str]:
        """Return the datasets that hold an erased answer, person or text, on record or on disk."""
        with self._store.read() as session:
            rows = session.execute(select(DatasetRowRow.dataset, DatasetRowRow.answer_id, DatasetRowRow.people)).all()
        found = {name for name, answer, people in rows if answer in erasure.answers or erasure.person in people}
        marks = Marks.of(_NO_SALT, names={*erasure.names, *erasure.answers}, texts=erasure.texts)
        for folder in (self._folder / DATASETS).glob("*"):
            if folder.is_dir() and folder.name not in found and any(map(marks.recognise, _lines(folder))):
                found.add(folder.name)
        return found

    @staticmethod
    def _is_collecting(row: RoundRow, erasure: Erasure) -> bool:
        """Return whether a round is reading votes at this moment, so that its dataset may still get what is erased."""
        mine = not erasure.department or row.department == erasure.department
        return row.state == "running" and row.dataset is None and mine

    def _mark_stale(self, session: Session, datasets: Collection[str]) -> int:
        """Mark the adapters trained on the datasets and those trained from these; return how many are new."""
        rows = session.scalars(select(AdapterRow).order_by(AdapterRow.created_at)).all()
        saw = {row.version for row in rows if row.dataset in datasets}
        while more := {row.version for row in rows if row.parent in saw} - saw:
            saw |= more
        fresh = [row for row in rows if row.version in saw and row.stale_since is None]
        for row in fresh:
            row.stale_since = now()
            row.replace_by = row.stale_since + timedelta(days=self._stale_days(row.department))
        return len(fresh)


def _lines(folder: Path) -> Iterator[str]:
    for path in sorted(folder.glob("*.jsonl")):
        with path.open(encoding="utf-8") as file:
            for line in file:
                row = json.loads(line)
                yield "\n".join(message["content"] for message in row.get("messages", ()))
                yield from (str(value) for value in row.values() if isinstance(value, str))
                yield from map(str, row.get("people", ()))


def _remove(path: Path) -> int:
    there = path.is_dir()
    shutil.rmtree(path, ignore_errors=True)
    return int(there)
