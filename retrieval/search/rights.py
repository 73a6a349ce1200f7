"""Who may read which document, read from the database with every query."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import select

from bot.domain.people import EVERYONE
from bot.storage.tables.access import DepartmentRow, MemberRow
from bot.storage.tables.documents import DocumentRow

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy.orm import Session

    from bot.domain.people import Audience


@dataclass(frozen=True, slots=True)
class Readable:
    """A document that an audience may read. ``readers`` are its own; none means those of its department."""

    address: str
    readers: tuple[str, ...]


def readable(
    session: Session, department: str, audience: Audience, *, among: Collection[str] | None = None
) -> dict[str, Readable]:
    """Return the department's documents that the audience may read, by id.

    :param among: look only at these.

    A document names its readers, or has those of its department: everyone if that is open, else its members.
    """
    row = session.get(DepartmentRow, department)
    if row is None:
        return {}
    default = frozenset({EVERYONE}) if row.open else _members(session, department)
    query = select(DocumentRow.id, DocumentRow.address, DocumentRow.readers).where(
        DocumentRow.department == department, DocumentRow.state == "ready"
    )
    if among is not None:
        query = query.where(DocumentRow.id.in_(among))
    return {
        document: Readable(address, tuple(sorted(readers)))
        for document, address, readers in session.execute(query)
        if audience.may_read(frozenset(readers) if readers else default)
    }


def any_documents(session: Session, department: str) -> bool:
    """Return whether the department has a document, whoever may read it."""
    query = select(DocumentRow.id).where(DocumentRow.department == department, DocumentRow.state == "ready")
    return session.scalar(query.limit(1)) is not None


def _members(session: Session, department: str) -> frozenset[str]:
    named = session.scalars(select(MemberRow.principal).where(MemberRow.department == department))
    return frozenset({f"department:{department}", *named})
