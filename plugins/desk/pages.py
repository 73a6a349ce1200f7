"""The routes of the desk."""

# No `from __future__ import annotations`: FastAPI reads the annotations when the routes are declared.

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import quote

from fastapi import Depends, FastAPI, Query, Request, Response
from fastapi import Path as InPath
from fastapi.responses import RedirectResponse

from bot.access.sessions import Sessions
from bot.domain.errors import BusyError, ConflictError, ForbiddenError, MenteeError, NotFoundError
from bot.domain.people import Person, Role, Scope
from bot.server.pages.forms import read_form
from bot.server.pages.layout import StaticFolder, page_templates
from plugins.desk.judging import Desk, Done, Typed

PREFIX = "/desk"
FOLDER = Path(__file__).parent
INVALID = 422

templates = page_templates(FOLDER / "templates")
Item = Annotated[str, InPath(max_length=80)]
Told = Annotated[Literal["", "live", "saved", "rejected", "replied", "closed"], Query()]


def build_desk(desk: Desk, sessions: Sessions) -> FastAPI:
    """Return the application, to be mounted at :data:`PREFIX`."""
    app = FastAPI(title="Mentee desk", openapi_url=None)
    app.mount("/static", StaticFolder(FOLDER / "static"), name="static")

    def agent(request: Request) -> Person:
        person = sessions.require(request, scope=Scope.CORRECT)
        if not person.is_anywhere(Role.AGENT):
            raise ForbiddenError("Only support agents can open this page.", hint="Ask an operator for the role agent.")
        return person

    Agent = Annotated[Person, Depends(agent)]  # noqa: N806 - a type

    @app.get("/")
    def show_first(request: Request, person: Agent, done: Told = "") -> Response:
        """Show the first item of the queue."""
        return templates.TemplateResponse(request, "desk.html", {**desk.shown(person), "done": done})

    @app.get("/items/{item}")
    def show(request: Request, person: Agent, item: Item, done: Told = "") -> Response:
        """Show an item, or what became of it."""
        return templates.TemplateResponse(request, "desk.html", {**desk.shown(person, item), "done": done})

    @app.get("/items/{item}/{_form}")
    def reload(item: Item, _form: str, _person: Agent) -> Response:
        """Show the item again, for a browser that reloads a form that was refused."""
        return RedirectResponse(f"{PREFIX}/items/{quote(item, safe='')}", 303)

    _add_decisions(app, desk, agent)
    return app


def _add_decisions(app: FastAPI, desk: Desk, agent: Callable[[Request], Person]) -> None:
    Agent = Annotated[Person, Depends(agent)]  # noqa: N806 - a type

    @app.post("/items/{item}/accept")
    async def accept(request: Request, person: Agent, item: Item) -> Response:
        """Accept a proposal as it is, or publish what the agent wrote."""
        given = await read_form(request)
        text = given["text"][0] if "text" in given else None

        def decide() -> Done:
            if text is not None and "anyway" in given:
                return desk.replace(person, item, text)
            return desk.accept(person, item, given.get("seen", [""])[0], text)

        return await _decided(desk, request, person, decide, Typed("", "text" if text is not None else "", text or ""))

    @app.post("/items/{item}/reject")
    async def reject(request: Request, person: Agent, item: Item) -> Response:
        """Decide that the answer stands."""
        given = await read_form(request)
        seen, reason = (given.get(name, [""])[0] for name in ("seen", "reason"))

        def decide() -> Done:
            return desk.reject(person, item, seen, reason)

        return await _decided(desk, request, person, decide, Typed("", "reason" if reason else "", reason))

    @app.post("/items/{item}/reply")
    async def reply(request: Request, person: Agent, item: Item) -> Response:
        """Reply to whoever asked for a person."""
        text = (await read_form(request)).get("reply", [""])[0]
        return await _decided(desk, request, person, lambda: desk.reply(person, item, text), Typed("", "reply", text))


async def _decided(desk: Desk, request: Request, person: Person, decide: Callable[[], Done], typed: Typed) -> Response:
    """Decide and go on to the next item; if that is refused, show the item with why, and with what was typed."""
    item = request.path_params["item"]
    others = await asyncio.to_thread(desk.after, person, item)
    try:
        done = await asyncio.to_thread(decide)
    except (BusyError, ForbiddenError, NotFoundError):
        raise
    except MenteeError as error:
        refused = Typed(str(error), typed.field, typed.text)
        values: dict[str, Any] = await asyncio.to_thread(desk.shown, person, item, refused=refused)
        status = error.status if isinstance(error, ConflictError) else INVALID
        return templates.TemplateResponse(request, "desk.html", {**values, "done": ""}, status_code=status)
    following = await asyncio.to_thread(desk.first_waiting, person, others)
    where = f"items/{quote(following, safe='')}" if following else ""
    return RedirectResponse(f"{PREFIX}/{where}?done={done}", 303)
