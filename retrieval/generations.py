"""Which generation of a department is served, and how a new one takes its place.

Building happens aside, under a lock that a killed process loses; the switch is one database transaction; every process
follows at its next query. A generation that does not verify is refused: the one in memory stays.
"""

from __future__ import annotations

import fcntl
import shutil
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING
from uuid import uuid4

import structlog
from sqlalchemy import select, update

from bot import artifacts
from bot.errors import ArtifactError, BusyError
from bot.messages import now
from bot.metrics import ARTIFACT_REFUSALS
from bot.store.models import GenerationRow
from retrieval import index

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy.orm import Session

    from bot.settings import Settings
    from bot.store import Store
    from retrieval.index import Generation

KEPT = 3
BUILD_WAIT_SECONDS = 600.0
RETRY_SECONDS = 30.0
_POLL_SECONDS = 0.2
_LOCK = ".lock"

log = structlog.get_logger(__name__)


class Generations:
    """The generations of all departments of an instance."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store = store
        self._folder = settings.artifacts_dir / "indexes"
        self._served: dict[str, Generation] = {}
        self._refused: dict[str, tuple[float, ArtifactError]] = {}
        self._lock = threading.Lock()

    def folder(self, department: str) -> Path:
        """Return the folder of a department's generations."""
        return self._folder / department

    def active(self, session: Session, department: str) -> str | None:
        """Return the name of the generation that should be served."""
        return session.scalar(
            select(GenerationRow.id).where(GenerationRow.department == department, GenerationRow.active)
        )

    def serve(self, department: str, name: str) -> Generation:
        """Return the generation of that name, loaded; if it is refused, the one served before.

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
        """Serve nothing of a department that has no documents left."""
        with self._lock:
            self._served.pop(department, None)

    @contextmanager
    def building(self, department: str, *, wait: float = BUILD_WAIT_SECONDS) -> Iterator[None]:
        """Hold the department's build lock; what killed builders left behind is swept first.

        :raises BusyError: another process has been building for ``wait`` seconds.
        """
        folder = self.folder(department)
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / _LOCK).open("w") as lock:
            deadline = time.monotonic() + wait
            while not _locked(lock.fileno()):
                if time.monotonic() > deadline:
                    raise BusyError(f"The index of {department!r} is being built by another process.", retry_after=60)
                time.sleep(_POLL_SECONDS)
            self._sweep(department)
            yield

    def fresh_name(self, department: str) -> str:
        """Return a name for a new generation, sorted by time within the department."""
        return f"{department}-{now():%Y%m%dT%H%M%S}-{uuid4().hex[:6]}"

    def activate(self, session: Session, generation: Generation, department: str) -> None:
        """Make a generation the served one, inside the caller's transaction."""
        self.deactivate(session, department)
        session.add(
            GenerationRow(
                id=generation.name,
                department=department,
                embedder=generation.embedder,
                documents=len(generation.addresses),
                chunks=len(generation.chunks),
                active=True,
            )
        )

    def deactivate(self, session: Session, department: str) -> None:
        """Serve no generation of the department, inside the caller's transaction."""
        current = GenerationRow.department == department, GenerationRow.active
        session.execute(update(GenerationRow).where(*current).values(active=False))
        session.flush()

    def adopt(self, department: str, generation: Generation) -> None:
        """Serve a generation that this process just built, and let go of all but the last :data:`KEPT`."""
        with self._lock:
            self._served[department] = generation
        newest = GenerationRow.active.desc(), GenerationRow.created_at.desc()
        with self._store.write() as session:
            rows = session.scalars(
                select(GenerationRow).where(GenerationRow.department == department).order_by(*newest)
            )
            for row in rows.all()[KEPT:]:
                session.delete(row)
        self._sweep(department)

    def sweep_all(self) -> int:
        """Remove what killed builders left behind, in every department that nobody is building; return how many."""
        removed = 0
        for folder in self._folder.glob("*"):
            if folder.is_dir():
                with (folder / _LOCK).open("w") as lock:
                    if _locked(lock.fileno()):
                        removed += self._sweep(folder.name)
        return removed

    def _sweep(self, department: str) -> int:
        folder = self.folder(department)
        with self._store.read() as session:
            known = set(session.scalars(select(GenerationRow.id).where(GenerationRow.department == department)))
        strays = [path for path in folder.iterdir() if path.is_dir() and path.name not in known]
        strays = [path for path in strays if not path.name.startswith(artifacts.ASIDE)]
        for path in strays:
            shutil.rmtree(path, ignore_errors=True)
        return len(strays) + artifacts.sweep(folder)

    def _load(self, department: str, name: str) -> Generation:
        refused_at, earlier = self._refused.get(name, (float("-inf"), None))
        if earlier is not None and time.monotonic() - refused_at < RETRY_SECONDS:
            raise earlier
        try:
            generation = index.load(self.folder(department) / name)
        except ArtifactError as error:
            refusal = ArtifactError(
                error.text, hint=f"It was refused. Build a new one: `mentee documents sync --department {department}`."
            )
            self._refused[name] = time.monotonic(), refusal
            ARTIFACT_REFUSALS.labels(index.KIND).inc()
            log.error("index_refused", department=department, generation=name, problem=error.text)  # noqa: TRY400 - the text says it all
            raise refusal from error
        self._refused.pop(name, None)
        return generation


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
