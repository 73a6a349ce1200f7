"""Signing in with a name and a password, and signing out."""

# No `from __future__ import annotations`: FastAPI reads the annotations when the routes are declared.

import asyncio
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import RedirectResponse
from fastapi.templating import Jinja2Templates

from bot.access.people import People, account_id
from bot.access.sessions import Sessions
from bot.delivery.rate_limit import RateLimit
from bot.domain.errors import BusyError
from bot.server.pages.forms import read_form
from bot.server.returning import HOME, SIGN_IN_PATH, local_address

TRIES = 5
"""Attempts per minute for a name from one address."""

TRIES_PER_NAME = 20
"""For a name, from all addresses together."""

TRIES_PER_CLIENT = 20
"""From an address, for all names together."""

TOO_OFTEN = "Too many attempts to sign in."
REFUSED = "This name and password do not match."


class SignIn:
    """The routes ``/sign-in`` and ``/sign-out``.

    :param demo: nobody has to sign in; the form leads to the chat.
    """

    def __init__(self, people: People, sessions: Sessions, templates: Jinja2Templates, *, demo: bool) -> None:
        self._people = people
        self._sessions = sessions
        self._templates = templates
        self._demo = demo
        self._per_pair = RateLimit(TRIES, TOO_OFTEN)
        self._per_name = RateLimit(TRIES_PER_NAME, TOO_OFTEN)
        self._per_client = RateLimit(TRIES_PER_CLIENT, TOO_OFTEN)

    def add_to(self, site: FastAPI) -> None:
        site.get(SIGN_IN_PATH, include_in_schema=False)(self.show)
        site.post(SIGN_IN_PATH, include_in_schema=False)(self.sign_in)
        site.post("/sign-out", include_in_schema=False)(self.sign_out)

    def show(self, request: Request) -> Response:
        """Show the form, or where it leads if the browser is signed in."""
        wanted = local_address(request.query_params.get("next", HOME))
        if self._demo or self._sessions.person_of(request) is not None:
            return RedirectResponse(wanted, 303)
        return self._form(request, wanted)

    async def sign_in(self, request: Request) -> Response:
        """Check name and password; on success a new session begins under a new token, where ``next`` leads."""
        fields = await read_form(request)
        name, password, wanted = (fields.get(key, [""])[0] for key in ("name", "password", "next"))
        wanted = local_address(wanted)
        client = request.client.host if request.client else ""
        try:
            account = account_id(name)[:64]
            self._per_pair.spend(client, account)
            self._per_client.spend(client)
            self._per_name.spend(account)
        except BusyError as error:
            retry = {"Retry-After": f"{error.retry_after:.0f}"}
            return self._form(request, wanted, str(error), name, status_code=error.status, headers=retry)
        person = await asyncio.to_thread(self._people.sign_in, name, password, address=client)
        if person is None:
            return self._form(request, wanted, REFUSED, name, status_code=401)
        await asyncio.to_thread(self._sessions.close, self._sessions.token_of(request))
        response = RedirectResponse(wanted, 303)
        self._sessions.set_cookie(response, await asyncio.to_thread(self._sessions.open, person))
        return response

    def sign_out(self, request: Request) -> Response:
        """End the session, in the browser and in the database."""
        self._sessions.close(self._sessions.token_of(request))
        response = RedirectResponse(SIGN_IN_PATH, 303)
        self._sessions.drop_cookie(response)
        return response

    def _form(self, request: Request, wanted: str, problem: str = "", name: str = "", **response: Any) -> Response:
        shown = {"next": wanted, "problem": problem, "name": name}
        return self._templates.TemplateResponse(request, "sign_in.html", shown, **response)
