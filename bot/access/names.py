"""Names of removed people and departments, which are never given again: old answers and rights still bear them.

Erased documents and people are kept here too, by their ids.
"""

from __future__ import annotations

import difflib
import hashlib
from typing import TYPE_CHECKING

from sqlalchemy import select

from bot.domain.errors import ForbiddenError, NotFoundError, SettingsError
from bot.domain.identifiers import now
from bot.storage.tables.access import DepartmentRow, PersonRow, RetiredNameRow

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.orm import Session


def retire(session: Session, name: str) -> None:
    """Retire the name of what is removed, inside the caller's transaction.

    :param name: with its kind, such as ``web:ada`` or ``department:hr``.
    """
    session.merge(RetiredNameRow(id=_digest(name), retired_at=now()))


def is_retired(session: Session, name: str) -> bool:
    """Return whether somebody or something removed bore the name."""
    return session.get(RetiredNameRow, _digest(name)) is not None


def document_name(document_id: str) -> str:
    """Return under which name an erased document is retired."""
    return f"document-id:{document_id}"


def erased_name(person_id: str) -> str:
    """Return under which name an erased person is kept, whose id may be used again if it is a channel's."""
    return f"person-id:{person_id}"


def require_present(session: Session, person_id: str, at: datetime) -> None:
    """Make sure that what a person did at a moment may still be recorded.

    :raises ForbiddenError: they were removed, or erased since then.
    """
    if is_retired(session, person_id) or erased_since(session, person_id, at):
        raise ForbiddenError("This account was removed, so nothing was recorded.", hint="Ask an operator to add you.")


def erased_since(session: Session, person_id: str, at: datetime) -> bool:
    """Return whether a person was erased at that moment or later."""
    erased = session.get(RetiredNameRow, _digest(erased_name(person_id)))
    return erased is not None and erased.retired_at >= at


def no_person(session: Session, name: str) -> NotFoundError:
    """Return the error for a name that nobody has, with the name that was probably meant."""
    known = {person.removeprefix("web:") for person in session.scalars(select(PersonRow.id))}
    meant = difflib.get_close_matches(name.removeprefix("web:"), sorted(known), n=1)
    guess = f" Did you mean {meant[0]!r}?" if meant else ""
    return NotFoundError(f"There is no person {name!r}.{guess}", hint="`mentee users list` lists all people.")


def no_department(session: Session, name: str) -> NotFoundError:
    """Return the error for a department that doesn't exist, with those that do."""
    known = ", ".join(session.scalars(select(DepartmentRow.name).order_by(DepartmentRow.name))) or "none yet"
    return NotFoundError(
        f"There is no department {name!r}. Departments: {known}.",
        hint=f"Choose one of them, or `mentee departments add {name}`.",
    )


def require_fresh(session: Session, name: str) -> None:
    """Make sure that a name was never removed.

    :raises SettingsError: it was.
    """
    if is_retired(session, name):
        shown = name.partition(":")[2]
        raise SettingsError(
            f"The name {shown!r} belonged to a removed person or department, so it can't be reused.",
            hint="Choose another name, so that nobody inherits old answers and permissions.",
        )


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()
