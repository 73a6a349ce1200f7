"""People: their roles, and the passwords of those who sign in on the web."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError

from bot.access.audit import SIGN_IN, SIGN_IN_FAILED, note_change
from bot.access.names import no_department, no_person, require_fresh, retire
from bot.domain.errors import SettingsError
from bot.domain.people import Person, Role, principals_of
from bot.domain.questions import cleaned, is_text
from bot.storage.tables.access import DepartmentRoleRow, DepartmentRow, MemberRow, PersonRow, SessionRow
from bot.storage.tables.answers import QuestionRow

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.orm import Session

    from bot.storage.session import Store

MIN_PASSWORD = 8
MAX_PASSWORD = 256
CHANNEL = re.compile(r"[a-z_-]+")
PRINCIPALS = frozenset({"user", "department"})
"""Kinds of readers, which are no channels: ``user:ada`` is the reader that ``web:ada`` is."""

_HASHER = PasswordHasher()


@dataclass(frozen=True, slots=True)
class Account:
    """A person as operators see them."""

    id: str
    name: str
    role: Role
    has_password: bool
    roles: Mapping[str, Role] = field(default_factory=dict)


class People:
    """The people of an instance."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def all(self) -> list[Account]:
        """Return all known people, by id."""
        with self._store.read() as session:
            rows = session.scalars(select(PersonRow).order_by(PersonRow.id)).all()
            people = [(stored_person(session, row), row.password_hash is not None) for row in rows]
        return [Account(each.id, each.name, each.role, has, dict(sorted(each.roles))) for each, has in people]

    def get(self, person_id: str) -> Person:
        """Return a person by id. An unknown person is an employee."""
        with self._store.read() as session:
            return known_person(session, person_id)

    def find(self, name: str) -> Person:
        """Return the person whom an operator means: by the name they sign in with, or by an id with a channel.

        :raises NotFoundError: nobody is known by it: there is no account, no membership and no question.
        """
        person_id = account_id(name)
        members = select(MemberRow.principal).where(MemberRow.principal.in_(principals_of(person_id)))
        asked = select(QuestionRow.id).where(QuestionRow.person_id == person_id)
        with self._store.read() as session:
            known = session.get(PersonRow, person_id) is not None
            if not known and not any(session.scalar(each.limit(1)) for each in (members, asked)):
                raise no_person(session, name)
            return known_person(session, person_id)

    def add(self, name: str, *, role: Role, password: str | None, actor: str) -> Person:
        """Add a person. ``ada`` signs in on the web; an id with a channel (``slack:U024BE7LH``) only gets a role.

        :raises SettingsError: nobody can bear the name, the person exists already, the name is retired, or the password
            cannot be used.
        """
        person_id = account_id(name)
        _check_name(name, person_id)
        hashed = _hash(password) if password is not None else None
        with self._store.write() as session:
            if session.get(PersonRow, person_id) is not None:
                raise SettingsError(
                    f"{person_id} already exists.", hint=f"`mentee users password {name}` sets a new password."
                )
            require_fresh(session, person_id)
            shown = person_id.partition(":")[2]
            session.add(PersonRow(id=person_id, name=shown, role=role.value, password_hash=hashed))
            note_change(session, actor=actor, action="person.add", subject=person_id, detail={"role": role.value})
        return Person(person_id, shown, role)

    def set_password(self, name: str, password: str, *, actor: str) -> None:
        """Set a person's password and sign them out everywhere. Their API tokens stay: they don't come from it.

        :raises NotFoundError: there is no such person.
        :raises SettingsError: the password cannot be used.
        """
        hashed = _hash(password)
        with self._store.write() as session:
            row = session.get(PersonRow, account_id(name))
            if row is None:
                raise no_person(session, name)
            row.password_hash = hashed
            session.execute(delete(SessionRow).where(SessionRow.person_id == row.id))
            note_change(session, actor=actor, action="person.password", subject=row.id)

    def set_role(self, name: str, role: Role, *, department: str | None = None, actor: str) -> None:
        """Set a person's role, everywhere or in one department. As employees they have none of their own there.

        :raises NotFoundError: there is no such person or department.
        :raises SettingsError: ``role`` is operator in one department.
        """
        if department is not None and role is Role.OPERATOR:
            raise SettingsError(
                "Operators run the whole instance, not one department.",
                hint=f"Make {name} an agent of it, or leave out --department.",
            )
        with self._store.write() as session:
            row = session.get(PersonRow, account_id(name))
            if row is None:
                raise no_person(session, name)
            if department is None:
                row.role = role.value
            else:
                _set_role_in(session, row, department, role)
            detail = {"role": role.value} | ({"department": department} if department else {})
            note_change(session, actor=actor, action="person.role", subject=row.id, detail=detail)

    def remove(self, name: str, *, actor: str) -> None:
        """Remove a person, sign them out everywhere, and end their memberships. Their questions and votes stay.

        The name of somebody who signed in on the web is retired. A channel's own id (``slack:U024BE7LH``) always names
        the same person, so it can be added again.

        :raises NotFoundError: there is no such person.
        """
        with self._store.write() as session:
            row = session.get(PersonRow, account_id(name))
            if row is None:
                raise no_person(session, name)
            session.delete(row)
            session.execute(delete(MemberRow).where(MemberRow.principal.in_(principals_of(row.id))))
            if row.id.startswith("web:"):
                retire(session, row.id)
            note_change(session, actor=actor, action="person.remove", subject=row.id)

    def ensure(self, person: Person) -> Person:
        """Return the stored person; a new one is stored as given."""
        with self._store.write() as session:
            return stored_person(session, person_row(session, person))

    def rename(self, person: Person, name: str) -> Person:
        """Store a person's name, and the person if new; return them."""
        with self._store.write() as session:
            row = person_row(session, person)
            row.name = cleaned(name)
            return stored_person(session, row)

    def verified(self, name: str, password: str) -> Person | None:
        """Return the person if the password is right. A hash with older parameters is renewed."""
        with self._store.read() as session:
            row = session.get(PersonRow, account_id(name))
        stored = row.password_hash if row is not None else None
        try:
            _HASHER.verify(stored or _nobodys_hash(), password[:MAX_PASSWORD])
        except (VerificationError, InvalidHashError):
            return None
        if row is None or stored is None:
            return None
        if _HASHER.check_needs_rehash(stored):
            with self._store.write() as session:
                session.get_one(PersonRow, row.id).password_hash = _HASHER.hash(password)
        return self.get(row.id)

    def sign_in(self, name: str, password: str, *, address: str) -> Person | None:
        """Return the person if the password is right. Both outcomes are audited, with the address it came from.

        A name that nobody has is not written down: people type their password there by mistake.
        """
        person = self.verified(name, password)
        person_id = account_id(name)
        with self._store.write() as session:
            known = session.get(PersonRow, person_id) is not None
            note_change(
                session,
                actor=person_id if person else "nobody",
                action=SIGN_IN if person else SIGN_IN_FAILED,
                subject=person_id if known else "unknown",
                detail={"address": address},
            )
        return person


