"""Who may read which document: decided from the database with every query, inside the query (design §6.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from bot.messages import EVERYONE
from bot.store.models import DepartmentRow, DocumentRow, MemberRow

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from bot.messages import Audience


def readable(session: Session, department: str, audience: Audience) -> dict[str, str]:
    """Return id and address of the department's documents that the audience may read.

    A document names its readers or leaves them to the department: everyone when that is open, else its members.
    """
    row = session.get(DepartmentRow, department)
    if row is None:
        return {}
    default = frozenset({EVERYONE}) if row.open else _members(session, department)
    documents = session.execute(
        select(DocumentRow.id, DocumentRow.address, DocumentRow.readers).where(
            DocumentRow.department == department, DocumentRow.state == "ready"
        )
    )
    return {
        document: address
        for document, address, readers in documents
        if audience.may_read(frozenset(readers) if readers else default)
    }


def addresses(session: Session, department: str) -> dict[str, str]:
    """Return id and address of every document of the department that is there, whoever may read it."""
    rows = session.execute(
        select(DocumentRow.id, DocumentRow.address).where(
            DocumentRow.department == department, DocumentRow.state == "ready"
        )
    )
    return {row.id: row.address for row in rows}


def _members(session: Session, department: str) -> frozenset[str]:
    named = session.scalars(select(MemberRow.principal).where(MemberRow.department == department))
    return frozenset({f"department:{department}", *named})
