"""The registry of adapters: versions that are never reused, who is champion, and the way back.

An adapter is published from a generation of kind "adapter" after it was verified without any model library: its hashes,
that it belongs to the base model in use, and that every number in it is finite. Promotion and rollback only append to
the champions' history, so a rollback needs no trainer and takes milliseconds. When anything is off, the champion stays.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from bot.artifacts import Manifest, verify, writing
from bot.engines.adapter_files import CONFIG, WEIGHTS, check_finite
from bot.engines.identity import ModelIdentity, model_identity
from bot.errors import ArtifactError, NotFoundError
from bot.store.models import AdapterRow, AuditRow, ChampionRow, DatasetRowRow, RoundRow, VoteRow

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy.orm import Session

    from bot.app import Mentee

BASE = "base"
"""Names the base model without an adapter wherever a version is asked for."""


class Registry:
    """The adapters of one instance."""

    def __init__(self, mentee: Mentee) -> None:
        self._mentee = mentee
        self._folder = mentee.settings.artifacts_dir / "adapters"

    def path(self, version: str) -> Path:
        """Return the folder of a version."""
        return self._folder / version

    def base(self) -> ModelIdentity:
        """Return the base model in use; a model behind a server is known by name only."""
        settings = self._mentee.settings
        if settings.model.engine != "local":
            return ModelIdentity(settings.model.name)
        path = settings.models_dir / settings.model.name
        # Before `mentee model fetch` the name is all that is known; the engine compares the rest when it loads both.
        return model_identity(path) if path.is_dir() else ModelIdentity(settings.model.name)

    def base_path(self) -> Path:
        """Return the folder of the base model in use.

        :raises ArtifactError: it has not been fetched to this machine.
        """
        settings = self._mentee.settings
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
        with self._mentee.store.read() as session:
            return list(session.scalars(query))

    def champion(self, department: str) -> str | None:
        """Return the version that answers for the department, ``None`` for the base model."""
        with self._mentee.store.read() as session:
            return _lineage(session, department)[-1]

    def get(self, department: str, version: str) -> AdapterRow:
        """Return an adapter.

        :raises NotFoundError: the department has none of that version; the text lists those it has.
        """
        with self._mentee.store.read() as session:
            row = session.get(AdapterRow, version)
        if row is not None and row.department == department:
            return row
        known = ", ".join(adapter.version for adapter in self.versions(department)) or "none yet"
        raise NotFoundError(
            f"Department {department!r} has no adapter {version!r}. Its adapters: {known}.",
            hint=f"`mentee adapters list --department {department}` shows them.",
        )

    def publish(
        self,
        source: Path,
        department: str,
        *,
        round_id: str | None = None,
        dataset: str | None = None,
        state: str = "challenger",
    ) -> str:
        """Copy a verified adapter generation into the registry and return its new version.

        Publishing again for the same round returns the version it has.

        :raises ArtifactError: the adapter is not sound; nothing was written.
        """
        if round_id is not None and (known := self._of_round(round_id)):
            return known
        manifest = check_sound(source, self.base())
        version = f"{department}-{self._next_number(department)}"
        with writing(self.path(version), "adapter") as draft:
            for name in manifest.files:
                (draft.path / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source / name, draft.path / name)
            draft.meta |= {**manifest.meta, "version": version, "department": department}
        with self._mentee.store.write() as session:
            session.add(
                AdapterRow(
                    version=version,
                    department=department,
                    base_model=manifest.meta["base_model"],
                    sha256=manifest.files[WEIGHTS]["sha256"],
                    state=state,
                    round_id=round_id,
                    dataset=dataset,
                    parent=_lineage(session, department)[-1],
                )
            )
        return version

    def promote(self, department: str, version: str | None, *, actor: str, reason: str = "") -> None:
        """Make a version (``None``: the base model) the department's champion, after verifying its files.

        :raises NotFoundError: the department has no such version.
        :raises ArtifactError: its files are not sound; the champion stays.
        """
        if version is not None:
            row = self.get(department, version)
            manifest = check_sound(self.path(version), self.base())
            if manifest.files[WEIGHTS]["sha256"] != row.sha256:
                raise ArtifactError(
                    f"Adapter {version} holds other weights than those that were published.",
                    hint="It was refused and the champion stays.",
                )
        with self._mentee.store.write() as session:
            if _lineage(session, department)[-1] != version:
                self._append(session, department, version, "promote", actor, reason)
        self._mentee.champions.forget()

    def rollback(self, department: str, *, actor: str, reason: str = "") -> str | None:
        """Give the department back its previous champion and return its version, ``None`` for the base model.

        A previous champion whose files are no longer sound is passed over.

        :raises NotFoundError: the base model answers already; there is nothing to go back to.
        """
        with self._mentee.store.write() as session:
            lineage = _lineage(session, department)
            if len(lineage) == 1:
                raise NotFoundError(
                    f"Department {department!r} has no earlier champion: the base model answers.",
                    hint=f"`mentee adapters list --department {department}` shows its adapters.",
                )
            back = next(version for version in reversed(lineage[:-1]) if self._usable(version))
            self._append(session, department, back, "rollback", actor, reason or f"rolled back from {lineage[-1]}")
        self._mentee.champions.forget()
        return back

    def provenance(self, department: str, version: str) -> dict[str, Any]:
        """Return where an adapter came from: round, dataset, and the answers, votes and people behind its rows."""
        row = self.get(department, version)
        with self._mentee.store.read() as session:
            rows = session.scalars(select(DatasetRowRow).where(DatasetRowRow.dataset == row.dataset)).all()
            answers = {example.answer_id for example in rows}
            counted = select(func.count()).select_from(VoteRow).where(VoteRow.answer_id.in_(answers))
            votes = session.scalar(counted) or 0
            finished = session.get(RoundRow, row.round_id) if row.round_id else None
            champion = _lineage(session, department)[-1]
        return {
            "version": row.version,
            "department": row.department,
            "state": "champion" if champion == version else row.state,
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
            "votes": votes,
            "people": len({person for example in rows for person in example.people}),
            "examples": [{"id": r.example, "answer": r.answer_id, "people": r.people} for r in rows],
        }

    def _append(  # noqa: PLR0913, PLR0917 - one column each
        self, session: Session, department: str, version: str | None, action: str, actor: str, reason: str
    ) -> None:
        before = _lineage(session, department)[-1]
        session.add(ChampionRow(department=department, adapter=version, action=action, actor=actor, reason=reason))
        for name, state in ((before, "retired"), (version, "champion")):
            if name is not None:
                session.get_one(AdapterRow, name).state = state
        detail = {"from": before or BASE, "to": version or BASE, "reason": reason}
        session.add(AuditRow(actor=actor, action=f"adapter.{action}", subject=department, detail=detail))

    def _usable(self, version: str | None) -> bool:
        if version is None:
            return True
        try:
            check_sound(self.path(version), self.base())
        except ArtifactError:
            return False
        return True

    def _of_round(self, round_id: str) -> str | None:
        with self._mentee.store.read() as session:
            return session.scalar(select(AdapterRow.version).where(AdapterRow.round_id == round_id))

    def _next_number(self, department: str) -> int:
        with self._mentee.store.read() as session:
            used = set(session.scalars(select(AdapterRow.version).where(AdapterRow.department == department)))
        used |= {path.name for path in self._folder.glob(f"{department}-*")}  # left by a publisher that was killed
        numbers = [
            int(name.removeprefix(f"{department}-"))
            for name in used
            if name.rpartition("-")[2].isdigit() and name.rpartition("-")[0] == department
        ]
        return max(numbers, default=0) + 1


def check_sound(path: Path, base: ModelIdentity) -> Manifest:
    """Verify an adapter generation without a model library and return its manifest.

    :raises ArtifactError: altered or missing files, another base model, or numbers that are not finite.
    """
    manifest = verify(path, "adapter")
    for name in (CONFIG, WEIGHTS):
        if name not in manifest.files:
            raise ArtifactError(f"The adapter {path} has no {name}.", hint="It was refused and nothing was changed.")
    for key, expected in base.as_meta().items():
        found = manifest.meta.get(key)
        if expected and found != expected and (found or key == "base_model"):
            raise ArtifactError(
                f"The adapter {path} was made for another base: its {key} is {found!r}, here it is {expected!r}.",
                hint=f"Use an adapter made for {base.name}, or set model.name to its base.",
            )
    check_finite(path)
    return manifest


def _lineage(session: Session, department: str) -> list[str | None]:
    """Return the champions in force one upon another: the base model first, today's champion last."""
    lineage: list[str | None] = [None]
    rows = session.scalars(select(ChampionRow).where(ChampionRow.department == department).order_by(ChampionRow.id))
    for row in rows:
        if row.action == "promote":
            lineage.append(row.adapter)
            continue
        while len(lineage) > 1:
            lineage.pop()
            if lineage[-1] == row.adapter:
                break
    return lineage
