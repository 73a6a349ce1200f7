"""People who sign in with a password, and the roles of everybody known."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from bot.errors import NotFoundError, SettingsError
from bot.messages import Person, Role
from bot.store.models import AuditRow, PersonRow

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from bot.store import Store

MIN_PASSWORD = 8
MAX_PASSWORD = 256
_HASHER = PasswordHasher()


@dataclass(frozen=True, slots=True)
class Account:
    """A person as operators see them."""

    id: str
    name: str
    role: Role
    has_password: bool


class People:
    """The people of an instance."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def all(self) -> list[Account]:
        """Return everybody known, by id."""
        with self._store.read() as session:
            rows = session.scalars(select(PersonRow).order_by(PersonRow.id)).all()
        return [Account(row.id, row.name, Role(row.role), row.password_hash is not None) for row in rows]

    def add(self, name: str, *, role: Role, password: str | None, actor: str) -> Person:
        """Add a person: ``ada`` signs in on the web; an id with a channel (``slack:U024BE7LH``) only gets a role.

        :raises SettingsError: the person exists already, or the password cannot be used.
        """
        person_id = account_id(name)
        hashed = _hash(password) if password is not None else None
        with self._store.write() as session:
            if session.get(PersonRow, person_id) is not None:
                raise SettingsError(
                    f"{person_id} exists already.", hint=f"`mentee users password {name}` sets a new password."
                )
            shown = person_id.partition(":")[2]
            session.add(PersonRow(id=person_id, name=shown, role=role.value, password_hash=hashed))
            session.add(AuditRow(actor=actor, action="person.add", subject=person_id, detail={"role": role.value}))
        return Person(person_id, shown, role)

    def set_password(self, name: str, password: str, *, actor: str) -> None:
        """Set a person's password.

        :raises NotFoundError: there is no such person.
        :raises SettingsError: the password cannot be used.
        """
        hashed = _hash(password)
        with self._store.write() as session:
            row = session.get(PersonRow, account_id(name))
            if row is None:
                raise _nobody(name)
            row.password_hash = hashed
            session.add(AuditRow(actor=actor, action="person.password", subject=row.id, detail={}))

    def remove(self, name: str, *, actor: str) -> None:
        """Remove a person and sign them out everywhere; what they asked and voted stays as history.

        :raises NotFoundError: there is no such person.
        """
        with self._store.write() as session:
            row = session.get(PersonRow, account_id(name))
            if row is None:
                raise _nobody(name)
            session.delete(row)
            session.add(AuditRow(actor=actor, action="person.remove", subject=row.id, detail={}))

    def ensure(self, person: Person) -> Person:
        """Return the person as stored; somebody new is stored as given."""
        with self._store.write() as session:
            row = person_row(session, person)
            return Person(row.id, row.name, Role(row.role))

    def rename(self, person: Person, name: str) -> Person:
        """Store the name by which somebody is known, new or not, and return them with it."""
        with self._store.write() as session:
            row = person_row(session, person)
            row.name = name
            return Person(row.id, name, Role(row.role))

    def verified(self, name: str, password: str) -> Person | None:
        """Return the person of that name when the password is theirs; a hash of older parameters is renewed."""
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
        return Person(row.id, row.name, Role(row.role))


def person_row(session: Session, person: Person) -> PersonRow:
    """Return a person's row inside the caller's transaction, added as given for somebody new.

    Several processes may meet them at the same moment: each gets the one row.
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
    """Return the id of the person who signs in on the web as ``name``; an id with a channel stays as it is."""
    return name if ":" in name else f"web:{name.strip().lower()}"


@functools.cache
def _nobodys_hash() -> str:
    """Return what is checked for unknown names, so that the time of a refusal does not tell which names exist."""
    return _HASHER.hash("nobody signs in with this")


def _hash(password: str) -> str:
    if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
        raise SettingsError(
            f"The password has {len(password)} characters.", hint=f"Use {MIN_PASSWORD} to {MAX_PASSWORD} characters."
        )
    return _HASHER.hash(password)


def _nobody(name: str) -> NotFoundError:
    return NotFoundError(f"There is no person {name!r}.", hint="`mentee users list` shows everybody.")