def known_person(session: Session, person_id: str) -> Person:
    """Return a person by id inside the caller's transaction. An unknown person is an employee."""
    row = session.get(PersonRow, person_id)
    return stored_person(session, row) if row else Person(person_id)


def stored_person(session: Session, row: PersonRow) -> Person:
    """Return the person of a row, with their roles in single departments."""
    own = session.scalars(select(DepartmentRoleRow).where(DepartmentRoleRow.person_id == row.id))
    return Person(row.id, row.name, Role(row.role), frozenset((each.department, Role(each.role)) for each in own))


def person_row(session: Session, person: Person) -> PersonRow:
    """Return a person's row inside the caller's transaction; a new person is added as given.

    Processes that add the same person at the same time all get the one row.
    """
    row = session.get(PersonRow, person.id)
    if row is not None:
        return row
    row = PersonRow(id=person.id, name=person.name, role=person.role.value)
    try:
        with session.begin_nested():
            session.add(row)
    except IntegrityError:
        return session.get_one(PersonRow, person.id)
    return row


def account_id(name: str) -> str:
    """Return the id of the person who signs in on the web as ``name``. An id with a channel stays as it is."""
    channel, found, rest = name.partition(":")
    if not found or channel == "web":
        return f"web:{(rest if found else name).strip().lower()}"
    return name


def _check_name(name: str, person_id: str) -> None:
    channel, _, rest = person_id.partition(":")
    if not rest or not person_id.isprintable() or not CHANNEL.fullmatch(channel) or channel in PRINCIPALS:
        raise SettingsError(
            f"{name!r} can't be a person's name.",
            hint="Use a name to sign in with, such as ada, or an id of a channel, such as slack:U024BE7LH.",
        )


def _set_role_in(session: Session, row: PersonRow, department: str, role: Role) -> None:
    if session.get(DepartmentRow, department) is None:
        raise no_department(session, department)
    own = session.get(DepartmentRoleRow, (row.id, department))
    if own is not None:
        session.delete(own)
        session.flush()
    if role is not Role.EMPLOYEE:
        session.add(DepartmentRoleRow(person_id=row.id, department=department, role=role.value))


@functools.cache
def _nobodys_hash() -> str:
    """Return a hash to check for unknown names, so that the response time doesn't reveal which names exist."""
    return _HASHER.hash("nobody signs in with this")


def _hash(password: str) -> str:
    if not is_text(password):
        raise SettingsError("The password is not UTF-8 text.", hint="Type it in a terminal set to UTF-8.")
    if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
        raise SettingsError(
            f"The password is {len(password)} characters long.",
            hint=f"Use {MIN_PASSWORD} to {MAX_PASSWORD} characters.",
        )
    return _HASHER.hash(password)
