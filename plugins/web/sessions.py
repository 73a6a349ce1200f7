"""Signed-in browsers: an opaque token in a cookie, its SHA-256 in the database, its end decided by the server."""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import delete

from bot.errors import ForbiddenError, SignInRequiredError
from bot.messages import Person, Role, now
from bot.store.models import PersonRow, SessionRow

if TYPE_CHECKING:
    from fastapi import Request, Response

    from bot.app import Mentee

TOKEN_BYTES = 32


class Sessions:
    """The sessions of an instance.

    Over https the cookie carries the ``__Host-`` prefix, which browsers tie to this one host and to https.
    """

    def __init__(self, mentee: Mentee) -> None:
        self._store = mentee.store
        self._lifetime = timedelta(hours=mentee.settings.web.session_hours)
        self._https = mentee.settings.web.public_url.startswith("https://")
        self.cookie = "__Host-mentee" if self._https else "mentee"

    def open(self, person: Person) -> str:
        """Begin a session and return its token; sessions that ran out are cleared away."""
        token = secrets.token_urlsafe(TOKEN_BYTES)
        with self._store.write() as session:
            session.execute(delete(SessionRow).where(SessionRow.expires_at < now()))
            session.add(SessionRow(id=_digest(token), person_id=person.id, expires_at=now() + self._lifetime))
        return token

    def close(self, token: str) -> None:
        """End the session of a token, if there is one."""
        with self._store.write() as session:
            session.execute(delete(SessionRow).where(SessionRow.id == _digest(token)))

    def person(self, token: str) -> Person | None:
        """Return whose session it is, or ``None`` when there is none or it ran out."""
        with self._store.read() as session:
            row = session.get(SessionRow, _digest(token))
            if row is None or row.expires_at <= now():
                return None
            person = session.get_one(PersonRow, row.person_id)
        return Person(person.id, person.name, Role(person.role))

    def token_of(self, request: Request) -> str:
        """Return the token a request carries, or an empty text."""
        return request.cookies.get(self.cookie, "")

    def person_of(self, request: Request) -> Person | None:
        """Return who sent a request, or ``None`` when nobody is signed in."""
        token = self.token_of(request)
        return self.person(token) if token else None

    def require(self, request: Request, role: Role = Role.EMPLOYEE) -> Person:
        """Return who sent a request.

        :raises SignInRequiredError: nobody is signed in.
        :raises ForbiddenError: the person's role does not include ``role``.
        """
        person = self.person_of(request)
        if person is None:
            raise SignInRequiredError(
                "You are not signed in, or your session has ended.", hint="Sign in and try again."
            )
        if not person.role.includes(role):
            raise ForbiddenError(f"This is for the role {role.value}.", hint="Ask an operator for that role.")
        return person

    def set_cookie(self, response: Response, token: str) -> None:
        """Hand a token to the browser."""
        seconds = int(self._lifetime.total_seconds())
        response.set_cookie(
            self.cookie, token, max_age=seconds, path="/", secure=self._https, httponly=True, samesite="lax"
        )

    def drop_cookie(self, response: Response) -> None:
        """Make the browser forget its token."""
        response.delete_cookie(self.cookie, path="/", secure=self._https, httponly=True, samesite="lax")


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
