"""The snapshots of every department's index: which one is active, how it is loaded, how a new one replaces it.

Building holds a file lock, which a killed process loses. Activating is one database transaction; every process follows
at its next query. A snapshot that does not verify is refused, and the one in memory stays in use.
"""

from __future__ import annotations

import shutil
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING
from uuid import uuid4

import structlog
from filelock import FileLock, Timeout
from sqlalchemy import select, update

from bot.domain.errors import ArtifactError, BusyError
from bot.domain.identifiers import now
from bot.observability.metrics import ARTIFACT_REFUSALS
from bot.storage import artifacts
from bot.storage.tables.documents import SnapshotRow
from retrieval.index.snapshot import KIND, build_snapshot, load_snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from sqlalchemy.orm import Session

    from bot.storage.session import Store
    from retrieval.embed import Embedder
    from retrieval.index.snapshot import IndexedDocument, Snapshot

KEPT = 3
"""Snapshots kept per department, the active one included."""

BUILD_WAIT_SECONDS = 600.0
"""How long a build waits for another one of the same department."""

RETRY_SECONDS = 30.0
"""How long a refused snapshot is not read again."""

_LOCK = ".lock"

log = structlog.get_logger(__name__)


class SnapshotStore:
    """The index snapshots of all departments.

    :param folder: where they are kept, in one folder per department.
    """

    def __init__(self, store: Store, folder: Path) -> None:
        self._store = store
        self._folder = folder
        self._served: dict[str, Snapshot] = {}
        self._refused: dict[str, tuple[float, ArtifactError]] = {}
        self._lock = threading.Lock()

    def folder(self, department: str) -> Path:
        """Return the folder of a department's snapshots."""
        return self._folder / department

    def active(self, session: Session, department: str) -> str | None:
        """Return the name of the snapshot that should be served."""
        return session.scalar(select(SnapshotRow.id).where(SnapshotRow.department == department, SnapshotRow.active))

    def active_name(self, department: str) -> str | None:
        """Return the name of the snapshot that should be served, in a transaction of its own."""
        with self._store.read() as session:
            return self.active(session, department)

    def serve(self, department: str, name: str) -> Snapshot:
        """Return the snapshot of that name, loaded; if it is refused, the one served before.

        :raises ArtifactError: it does not verify, and none was served before.
        """
        served = self._served.get(department)
        if served is not None and served.name == name:
            return served
        with self._lock:
            served = self._served.get(department)
            if served is not None and served.name == name:
                return served
            try:
                self._served[department] = self._load(department, name)
            except ArtifactError:
                if served is None:
                    raise
            return self._served[department]

    def forget(self, department: str) -> None:
        """Drop the loaded snapshot of a department that has no documents left."""
        with self._lock:
            self._served.pop(department, None)

    @contextmanager
    def building(self, department: str, *, wait: float = BUILD_WAIT_SECONDS) -> Iterator[None]:
        """Hold the department's build lock, and remove what killed builders left behind.

        :raises BusyError: another process has been building for ``wait`` seconds.
        """
        folder = self.folder(department)
        folder.mkdir(parents=True, exist_ok=True)
        try:
            lock = FileLock(folder / _LOCK).acquire(timeout=wait)
        except Timeout:
            raise BusyError(f"The index of {department!r} is being built by another process.", retry_after=60) from None
        with lock:
            self._sweep(department)
            yield

    def build(
        self,
        department: str,
        documents: Sequence[IndexedDocument],
        embedder: Embedder,
        *,
        progress: Callable[[int, int], None] | None = None,
    ) -> Snapshot | None:
        """Build a snapshot of the documents, or return ``None`` when the active one already holds exactly these.

        Vectors of unchanged texts are reused. The caller holds the build lock and activates the snapshot.

        :raises ArtifactError: it cannot be written, or the embedder cannot be loaded.
        """
        previous = self._loadable(department)
        wanted = {document.document_id: document.sha256 for document in documents}
        if previous is not None and previous.embedder == embedder.identity and previous.documents == wanted:
            return None
        name = f"{department}-{now():%Y%m%dT%H%M%S}-{uuid4().hex[:6]}"  # sorts by time within the department
        return build_snapshot(self.folder(department) / name, documents, embedder, previous=previous, progress=progress)

    def activate(self, session: Session, snapshot: Snapshot, department: str) -> None:
        """Make a snapshot the active one, inside the caller's transaction."""
        self.deactivate(session, department)
        session.add(
            SnapshotRow(
                id=snapshot.name,
                department=department,
                embedder=snapshot.embedder,
                documents=len(snapshot.addresses),
                chunks=len(snapshot.chunks),
                active=True,
            )
        )

    def deactivate(self, session: Session, department: str) -> None:
        """Leave the department without an active snapshot, inside the caller's transaction."""
        current = SnapshotRow.department == department, SnapshotRow.active
        session.execute(update(SnapshotRow).where(*current).values(active=False))
        session.flush()

    def adopt(self, department: str, snapshot: Snapshot) -> None:
        """Serve a snapshot that this process just built, and delete all but the newest :data:`KEPT`."""
        with self._lock:
            self._served[department] = snapshot
        newest = SnapshotRow.active.desc(), SnapshotRow.created_at.desc()
        with self._store.write() as session:
            rows = session.scalars(select(SnapshotRow).where(SnapshotRow.department == department).order_by(*newest))
            for row in rows.all()[KEPT:]:
                session.delete(row)
        self._sweep(department)

    def drop_inactive(self, department: str) -> int:
        """Delete every snapshot but the active one, which alone is free of erased documents; return how many.

        The caller holds the build lock.
        """
        with self._store.write() as session:
            inactive = SnapshotRow.department == department, ~SnapshotRow.active
            rows = session.scalars(select(SnapshotRow).where(*inactive)).all()
            for row in rows:
                session.delete(row)
        self._sweep(department)
        return len(rows)

    def departments(self) -> list[str]:
        """Return the departments that have a folder."""
        return sorted(path.name for path in self._folder.glob("*") if path.is_dir())

    def sweep_all(self) -> int:
        """Remove what killed builders left behind, except where a build is running; return how many."""
        removed = 0
        for folder in self._folder.glob("*"):
            if folder.is_dir():
                with suppress(Timeout), FileLock(folder / _LOCK, blocking=False):
                    removed += self._sweep(folder.name)
        return removed

    def _loadable(self, department: str) -> Snapshot | None:
        """Return the active snapshot; ``None`` when there is none or it is damaged, so that it is built anew."""
        name = self.active_name(department)
        if name is None:
            return None
        try:
            served = self.serve(department, name)
        except ArtifactError as error:
            log.warning("index_rebuilt", department=department, problem=error.text)
            return None
        return served if served.name == name else None

    def _sweep(self, department: str) -> int:
        folder = self.folder(department)
        with self._store.read() as session:
            known = set(session.scalars(select(SnapshotRow.id).where(SnapshotRow.department == department)))
        strays = [path for path in folder.iterdir() if path.is_dir() and path.name not in known]
        strays = [path for path in strays if not path.name.startswith(artifacts.ASIDE)]
        for path in strays:
            shutil.rmtree(path, ignore_errors=True)
        return len(strays) + artifacts.sweep(folder)

    def _load(self, department: str, name: str) -> Snapshot:
        refused_at, earlier = self._refused.get(name, (float("-inf"), None))
        if earlier is not None and time.monotonic() - refused_at < RETRY_SECONDS:
            raise earlier
        try:
            snapshot = load_snapshot(self.folder(department) / name)
        except ArtifactError as error:
            refusal = ArtifactError(
                error.text,
                hint=f"Mentee refused it. Rebuild it with `mentee documents sync --department {department}`.",
            )
            self._refused[name] = time.monotonic(), refusal
            ARTIFACT_REFUSALS.labels(KIND).inc()
            log.error("index_refused", department=department, snapshot=name, problem=error.text)  # noqa: TRY400 - the text says it all
            raise refusal from error
        self._refused.pop(name, None)
        return snapshot
