"""The registry of adapters: versions that are never reused, who is champion, and the way back.

An adapter is published from a snapshot of kind "adapter" after it was verified without any model library: its hashes,
that it belongs to the base model in use, and that every number in it is finite. Promotion and rollback only append to
the champions' history, so a rollback needs no trainer and takes milliseconds. When anything is off, the champion stays.
"""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from filelock import FileLock
from sqlalchemy import select

from bot.domain.errors import ArtifactError, NotFoundError
from bot.inference.adapter_files import CONFIG, PUBLISHING_LOCK, WEIGHTS, check_finite
from bot.inference.fingerprint import ModelFingerprint, model_fingerprint
from bot.storage.artifacts import Manifest, verify, writing
from bot.storage.tables.training import AdapterRow, DatasetRowRow, RoundRow
from tuning.rounds import champions
from tuning.rounds.champions import BASE, lineage
from tuning.rounds.store import NotHeldError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from sqlalchemy.orm import Session

    from bot.config.settings import Settings
    from bot.domain.ports import ChosenAdapters
    from bot.feedback.history import FeedbackHistory
    from bot.storage.session import Store

__all__ = ["BASE", "Registry", "check_sound"]


class Registry:
    """The adapters of one instance."""

    def __init__(self, store: Store, settings: Settings, active: ChosenAdapters, feedback: FeedbackHistory) -> None:
        self._store = store
        self._settings = settings
        self._active = active
        self._feedback = feedback
        self._folder = settings.artifacts_dir / "adapters"

    def path(self, version: str) -> Path:
        """Return the folder of a version."""
        return self._folder / version

    def base(self) -> ModelFingerprint:
        """Return the base model in use; a model behind a server is known by name only."""
        settings = self._settings
        if settings.model.engine != "local":
            return ModelFingerprint(settings.model.name)
        path = settings.models_dir / settings.model.name
        # Before `mentee model fetch` the name is all that is known; the engine compares the rest when it loads both.
        return model_fingerprint(path) if path.is_dir() else ModelFingerprint(settings.model.name)

    def base_path(self) -> Path:
        """Return the folder of the base model in use.

        :raises ArtifactError: it has not been fetched to this machine.
        """
        settings = self._settings
        path = settings.models_dir / settings.model.name
        if not path.is_dir():
            raise ArtifactError(
                f"The model {settings.model.name!r} is not on this machine: {path} is missing.",
                hint=f"Fetch it with `mentee model fetch {settings.model.name}`.",
            )
        return path

    def versions(self, department: str) -> list[AdapterRow]:
        """Return a department's adapters, oldest first."""
        query = select(AdapterRow).where(AdapterRow.department == department).order_by(AdapterRow.created_at)
        with self._store.read() as session:
            return list(session.scalars(query))

    def champion(self, department: str) -> str | None:
        """Return the version that answers for the department, ``None`` for the base model."""
        with self._store.read() as session:
            return lineage(session, department)[-1]

    def stale(self, version: str | None) -> bool:
        """Return whether an adapter learned from something that was erased since."""
        with self._store.read() as session:
            row = session.get(AdapterRow, version) if version else None
        return row is not None and row.stale_since is not None

    def get(self, department: str, version: str) -> AdapterRow:
        """Return an adapter.

        :raises NotFoundError: the department has none of that version; the text lists those it has.
        """
        with self._store.read() as session:
            row = session.get(AdapterRow, version)
        if row is not None and row.department == department:
            return row
        known = ", ".join(adapter.version for adapter in self.versions(department)) or "none yet"
        raise NotFoundError(
            f"Department {department!r} has no adapter {version!r}. Its adapters: {known}.",
            hint=f"Run `mentee adapters list --department {department}` to see them.",
        )

    def publish(  # noqa: PLR0913 - what is published, and of which round
        self,
        source: Path,
        department: str,
        *,
        round_id: str | None = None,
        dataset: str | None = None,
        state: str = "challenger",
        transaction: AbstractContextManager[Session] | None = None,
    ) -> str:
        """Copy a verified adapter snapshot into the registry and return its new version.

        Publishing again for the same round returns the version it has.

        :param transaction: the one that records it; a new one, if none is given. If it refuses because the round was
            left, the copy is removed.
        :raises ArtifactError: the adapter is not sound; nothing was written.
        """
        if round_id is not None and (known := self._of_round(round_id)):
            return known
        manifest = check_sound(source, self.base())
        with self._copied(source, manifest, department) as version, transaction or self._store.write() as session:
            session.add(
                AdapterRow(
                    version=version,
                    department=department,
                    base_model=manifest.meta["base_model"],
                    sha256=manifest.files[WEIGHTS]["sha256"],
                    state=state,
                    round_id=round_id,
                    dataset=dataset,
                    parent=self._parent(session, department),
                )
            )
        return version

    def promote(self, department: str, version: str | None, *, actor: str, reason: str = "") -> None:
        """Make a version (``None``: the base model) the department's champion, after verifying its files.

        :raises NotFoundError: the department has no such version.
        :raises ArtifactError: its files are not sound, or it learned from erased data; the champion stays.
        :raises ChampionChangedError: somebody else changed the champion at the same time; theirs stays.
        """
        over = self.champion(department)
        if version is not None:
            self.check(department, version)
        with self._store.write() as session:
            self.promote_within(session, department, version, over=over, actor=actor, reason=reason)
        self.forget()

    def check(self, department: str, version: str) -> None:
        """Verify a version's files.

        :raises NotFoundError: the department has no such version.
        :raises ArtifactError: its files are not sound, or not those that were published.
        """
        row = self.get(department, version)
        manifest = check_sound(self.path(version), self.base())
        if manifest.files[WEIGHTS]["sha256"] != row.sha256:
            raise ArtifactError(
                f"Adapter {version} doesn't have the weights that were published.",
                hint="Mentee refused it; the champion stays.",
            )

    @staticmethod
    def promote_within(  # noqa: PLR0913 - the promotion, and what it replaces
        session: Session, department: str, version: str | None, *, over: str | None, actor: str, reason: str
    ) -> None:
        """Promote a version that was checked, inside the caller's transaction; call :meth:`forget` afterwards.

        :param over: the champion that the caller means to replace.
        :raises ChampionChangedError: another one answers by now.
        """
        if champions.locked_champion(session, department) != version:
            champions.append(session, department, version, over=over, action="promote", actor=actor, reason=reason)

    def forget(self) -> None:
        """Let this process look anew at what answers."""
        self._active.forget()

    def was_champion(self, version: str) -> bool:
        """Return whether a version ever answered."""
        with self._store.read() as session:
            return champions.was_champion(session, version)

    def refuse(self, version: str) -> None:
        """Record that a published version must not go live by itself."""
        with self._store.write() as session:
            session.get_one(AdapterRow, version).state = "refused"

    def rollback(self, department: str, *, actor: str, reason: str = "") -> str | None:
        """Give the department back its previous champion and return its version, ``None`` for the base model.

        A previous champion whose files are no longer sound, or that learned from erased data, is passed over.

        :raises NotFoundError: the base model answers already; there is nothing to go back to.
        :raises ChampionChangedError: somebody else changed the champion at the same time.
        """
        with self._store.read() as session:
            *earlier, over = lineage(session, department)
        if not earlier:
            raise NotFoundError(
                f"Department {department!r} has no earlier champion: the base model answers.",
                hint=f"Run `mentee adapters list --department {department}` to see its adapters.",
            )
        back = next(version for version in reversed(earlier) if self._usable(version))
        reason = reason or f"rolled back from {over}"
        with self._store.write() as session:
            champions.append(session, department, back, over=over, action="rollback", actor=actor, reason=reason)
        self.forget()
        return back

    def provenance(self, department: str, version: str) -> dict[str, Any]:
        """Return where an adapter came from: round, dataset, and the answers, votes and people behind its rows."""
        row = self.get(department, version)
        with self._store.read() as session:
            rows = session.scalars(select(DatasetRowRow).where(DatasetRowRow.dataset == row.dataset)).all()
            answers = {example.answer_id for example in rows}
            finished = session.get(RoundRow, row.round_id) if row.round_id else None
            champion = lineage(session, department)[-1]
        return {
            "version": row.version,
            "department": row.department,
            "state": "champion" if champion == version else row.state,
            "stale_since": row.stale_since,
            "replace_by": row.replace_by,
            "base_model": row.base_model,
            "sha256": row.sha256,
            "created_at": row.created_at,
            "parent": row.parent,
            "round": row.round_id,
            "verdict": finished.verdict if finished else None,
            "reason": finished.reason if finished else "",
            "dataset": row.dataset,
            "rows": len(rows),
            "answers": len(answers),
            "votes": self._feedback.count_votes(answers),
            "people": len({person for example in rows for person in example.people}),
            "examples": [{"id": r.example, "answer": r.answer_id, "people": r.people} for r in rows],
        }

    def _usable(self, version: str | None) -> bool:
        if version is None:
            return True
        if self.stale(version):
            return False
        try:
            check_sound(self.path(version), self.base())
        except ArtifactError:
            return False
        return True

    def _parent(self, session: Session, department: str) -> str | None:
        """Return the champion, from which a round trains on; ``None`` when it is stale and the round did not."""
        champion = lineage(session, department)[-1]
        row = session.get(AdapterRow, champion) if champion else None
        return None if row is not None and row.stale_since is not None else champion

    def _of_round(self, round_id: str) -> str | None:
        with self._store.read() as session:
            return session.scalar(select(AdapterRow.version).where(AdapterRow.round_id == round_id))

    @contextmanager
    def _copied(self, source: Path, manifest: Manifest, department: str) -> Iterator[str]:
        """Copy a snapshot and yield its new version, to be recorded before somebody else publishes."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with FileLock(self._folder / PUBLISHING_LOCK):
            version = f"{department}-{self._next_number(department)}"
            with writing(self.path(version), "adapter") as draft:
                for name in manifest.files:
                    (draft.path / name).parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(source / name, draft.path / name)
                draft.meta |= {**manifest.meta, "version": version, "department": department}
            try:
                yield version
            except NotHeldError:
                shutil.rmtree(self.path(version), ignore_errors=True)
                raise

    def _next_number(self, department: str) -> int:
        with self._store.read() as session:
            used = set(session.scalars(select(AdapterRow.version).where(AdapterRow.department == department)))
        used |= {path.name for path in self._folder.glob(f"{department}-*")}  # left by a publisher that was killed
        numbers = [
            int(name.removeprefix(f"{department}-"))
            for name in used
            if name.rpartition("-")[2].isdigit() and name.rpartition("-")[0] == department
        ]
        return max(numbers, default=0) + 1


def check_sound(path: Path, base: ModelFingerprint) -> Manifest:
    """Verify an adapter snapshot without a model library and return its manifest.

    :raises ArtifactError: altered or missing files, another base model, or numbers that are not finite.
    """
    manifest = verify(path, "adapter")
    for name in (CONFIG, WEIGHTS):
        if name not in manifest.files:
            raise ArtifactError(f"The adapter {path} has no {name}.", hint="Mentee refused it and changed nothing.")
    for key, expected in base.as_meta().items():
        found = manifest.meta.get(key)
        if expected and found != expected and (found or key == "base_model"):
            raise ArtifactError(
                f"The adapter {path} was made for another base: its {key} is {found!r}, here it is {expected!r}.",
                hint=f"Use an adapter made for {base.name}, or set model.name to its base.",
            )
    check_finite(path)
    return manifest
