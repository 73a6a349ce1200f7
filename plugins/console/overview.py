"""What the operators' page shows, read from the database. Everything here is blocking."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import nh3
from sqlalchemy import func, literal, select

from bot.protocols import ConsolePanel
from bot.store.models import (
    AnswerRow,
    AuditRow,
    ChannelRow,
    DocumentRow,
    GenerationRow,
    QuestionRow,
    RoundRow,
    VoteRow,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pydantic import BaseModel
    from sqlalchemy.orm import Session

    from bot.app import Mentee

ROUNDS = 3
CHANGES = 8


@dataclass(frozen=True, slots=True)
class DepartmentView:
    """A department at a glance. ``champion`` empty means that the base model answers alone."""

    name: str
    title: str
    open: bool
    documents: int
    failed: int
    generation: str
    chunks: int
    champion: str
    questions: int
    up: int
    down: int
    rounds: Sequence[RoundRow]


@dataclass(frozen=True, slots=True)
class PluginView:
    """A plugin in a scope (a department, or the whole instance)."""

    name: str
    version: str
    origin: str
    error: str
    enabled: bool
    reason: str
    model: type[BaseModel] | None
    settings: BaseModel | None


def departments(mentee: Mentee) -> list[DepartmentView]:
    """Return all departments, by name."""
    with mentee.store.read() as session:
        documents = _pairs(session, select(DocumentRow.department, DocumentRow.state, func.count()))
        votes = _pairs(session, select(AnswerRow.department, VoteRow.value, func.count()).join(VoteRow))
        questions = _pairs(session, select(QuestionRow.department, literal("asked"), func.count()))
        generations = {
            row.department: row for row in session.scalars(select(GenerationRow).where(GenerationRow.active))
        }
        views = []
        for department in mentee.departments.all():
            name, served = department.name, generations.get(department.name)
            champion = mentee.champions.get(name)
            views.append(
                DepartmentView(
                    name,
                    department.title,
                    department.open,
                    documents.get((name, "ready"), 0),
                    documents.get((name, "failed"), 0),
                    served.id if served else "",
                    served.chunks if served else 0,
                    champion.version if champion else "",
                    questions.get((name, "asked"), 0),
                    votes.get((name, "up"), 0),
                    votes.get((name, "down"), 0),
                    _last_rounds(session, name),
                )
            )
    return views


def plugins(mentee: Mentee, scope: str) -> list[PluginView]:
    """Return all plugins as they are for a department, or (``""``) for the whole instance."""
    states = mentee.plugins.states
    views = []
    for plugin in mentee.plugins.loaded.values():
        model = None if plugin.error else mentee.plugins.settings_model(plugin.name)
        views.append(
            PluginView(
                plugin.name,
                plugin.version,
                plugin.origin,
                plugin.error,
                states.enabled(plugin.name, scope or None),
                states.reason(plugin.name, scope) or states.reason(plugin.name),
                model,
                states.settings(plugin.name, scope or None, model),
            )
        )
    return views


def panels(mentee: Mentee) -> list[ConsolePanel]:
    """Return the plugins' boxes; one that fails is left out. Their HTML is cleaned once more here."""
    found = mentee.plugins.values("register_panels", mentee=mentee)
    return [
        ConsolePanel(panel.title, nh3.clean(panel.html), panel.links)
        for _, brought in found
        for panel in brought
        if isinstance(panel, ConsolePanel)
    ]


def channels(mentee: Mentee) -> list[ChannelRow]:
    """Return the conversation places that are bound to departments."""
    with mentee.store.read() as session:
        return list(session.scalars(select(ChannelRow).order_by(ChannelRow.id)))


def changes(mentee: Mentee) -> list[AuditRow]:
    """Return the last changes, newest first."""
    with mentee.store.read() as session:
        return list(session.scalars(select(AuditRow).order_by(AuditRow.at.desc(), AuditRow.id).limit(CHANGES)))


def _pairs(session: Session, counted: Any) -> Mapping[tuple[str, str], int]:
    """Return the count of each pair of the statement's first two columns."""
    grouped = counted.group_by(*counted.selected_columns[:2])
    return {(department, kind): count for department, kind, count in session.execute(grouped)}


def _last_rounds(session: Session, department: str) -> list[RoundRow]:
    newest = select(RoundRow).where(RoundRow.department == department).order_by(RoundRow.created_at.desc())
    return list(session.scalars(newest.limit(ROUNDS)))
