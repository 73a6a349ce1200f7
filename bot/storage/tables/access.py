"""People, departments, places, plugins and the audit log."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    String,
    Text,
)
from sqlalchemy.orm import Mapped, mapped_column

from bot.domain.identifiers import now
from bot.storage.tables.base import Base, id_column


class PersonRow(Base):
    """Somebody known to the instance; ``id`` carries the channel (``web:ada``)."""

    __tablename__ = "people"
    id: Mapped[str] = mapped_column(String(255), primary_key=True)
    name: Mapped[str] = mapped_column(String(255), default="")
    role: Mapped[str] = mapped_column(String(16), default="employee")
    password_hash: Mapped[str | None] = mapped_column(Text)
    notifications: Mapped[bool] = mapped_column(default=True)  # whether they want to hear what became of their feedback
    created_at: Mapped[datetime] = mapped_column(default=now)
    __table_args__ = (CheckConstraint("role in ('employee', 'agent', 'operator')", name="people_role"),)


class DepartmentRoleRow(Base):
    """A person's role in one department, beyond the role they have everywhere."""

    __tablename__ = "department_roles"
    person_id: Mapped[str] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"), primary_key=True)
    department: Mapped[str] = mapped_column(ForeignKey("departments.name", ondelete="CASCADE"), primary_key=True)
    role: Mapped[str] = mapped_column(String(16))
    __table_args__ = (CheckConstraint("role in ('employee', 'agent')", name="department_roles_role"),)


class TokenRow(Base):
    """An API token. ``digest`` is its SHA-256, so that a copy of the table opens nothing."""

    __tablename__ = "tokens"
    id: Mapped[str] = id_column("t")
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    person_id: Mapped[str] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"), index=True)
    scopes: Mapped[list[Any]] = mapped_column()
    created_at: Mapped[datetime] = mapped_column(default=now)
    expires_at: Mapped[datetime] = mapped_column()


class RetiredNameRow(Base):
    """A removed person's or department's name, which is not given again. ``id`` is its SHA-256; the name isn't kept."""

    __tablename__ = "retired_names"
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    retired_at: Mapped[datetime] = mapped_column(default=now)


class SessionRow(Base):
    """A signed-in browser. ``id`` is the SHA-256 of the cookie's token, so that a copy of the table opens nothing."""

    __tablename__ = "sessions"
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    person_id: Mapped[str] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[datetime] = mapped_column(default=now)
    expires_at: Mapped[datetime] = mapped_column()


class DepartmentRow(Base):
    """A department. ``config`` holds its overrides of answer settings and its tuning policy.

    ``offered`` is the plugin's description that it was last brought up to date with; empty if no plugin offers it.
    """

    __tablename__ = "departments"
    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    title: Mapped[str] = mapped_column(String(255))
    instructions: Mapped[str] = mapped_column(Text, default="")
    glossary: Mapped[dict[str, Any]] = mapped_column(default=dict)
    examples: Mapped[list[Any]] = mapped_column(default=list)
    open: Mapped[bool] = mapped_column(default=True)
    config: Mapped[dict[str, Any]] = mapped_column(default=dict)
    offered: Mapped[dict[str, Any]] = mapped_column(default=dict)
    created_at: Mapped[datetime] = mapped_column(default=now)


class MemberRow(Base):
    """A principal (``user:…``) who may ask a closed department."""

    __tablename__ = "department_members"
    department: Mapped[str] = mapped_column(ForeignKey("departments.name", ondelete="CASCADE"), primary_key=True)
    principal: Mapped[str] = mapped_column(String(255), primary_key=True)


class PlaceRow(Base):
    """A place where several people talk, such as a Slack channel; ``config`` is its channel plugin's own."""

    __tablename__ = "places"
    id: Mapped[str] = mapped_column(String(255), primary_key=True)  # "slack:C024BE91L"
    departments: Mapped[list[Any]] = mapped_column(default=list)
    principals: Mapped[list[Any]] = mapped_column(default=list)  # what its audience may read beyond everyone
    train_eligible: Mapped[bool | None] = mapped_column()  # null: the channel plugin's default
    config: Mapped[dict[str, Any]] = mapped_column(default=dict)


class PluginStateRow(Base):
    """Whether a plugin is on and its settings, for one department or (``""``) for the instance."""

    __tablename__ = "plugin_states"
    plugin: Mapped[str] = mapped_column(String(128), primary_key=True)
    department: Mapped[str] = mapped_column(String(64), primary_key=True, default="")
    enabled: Mapped[bool | None] = mapped_column()
    settings: Mapped[dict[str, Any]] = mapped_column(default=dict)
    reason: Mapped[str] = mapped_column(Text, default="")
    changed_at: Mapped[datetime] = mapped_column(default=now)
    problem: Mapped[str] = mapped_column(Text, default="")
    failed_at: Mapped[datetime | None] = mapped_column()


class ErasureRow(Base):
    """That a person or a document was erased. ``marks`` are salted hashes that recognise it, see bot.storage.traces."""

    __tablename__ = "erasures"
    id: Mapped[str] = id_column("er")
    kind: Mapped[str] = mapped_column(String(16))
    salt: Mapped[str] = mapped_column(String(64))
    marks: Mapped[dict[str, Any]] = mapped_column(default=dict)
    at: Mapped[datetime] = mapped_column(default=now)
    __table_args__ = (CheckConstraint("kind in ('person', 'document')", name="erasures_kind"),)


class AuditRow(Base):
    """Who changed what. Append only."""

    __tablename__ = "audit"
    id: Mapped[str] = id_column("au")
    actor: Mapped[str] = mapped_column(String(255))
    action: Mapped[str] = mapped_column(String(64), index=True)
    subject: Mapped[str] = mapped_column(String(255))
    detail: Mapped[dict[str, Any]] = mapped_column(default=dict)
    at: Mapped[datetime] = mapped_column(default=now)
