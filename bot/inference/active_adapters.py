"""The active adapter of each department: the latest champion in the history, read at most once per second.

Promotion and rollback append to that history; every process follows within a second. An answer keeps the adapter that
it started with. If a champion's files are missing or damaged, the champion before it answers, or else the base model,
until they are back.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

import structlog
from sqlalchemy import select

from bot.domain.errors import ArtifactError
from bot.domain.generation import AdapterRef
from bot.inference.adapter_files import check_adapter, counting_refusals
from bot.inference.fingerprint import ModelFingerprint, model_fingerprint
from bot.inference.lineage import in_force
from bot.storage.tables.training import AdapterRow, ChampionRow

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from bot.storage.session import Store

CACHE_SECONDS = 1.0

RECHECK_SECONDS = 30.0
"""How often damaged files are checked again even if they look unchanged: a network share may be back."""

Stamp = tuple[tuple[str, int, int, int], ...]

log = structlog.get_logger(__name__)


class ActiveAdapters:
    """The champions of all departments.

    :param folder: where adapters are stored, by version.
    :param base_model: the base model in use.
    :param model_folder: the base model's files, if this process has them; adapters made for others are refused.
    """

    def __init__(self, store: Store, folder: Path, base_model: str, model_folder: Path | None = None) -> None:
        self._store = store
        self._folder = folder
        self._base_model = base_model
        self._files = _AdapterFiles(lambda: _fingerprint(base_model, model_folder))
        self._champions: dict[str, AdapterRef] = {}
        self._problems: dict[str, str] = {}
        self._read_at = float("-inf")
        self._lock = threading.Lock()

    def path(self, version: str) -> Path:
        return self._folder / version

    def get(self, department: str, *, reading: bool = True) -> AdapterRef | None:
        """Return the department's champion, or ``None`` when the base model answers alone.

        Adapters for another base model than the one in use, and adapters with damaged files, are never returned.

        :param reading: whether there are passages to answer from; a starter adapter is no use without any.
        """
        with self._lock:
            self._refresh()
            champion = self._champions.get(department)
        return None if champion is None or (champion.starter and not reading) else champion

    def problems(self) -> dict[str, str]:
        """Return what is wrong with champions that can't be used, and what answers instead, by department."""
        with self._lock:
            self._refresh()
            return dict(self._problems)

    def forget(self) -> None:
        """Read again at the next question, because this process changed a champion."""
        with self._lock:
            self._read_at = float("-inf")

    def _refresh(self) -> None:
        if time.monotonic() - self._read_at <= CACHE_SECONDS:
            return
        champions: dict[str, AdapterRef] = {}
        problems: dict[str, str] = {}
        for department, candidates in self._read().items():
            champion, problem = self._first_sound(candidates)
            if champion is not None:
                champions[department] = champion
            if problem:
                problems[department] = problem
        self._tell(problems)
        self._champions, self._problems, self._read_at = champions, problems, time.monotonic()

    def _first_sound(self, candidates: Sequence[AdapterRef]) -> tuple[AdapterRef | None, str]:
        """Return the first adapter whose files are sound, and what is wrong with the one that should answer."""
        wrong = ""
        for ref in candidates:
            problem = self._files.problem(ref)
            if not problem:
                return ref, wrong and f"{wrong} {ref.version} answers instead."
            wrong = wrong or f"Champion {ref.version} can't be used: {problem}"
        return None, wrong and f"{wrong} The base model answers instead."

    def _tell(self, problems: dict[str, str]) -> None:
        for department, problem in problems.items():
            if self._problems.get(department) != problem:
                log.error("champion_unusable", department=department, problem=problem)
        for department in self._problems.keys() - problems.keys():
            log.info("champion_usable_again", department=department)

    def _read(self) -> dict[str, list[AdapterRef]]:
        """Return each department's champion and earlier ones that may replace it, newest first.

        A champion trained on erased data answers until it is replaced, but an earlier one isn't brought back.
        """
        changes = select(ChampionRow.department, ChampionRow.action, ChampionRow.adapter).order_by(ChampionRow.id)
        known = select(AdapterRow).where(AdapterRow.version.in_(select(ChampionRow.adapter)))
        by_department: defaultdict[str, list[tuple[str, str | None]]] = defaultdict(list)
        with self._store.read() as session:
            for department, action, version in session.execute(changes):
                by_department[department].append((action, version))
            rows = {row.version: row for row in session.scalars(known)}
        found: dict[str, list[AdapterRef]] = {}
        for department, history in by_department.items():
            newest, *earlier = reversed(in_force(history))
            head = rows.get(newest) if newest else None
            if head is None or head.base_model != self._base_model:
                continue
            others = [rows[version] for version in earlier if version and version in rows]
            usable = [row for row in others if row.base_model == self._base_model and row.stale_since is None]
            found[department] = [self._ref(row) for row in (head, *usable)]
        return found

    def _ref(self, row: AdapterRow) -> AdapterRef:
        return AdapterRef(row.version, self.path(row.version), row.base_model, row.round_id is None)


class _Seen(NamedTuple):
    stamp: Stamp
    problem: str
    until: float


class _AdapterFiles:
    """Verifies adapters, again only after their files changed.

    :param base: returns what is known of the base model in use.
    """

    def __init__(self, base: Callable[[], ModelFingerprint]) -> None:
        self._base = base
        self._seen: dict[str, _Seen] = {}

    def problem(self, ref: AdapterRef) -> str:
        """Return what is wrong with an adapter's files, ``""`` if nothing is."""
        stamp, seen = _stamp(ref.path), self._seen.get(ref.version)
        if seen is None or seen.stamp != stamp or (seen.problem and time.monotonic() > seen.until):
            seen = self._seen[ref.version] = _Seen(stamp, self._check(ref), time.monotonic() + RECHECK_SECONDS)
        return seen.problem

    def _check(self, ref: AdapterRef) -> str:
        try:
            with counting_refusals():
                check_adapter(ref, self._base())
        except ArtifactError as error:
            return error.text
        return ""


def _stamp(folder: Path) -> Stamp:
    """Return values that change when a file in the folder does."""
    try:
        files = [(path, path.stat()) for path in sorted(folder.rglob("*"))]
    except OSError:
        return ()
    return tuple((str(path), found.st_size, found.st_mtime_ns, found.st_ino) for path, found in files)


def _fingerprint(name: str, folder: Path | None) -> ModelFingerprint:
    try:
        return model_fingerprint(folder) if folder is not None else ModelFingerprint(name)
    except ArtifactError:  # not fetched yet
        return ModelFingerprint(name)
