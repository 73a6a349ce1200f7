"""API tokens: for programs that act for a person, within scopes and until they expire."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import delete, select

from bot.access.audit import note_change
from bot.access.names import no_person
from bot.access.people import account_id, stored_person
from bot.domain.errors import NotFoundError
from bot.domain.identifiers import now
from bot.domain.people import Person, Scope, usable_scopes
from bot.storage.tables.access import PersonRow, TokenRow

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from bot.storage.session import Store

PREFIX = "mentee_"
"""Begins every token, so that scanners for secrets know one."""

TOKEN_BYTES = 32
DAYS = 90


@dataclass(frozen=True, slots=True)
class Token:
    """A token as operators see it: all but the secret."""

    id: str
    person: str
    scopes: tuple[Scope, ...]
    created_at: datetime
    expires_at: datetime


class Tokens:
    """The API tokens of an instance. The database has only their SHA-256. Everything here is blocking."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def create(self, name: str, scopes: Collection[Scope] = (), *, days: int = DAYS, actor: str) -> tuple[str, Token]:
        """Create a token for a person; return the secret, which nobody can read again, and what is kept.

        :param scopes: by default all that the person can make use of now; a later role doesn't widen the token.
        :raises NotFoundError: there is no such person.
        """
        secret = PREFIX + secrets.token_urlsafe(TOKEN_BYTES)
        with self._store.write() as session:
            person = session.get(PersonRow, account_id(name))
            if person is None:
                raise no_person(session, name)
            granted = scopes or usable_scopes(stored_person(session, person))
            row = TokenRow(
                digest=_digest(secret),
                person_id=person.id,
                scopes=[scope.value for scope in Scope if scope in granted],
                expires_at=now() + timedelta(days=days),
            )
            session.add(row)
            session.flush()
            token = _token(row)
            detail = {"token": row.id, "scopes": row.scopes, "expires_at": row.expires_at.isoformat()}
            note_change(session, actor=actor, action="token.create", subject=person.id, detail=detail)
        return secret, token

    def all(self) -> list[Token]:
        """Return all tokens, expired ones too, by person and age."""
        with self._store.read() as session:
            rows = session.scalars(select(TokenRow).order_by(TokenRow.person_id, TokenRow.created_at))
            return [_token(row) for row in rows]

    def revoke(self, token_id: str, *, actor: str) -> None:
        """End a token.

        :raises NotFoundError: there is none of that id.
        """
        with self._store.write() as session:
            row = session.get(TokenRow, token_id)
            if row is None:
                raise NotFoundError(f"There is no token {token_id!r}.", hint="`mentee tokens list` lists all tokens.")
            session.delete(row)
            note_change(session, actor=actor, action="token.revoke", subject=row.person_id, detail={"token": row.id})

    def revoke_all(self, name: str, *, actor: str) -> int:
        """End all tokens of a person; return how many there were.

        :raises NotFoundError: there is no such person.
        """
        person_id = account_id(name)
        with self._store.write() as session:
            if session.get(PersonRow, person_id) is None:
                raise no_person(session, name)
            ended = session.scalars(delete(TokenRow).where(TokenRow.person_id == person_id).returning(TokenRow.id))
            ids = list(ended)
            for token_id in ids:
                note_change(session, actor=actor, action="token.revoke", subject=person_id, detail={"token": token_id})
        return len(ids)

    def holder(self, secret: str) -> tuple[Person, frozenset[Scope]] | None:
        """Return whose token it is and what it may be used for, or ``None`` when there is none or it has expired."""
        with self._store.read() as session:
            row = session.scalar(select(TokenRow).where(TokenRow.digest == _digest(secret)))
            if row is None or row.expires_at <= now():
                return None
            holder = session.get(PersonRow, row.person_id)
            if holder is None:  # removed at this moment
                return None
            return stored_person(session, holder), frozenset(map(Scope, row.scopes))


def _token(row: TokenRow) -> Token:
    return Token(row.id, row.person_id, tuple(map(Scope, row.scopes)), row.created_at, row.expires_at)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()
