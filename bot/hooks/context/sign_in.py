"""Says who sent a request to a plugin's routes, and what they may do."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from bot.domain.errors import ForbiddenError
from bot.domain.people import Role, Scope

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

    from bot.domain.people import Person
    from bot.hooks.instance import Instance


class SignIn:
    """Finds the person behind a request: a browser with a session, or a program with an API token.

    Let the errors of these methods pass: Mentee sends a browser that isn't signed in to the sign-in page, and answers a
    program with 401 or 403. Requests from other sites' pages are refused before they reach your routes.
    """

    def __init__(self, instance: Callable[[], Instance]) -> None:
        self._instance = instance

    def require(
        self,
        request: Request,
        role: Role = Role.EMPLOYEE,
        *,
        scope: Scope | None = None,
        department: str | None = None,
    ) -> Person:
        """Return who sent the request. Blocking.

        :param role: what the person must be: in every department, or in ``department`` if you name one.
        :param scope: what an API token must be allowed to do; by default ``console:write`` for operators, else
            ``questions:write``.
        :param department: one that the person must be allowed to ask.
        :raises SignInRequiredError: nobody is signed in, or the token isn't valid.
        :raises ForbiddenError: the person hasn't the role, the token hasn't the scope, or the department is closed.
        :raises NotFoundError: there is no such department.
        """
        instance = self._instance()
        if department is None:
            return instance.sessions.require(request, role, scope)
        needed = scope or (Scope.OPERATE if role is Role.OPERATOR else Scope.ASK)
        person = instance.sessions.require(request, Role.EMPLOYEE, needed)
        found = instance.departments.require_askable(department, instance.departments.audience_of(person))
        if not person.role_in(department).includes(role):
            raise ForbiddenError(
                f"This needs the role {role.value} in the {found.title} department.", hint="Ask an operator for it."
            )
        return person

    async def arequire(
        self,
        request: Request,
        role: Role = Role.EMPLOYEE,
        *,
        scope: Scope | None = None,
        department: str | None = None,
    ) -> Person:
        """Await :meth:`require` without blocking the server."""
        return await asyncio.to_thread(self.require, request, role, scope=scope, department=department)
