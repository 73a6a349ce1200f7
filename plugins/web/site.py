"""The web application: the chat page, signing in and out, and the API."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from fastapi import FastAPI, Request, Response
from fastapi.responses import RedirectResponse
from fastapi.staticfiles import StaticFiles
from fastapi.templating import Jinja2Templates

from bot.budget import Budget
from bot.errors import BusyError
from bot.messages import Person, Role
from bot.people import People
from bot.reasons import REASONS
from bot.server import SIGN_IN_PATH
from plugins.web.api import Web, api
from plugins.web.sessions import Sessions

if TYPE_CHECKING:
    from starlette.types import Scope

    from bot.app import Mentee

FOLDER = Path(__file__).parent
DEMO = Person("web:demo", "Demo", Role.OPERATOR)
"""Who everybody is on a demo: an operator, so that the console can be tried too."""

TRIES_PER_NAME = 5
TRIES_PER_CLIENT = 20
REFUSED = "This name and password do not match."
templates = Jinja2Templates(FOLDER / "templates")


class _Static(StaticFiles):
    """Files that browsers keep but ask about, so that a new version shows at once."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers.setdefault("Cache-Control", "no-cache")
        return response


def build_site(mentee: Mentee) -> FastAPI:
    """Return the application of an instance, to be mounted at the root."""
    sessions = Sessions(mentee)
    demo = mentee.settings.web.sign_in == "demo"
    site = FastAPI(title="Mentee web chat", openapi_url="/api/openapi.json", docs_url=None, redoc_url=None)
    site.state.web = Web.of(mentee, sessions)
    site.include_router(api)
    site.mount("/static", _Static(directory=FOLDER / "static"), name="static")
    _add_sign_in(site, mentee, sessions)

    @site.get("/", include_in_schema=False)
    def chat(request: Request) -> Response:
        """Show the page; on a demo the first visit signs in."""
        person, token = sessions.person_of(request), ""
        if person is None and demo:
            person = People(mentee.store).ensure(DEMO)
            token = sessions.open(person)
        if person is None:
            return RedirectResponse(SIGN_IN_PATH, 303)
        shown = {
            "person": person,
            "demo": demo,
            "operator": person.role.includes(Role.OPERATOR),
            "limit": mentee.settings.limits.question_chars,
            "reasons": REASONS,
        }
        response = templates.TemplateResponse(request, "chat.html", shown)
        if token:
            sessions.set_cookie(response, token)
        return response

    return site


def _add_sign_in(site: FastAPI, mentee: Mentee, sessions: Sessions) -> None:
    people = People(mentee.store)
    per_name = Budget(TRIES_PER_NAME, "Too many tries to sign in.")
    per_client = Budget(TRIES_PER_CLIENT, "Too many tries to sign in.")

    @site.get(SIGN_IN_PATH, include_in_schema=False)
    def sign_in_page(request: Request) -> Response:
        """Show the form, or the chat to who is signed in."""
        if sessions.person_of(request) is not None or mentee.settings.web.sign_in == "demo":
            return RedirectResponse("/", 303)
        return _form(request)

    @site.post(SIGN_IN_PATH, include_in_schema=False)
    async def sign_in(request: Request) -> Response:
        """Check name and password; a success begins a new session under a new token."""
        fields = parse_qs((await request.body()).decode("utf-8", "replace"))
        name, password = (fields.get(key, [""])[0] for key in ("name", "password"))
        client = request.client.host if request.client else ""
        try:
            per_client.spend(client)
            per_name.spend(client, name.strip().lower()[:64])
        except BusyError as error:
            retry = {"Retry-After": f"{error.retry_after:.0f}"}
            return _form(request, str(error), name, status_code=error.status, headers=retry)
        person = await mentee.store.run(people.verified, name, password)
        if person is None:
            return _form(request, REFUSED, name, status_code=401)
        await mentee.store.run(sessions.close, sessions.token_of(request))
        response = RedirectResponse("/", 303)
        sessions.set_cookie(response, await mentee.store.run(sessions.open, person))
        return response

    @site.post("/sign-out", include_in_schema=False)
    def sign_out(request: Request) -> Response:
        """End the session, here and in the database."""
        sessions.close(sessions.token_of(request))
        response = RedirectResponse(SIGN_IN_PATH, 303)
        sessions.drop_cookie(response)
        return response


def _form(request: Request, problem: str = "", name: str = "", **response: Any) -> Response:
    return templates.TemplateResponse(request, "sign_in.html", {"problem": problem, "name": name}, **response)
