"""The history of champions. It is only appended to; what answers now follows from it.

Whoever appends names the champion that they mean to replace. If another answers by then, because two operators or an
operator and a round acted at the same time, the first change stands and the second is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from sqlalchemy import select

from bot.access.audit import note_change
from bot.domain.errors import ArtifactError, MenteeError
from bot.inference.lineage import in_force
from bot.storage.session import take_turns
from bot.storage.tables.training import AdapterRow, ChampionRow

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

BASE = "base"
"""Names the base model without an adapter wherever a version is asked for."""


class ChampionChangedError(MenteeError):
    """Another champion answers than the one that was to be replaced."""

    status = 409


def lineage(session: Session, department: str) -> list[str | None]:
    """Return the champions in force one upon another: the base model first, today's champion last."""
    changes = select(ChampionRow.action, ChampionRow.adapter).where(ChampionRow.department == department)
    return in_force((action, version) for action, version in session.execute(changes.order_by(ChampionRow.id)))


def locked_champion(session: Session, department: str) -> str | None:
    """Return today's champion, which nobody changes until the caller's transaction ends."""
    take_turns(session, f"champion of {department}")
    return lineage(session, department)[-1]


def was_champion(session: Session, version: str) -> bool:
    """Return whether a version ever answered, even if it was rolled back since."""
    return session.scalar(select(ChampionRow.id).where(ChampionRow.adapter == version).limit(1)) is not None


def append(  # noqa: PLR0913 - one keyword for each column, and the condition
    session: Session,
    department: str,
    version: str | None,
    *,
    over: str | None,
    action: Literal["promote", "rollback"],
    actor: str,
    reason: str,
) -> None:
    """Make a version (``None``: the base model) the champion, inside the caller's transaction.

    :param over: the champion that it is to replace.
    :raises ChampionChangedError: another one answers now.
    :raises ArtifactError: the version learned from data that was erased.
    """
    if (champion := locked_champion(session, department)) != over:
        raise ChampionChangedError(
            f"The champion of {department!r} changed at the same time: {champion or BASE} answers now, "
            f"no longer {over or BASE}. Nothing else was changed.",
            hint=f"Run `mentee adapters list --department {department}`, and decide again.",
        )
    row = session.get_one(AdapterRow, version, with_for_update=True) if version else None
    if row is not None and row.stale_since is not None:
        raise ArtifactError(
            f"Adapter {version} learned from data that was erased on {row.stale_since:%Y-%m-%d}.",
            hint="Run a round: the next adapter learns without it.",
        )
    session.add(ChampionRow(department=department, adapter=version, action=action, actor=actor, reason=reason))
    if over is not None:
        session.get_one(AdapterRow, over).state = "retired"
    if row is not None:
        row.state = "champion"
    detail = {"from": over or BASE, "to": version or BASE, "reason": reason}
    note_change(session, actor=actor, action=f"adapter.{action}", subject=department, detail=detail)
