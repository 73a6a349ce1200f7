"""Who sent a request: a signed-in browser, by a random token in a cookie, or a program, by an API token.

Of a session's token the database has the SHA-256; its expiry is set here.
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import delete

from bot.access.people import stored_person
from bot.domain.errors import ForbiddenError, MissingScopeError, SignInRequiredError
from bot.domain.identifiers import now
from bot.domain.people import Person, Role, Scope
from bot.storage.tables.access import PersonRow, SessionRow

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from bot.access.tokens import Tokens
    from bot.config.core import WebSettings
    from bot.storage.session import Store

TOKEN_BYTES = 32


class Sessions:
    """The sessions of an instance. Everything here is blocking.

    Over https the cookie has the ``__Host-`` prefix, which browsers tie to this one host and to https.
    """

    def __init__(self, store: Store, web: WebSettings, tokens: Tokens) -> None:
        self._store = store
        self._tokens = tokens
        self._lifetime = timedelta(hours=web.session_hours)
        self._https = web.public_url.startswith("https://")
        self.cookie = "__Host-mentee" if self._https else "mentee"

    def open(self, person: Person) -> str:
        """Begin a session and return its token; expired sessions are deleted."""
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
        """Return whose session it is, or ``None`` when there is none or it has expired."""
        with self._store.read() as session:
            row = session.get(SessionRow, _digest(token))
            if row is None or row.expires_at <= now():
                return None
            holder = session.get(PersonRow, row.person_id)
            return stored_person(session, holder) if holder is not None else None  # removed at this moment

    def token_of(self, request: Request) -> str:
        """Return the session's token of a request, or an empty text."""
        return request.cookies.get(self.cookie, "")

    def person_of(self, request: Request) -> Person | None:
        """Return whose browser sent a request, or ``None`` when nobody is signed in."""
        token = self.token_of(request)
        return self.person(token) if token else None

    def require(self, request: Request, role: Role = Role.EMPLOYEE, scope: Scope | None = None) -> Person:
        """Return who sent a request, with ``Authorization: Bearer`` or a session.

        :param scope: what an API token must be allowed to do; by default ``console:write`` for operators, else
            ``questions:write``.
        :raises SignInRequiredError: nobody is signed in, or the token is not valid.
        :raises MissingScopeError: the token has not the scope.
        :raises ForbiddenError: the person's role does not include ``role``.
        """
        needed = scope or (Scope.OPERATE if role is Role.OPERATOR else Scope.ASK)
        kind, _, secret = request.headers.get("authorization", "").partition(" ")
        bearer = kind.lower() == "bearer"
        person = self._holder(secret.strip(), needed) if bearer else self._signed_in(request)
        if not person.role.includes(role):
            raise ForbiddenError(f"This needs the role {role.value}.", hint="Ask an operator for it.")
        return person

    def _signed_in(self, request: Request) -> Person:
        person = self.person_of(request)
        if person is None:
            raise SignInRequiredError(
                "You are not signed in, or your session has ended.", hint="Sign in and try again."
            )
        return person

    def _holder(self, secret: str, needed: Scope) -> Person:
        held = self._tokens.holder(secret)
        if held is None:
            raise SignInRequiredError(
                "This API token is not valid; it may have expired.", hint="Ask an operator for a new one."
            )
        person, scopes = held
        if needed not in scopes:
            raise MissingScopeError(needed.value)
        return person

    def set_cookie(self, response: Response, token: str) -> None:
        """Give a token to the browser."""
        seconds = int(self._lifetime.total_seconds())
        response.set_cookie(
            self.cookie, token, max_age=seconds, path="/", secure=self._https, httponly=True, samesite="lax"
        )

    def drop_cookie(self, response: Response) -> None:
        """Make the browser forget its token."""
        response.delete_cookie(self.cookie, path="/", secure=self._https, httponly=True, samesite="lax")


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
